//! How is accounted for what made no revision? In the audit, too; what it cannot take while the store fails waits.

use std::sync::PoisonError;

use jiff::Timestamp;
use rules::Revision;

use super::{Declined, Done, Ledger, Order};
use crate::audit::{Outcome, Record, Via};

/// How many records may wait for the store. More are dropped, and counted. (INV-7)
const MAX_WAITING: usize = 1_000;

impl Ledger {
    /// Accounts for a command that made no revision; one that did was stored with its record.
    pub(super) fn account_for(
        &self,
        order: &Order,
        now: Timestamp,
        before: Revision,
        result: &Result<Done, Declined>,
    ) {
        let record = order.record(now, before);
        match result {
            Ok(done) if done.changed => {}
            // Nobody asked for it: the file is looked at again at each start.
            Ok(_) if order.via == Via::PROCESS => {}
            Ok(done) => {
                let (outcome, summary) = (Outcome::Unchanged, done.summary.clone());
                let after = done.revision.0;
                self.record(Record { outcome, summary, before: after, after, ..record });
            }
            // It is asked again, and the other process accounts for it.
            Err(Declined::HandedOver) => {}
            Err(declined) => self.record(record.refused(declined.code())),
        }
    }

    /// Adds a record to the audit, after those that wait. While the store fails it waits itself.
    pub fn record(&self, record: Record) {
        let mut waiting = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MAX_WAITING {
            self.meters.audit_dropped();
            return;
        }
        waiting.push_back(record);
        drop(waiting);
        if self.meters.is_store_up() {
            self.store_unrecorded();
        }
    }

    /// Whether the audit could not take everything yet.
    #[must_use]
    pub fn has_unrecorded(&self) -> bool {
        !self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Tries to store what the audit could not take yet.
    pub(super) fn store_unrecorded(&self) {
        let mut waiting = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_empty() {
            return;
        }
        match self.store.record(waiting.make_contiguous()) {
            Ok(()) => waiting.clear(),
            Err(error) => self.store_failed(&error, "the audit could not be stored; it waits"),
        }
    }
}
