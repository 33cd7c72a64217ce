//! What came of it? Exactly one outcome per exchange, whatever happens to it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rules::Route;
use rules::compare::{Comparison, Samples};
use rules::exchange::{ExchangeReport, NotComparable};
use tokio::sync::mpsc;

use super::capture::Whose;
use super::lanes::Place;
use super::ledger::{Ledger, Slot};
use crate::connection::Pressure;

/// What the arms answered with, where they did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Statuses {
    pub(super) stable: Option<u16>,
    pub(super) candidate: Option<u16>,
}

/// What comparing came to, and what a route that opted in keeps of it.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) comparison: Comparison,
    pub(super) samples: Option<Samples>,
}

impl Judged {
    pub(super) const fn without_samples(comparison: Comparison) -> Self {
        Self { comparison, samples: None }
    }
}

/// One exchange's place and duty: to be settled once. What is dropped unsettled (the sender stops) counts as shed.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) route: Arc<Route>,
    pub(super) exchange_id: Box<str>,
    pub(super) whose: Whose,
    pub(super) ledger: Arc<Ledger>,
    pub(super) pressure: Arc<Pressure>,
    pub(super) reports: mpsc::Sender<ExchangeReport>,
    /// None once settled.
    pub(super) slot: Option<Slot>,
    /// Where it is carried.
    pub(super) place: Place,
}

impl Ticket {
    /// Counts and reports the outcome. A report that nobody takes in time is dropped and counted.
    pub(super) fn settle(mut self, judged: Judged, statuses: Statuses) {
        self.conclude(judged, statuses);
    }

    fn conclude(&mut self, Judged { comparison, samples }: Judged, statuses: Statuses) {
        let Some(slot) = self.slot.take() else { return };
        drop(slot);
        self.route.counters.record_outcome(comparison.outcome);
        if let Some(own) = &self.whose.own {
            own.record_outcome(comparison.outcome);
        }
        let report = ExchangeReport {
            route: self.route.name.clone(),
            exchange_id: std::mem::take(&mut self.exchange_id),
            cohort: self.whose.cohort.take(),
            tenant: self.whose.tenant,
            stable_status: statuses.stable,
            candidate_status: statuses.candidate,
            comparison,
            rules: Arc::clone(&self.route.compare),
            samples,
            at_unix_ms: unix_ms(SystemTime::now()),
        };
        if self.reports.try_send(report).is_err() {
            self.ledger.count_dropped_report();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let shed = Comparison::impossible(NotComparable::Shed);
        self.conclude(Judged::without_samples(shed), Statuses::default());
    }
}

fn unix_ms(now: SystemTime) -> i64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
