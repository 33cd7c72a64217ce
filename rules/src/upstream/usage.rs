//! How busy is an upstream? Its requests in flight, and what was refused for there being too many.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Why an upstream takes no more requests for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// `max_connections` are in use.
    Connections,
    /// `max_pending` requests wait for a connection.
    Pending,
    /// The breaker is open.
    Breaker,
}

impl Overflow {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::Connections, Self::Pending, Self::Breaker];

    /// The reason's name, as metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Pending => "pending",
            Self::Breaker => "breaker",
        }
    }
}

/// What came of a wish to try a request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryResult {
    /// The second target answered, whatever it said.
    Answered,
    /// It failed as well.
    Failed,
    /// It was not tried: too many retries were under way.
    OverBudget,
}

impl RetryResult {
    /// All results.
    pub const ALL: [Self; 3] = [Self::Answered, Self::Failed, Self::OverBudget];

    /// The result's name, as metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::OverBudget => "over_budget",
        }
    }
}

/// How busy an upstream is: kept from one definition to the next, by name.
#[derive(Debug, Default)]
pub struct Usage {
    pub(super) in_flight: Gauge,
    pub(super) pending: Gauge,
    pub(super) retrying: Gauge,
    overflows: [AtomicU64; 3],
    retries: [AtomicU64; 3],
}

impl Usage {
    /// Requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.get()
    }

    /// Those of them that have no connection yet.
    #[must_use]
    pub fn pending(&self) -> u32 {
        self.pending.get()
    }

    /// Counts a request that was refused.
    pub(super) fn overflowed(&self, reason: Overflow) {
        add(&self.overflows, reason as usize);
    }

    /// Counts what came of a wish to try again.
    pub(super) fn retried(&self, result: RetryResult) {
        add(&self.retries, result as usize);
    }

    /// How many requests were refused, by reason.
    pub fn overflows(&self) -> impl Iterator<Item = (Overflow, u64)> + '_ {
        Overflow::ALL.into_iter().zip(self.overflows.iter().map(get))
    }

    /// What came of retries.
    pub fn retries(&self) -> impl Iterator<Item = (RetryResult, u64)> + '_ {
        RetryResult::ALL.into_iter().zip(self.retries.iter().map(get))
    }
}

fn add(counters: &[AtomicU64; 3], place: usize) {
    if let Some(counter) = counters.get(place) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// How many are in.
#[derive(Debug, Default)]
pub(super) struct Gauge(AtomicU32);

impl Gauge {
    /// Goes in, unless so many are in already.
    pub(super) fn enter(&self, most: u32) -> bool {
        let fits = self.0.fetch_add(1, Ordering::Relaxed) < most;
        if !fits {
            self.leave();
        }
        fits
    }

    pub(super) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}
