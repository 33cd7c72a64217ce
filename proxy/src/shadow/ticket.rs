//! What came of it? Exactly one outcome per exchange, whatever happens to it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rules::Route;
use rules::compare::Difference;
use rules::exchange::{ExchangeReport, NotComparable, Outcome};
use tokio::sync::mpsc;

use super::ledger::{Ledger, Slot};
use crate::connection::Pressure;

/// One exchange's place and duty: to be settled once. What is dropped unsettled (the sender stops) counts as shed.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) route: Arc<Route>,
    pub(super) exchange_id: Box<str>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) pressure: Arc<Pressure>,
    pub(super) reports: mpsc::Sender<ExchangeReport>,
    /// None once settled.
    pub(super) slot: Option<Slot>,
}

impl Ticket {
    /// Counts and reports the outcome. A report that nobody takes in time is dropped and counted.
    pub(super) fn settle(mut self, outcome: Outcome, differences: Vec<Difference>) {
        self.conclude(outcome, differences);
    }

    fn conclude(&mut self, outcome: Outcome, differences: Vec<Difference>) {
        let Some(slot) = self.slot.take() else { return };
        drop(slot);
        self.route.counters.record_outcome(outcome);
        let report = ExchangeReport {
            route: self.route.name.clone(),
            exchange_id: std::mem::take(&mut self.exchange_id),
            outcome,
            differences,
            at_unix_ms: unix_ms(SystemTime::now()),
        };
        if self.reports.try_send(report).is_err() {
            self.ledger.count_dropped_report();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.conclude(Outcome::NotComparable(NotComparable::Shed), Vec::new());
    }
}

fn unix_ms(now: SystemTime) -> i64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
