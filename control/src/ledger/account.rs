//! How is accounted for what made no revision? In the audit, too; what it cannot take while the store fails waits.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use rules::Revision;

use super::execute::is_rollback;
use super::{Declined, Done, Ledger, Order};
use crate::audit::{Outcome, Record, Via};

/// How many records may wait for the store. More are dropped, and counted. (INV-7)
const MAX_WAITING: usize = 1_000;

impl Ledger {
    /// Accounts for a command that made no revision; one that did was stored with its record.
    pub(super) fn account_for(
        self: &Arc<Self>,
        order: &Order,
        now: Timestamp,
        before: Revision,
        result: &Result<Done, Declined>,
    ) {
        let record = order.record(now, before);
        let record = match result {
            Ok(done) if done.changed => return,
            // Nobody asked for it: the file is looked at again at each start.
            Ok(_) if order.via == Via::PROCESS => return,
            Ok(done) => {
                let (outcome, summary) = (Outcome::Unchanged, done.summary.clone());
                let after = done.revision.0;
                Record { outcome, summary, before: after, after, ..record }
            }
            // It is asked again, and the other process accounts for it.
            Err(Declined::HandedOver) => return,
            Err(declined) => record.refused(declined.code()),
        };
        if !is_rollback(&order.command) {
            self.record(record);
        } else if self.put_by(record) && self.meters.is_store_up() {
            // Its answer waits for no store that others share. What that does not take now is tried again each second.
            self.in_a_moment(Instant::now(), Self::store_unrecorded).ok();
        }
    }

    /// Adds a record to the audit, after those that wait. While the store fails it waits itself.
    pub fn record(&self, record: Record) {
        if self.put_by(record) && self.meters.is_store_up() {
            self.store_unrecorded();
        }
    }

    /// Adds a record to those that wait, if there is room.
    fn put_by(&self, record: Record) -> bool {
        let mut waiting = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = waiting.len() < MAX_WAITING;
        if has_room {
            waiting.push_back(record);
        } else {
            self.meters.audit_dropped();
        }
        has_room
    }

    /// Whether the audit could not take everything yet.
    #[must_use]
    pub fn has_unrecorded(&self) -> bool {
        !self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Tries to store what the audit could not take yet. More may be put by meanwhile.
    pub(super) fn store_unrecorded(&self) {
        let _recording = self.recording.lock().unwrap_or_else(PoisonError::into_inner);
        let records = self.waiting_records();
        if records.is_empty() {
            return;
        }
        match self.store.record(&records) {
            Ok(()) => {
                let mut waiting = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.drain(..records.len());
            }
            Err(error) => self.store_failed(&error, "the audit could not be stored; it waits"),
        }
    }

    fn waiting_records(&self) -> Vec<Record> {
        let waiting = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.iter().cloned().collect()
    }
}
