//! What became of copies, and what came of comparing?

use std::sync::atomic::{AtomicU64, Ordering};

use crate::exchange::Outcome;

/// What became of a request's copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShadowResult {
    /// Sent, and answered.
    Answered,
    /// Sent, but no whole answer came in time.
    Failed,
    /// Not sent: the queue was full, by count or bytes.
    Shed,
    /// Not sent: the circuit breaker is open after too many failures.
    BreakerOpen,
    /// Not sent: the request's body is over the bound.
    Oversize,
}

impl ShadowResult {
    /// All results.
    pub const ALL: [Self; 5] =
        [Self::Answered, Self::Failed, Self::Shed, Self::BreakerOpen, Self::Oversize];

    /// The result's name, as metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Shed => "shed",
            Self::BreakerOpen => "breaker_open",
            Self::Oversize => "oversize",
        }
    }
}

/// How often each result was seen, of copies and of second requests to stable, and each outcome.
#[derive(Debug, Default)]
pub(super) struct ShadowCounters {
    results: [AtomicU64; ShadowResult::ALL.len()],
    twins: [AtomicU64; ShadowResult::ALL.len()],
    outcomes: OutcomeCounters,
}

impl ShadowCounters {
    pub(super) fn record_result(&self, result: ShadowResult) {
        count(&self.results, result as usize);
    }

    pub(super) fn record_twin(&self, result: ShadowResult) {
        count(&self.twins, result as usize);
    }

    pub(super) fn results(&self) -> [(ShadowResult, u64); ShadowResult::ALL.len()] {
        ShadowResult::ALL.map(|result| (result, counted(&self.results, result as usize)))
    }

    pub(super) fn twins(&self) -> [(ShadowResult, u64); ShadowResult::ALL.len()] {
        ShadowResult::ALL.map(|result| (result, counted(&self.twins, result as usize)))
    }

    pub(super) const fn outcomes(&self) -> &OutcomeCounters {
        &self.outcomes
    }
}

/// How often each outcome of a shadowed exchange was seen.
#[derive(Debug, Default)]
pub(super) struct OutcomeCounters([AtomicU64; Outcome::ALL.len()]);

impl OutcomeCounters {
    pub(super) fn record(&self, outcome: Outcome) {
        count(&self.0, outcome.place());
    }

    pub(super) fn counts(&self) -> [(Outcome, u64); Outcome::ALL.len()] {
        Outcome::ALL.map(|outcome| (outcome, counted(&self.0, outcome.place())))
    }
}

fn count(counters: &[AtomicU64], place: usize) {
    if let Some(counter) = counters.get(place) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn counted(counters: &[AtomicU64], place: usize) -> u64 {
    counters.get(place).map_or(0, |counter| counter.load(Ordering::Relaxed))
}
