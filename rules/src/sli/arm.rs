//! How did one arm do? Its requests, failures and durations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{ErrorClass, Histogram, HistogramCounts, Observation, SeriesKey, SeriesTable};
use crate::Arm;

/// The SLIs of one arm.
#[derive(Debug, Default)]
pub struct ArmCounters {
    requests: AtomicU64,
    errors: [AtomicU64; ErrorClass::ALL.len()],
    overridden: AtomicU64,
    fallbacks: AtomicU64,
    latency: OnceLock<Histogram>,
    series: OnceLock<Box<SeriesTable>>,
}

/// The SLIs of one arm at one moment, or between two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArmCounts {
    /// Exchanges, without those a tester chose the arm for.
    pub requests: u64,
    /// Of those, per [`ErrorClass::ALL`].
    pub errors: [u64; ErrorClass::ALL.len()],
    /// Exchanges that a tester chose the arm for.
    pub overridden: u64,
    /// Exchanges that stable served because this arm could not.
    pub fallbacks: u64,
    /// How long the exchanges took.
    pub latency: HistogramCounts,
}

/// What one arm counted since somebody looked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArmNews {
    /// Exchanges, without those a tester chose the arm for.
    pub requests: u64,
    /// Those that failed by the arm's fault.
    pub failed: u64,
    /// How long they took, in the form of [`HistogramCounts::occupied`].
    pub latency: Vec<(u16, u64)>,
}

impl ArmCounts {
    /// The exchanges that failed by the arm's fault.
    #[must_use]
    pub fn failed(&self) -> u64 {
        let faults = ErrorClass::ALL.iter().zip(self.errors);
        faults.filter(|(class, _)| **class != ErrorClass::ClientAbort).map(|(_, n)| n).sum()
    }

    /// Adds what was counted elsewhere, or at another time.
    pub fn add(&mut self, more: &Self) {
        self.requests += more.requests;
        for (sum, more) in self.errors.iter_mut().zip(more.errors) {
            *sum += more;
        }
        self.overridden += more.overridden;
        self.fallbacks += more.fallbacks;
        // What counted nothing needs no buckets either.
        if more.latency.total() > 0 {
            self.latency.add(more.latency.occupied());
        }
    }

    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let errors = self.errors.iter().zip(earlier.errors);
        let mut differences = errors.map(|(now, before)| now.saturating_sub(before));
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            errors: std::array::from_fn(|_| differences.next().unwrap_or(0)),
            overridden: self.overridden.saturating_sub(earlier.overridden),
            fallbacks: self.fallbacks.saturating_sub(earlier.fallbacks),
            latency: self.latency.since(&earlier.latency),
        }
    }
}

impl ArmCounters {
    pub(super) fn record(&self, seen: &Observation<'_>, latency: Duration) {
        if seen.overridden {
            self.overridden.fetch_add(1, Ordering::Relaxed);
        } else {
            self.count(seen.key.error, latency);
        }
    }

    pub(super) fn record_fallback(&self, failed: ErrorClass, latency: Duration) {
        self.fallbacks.fetch_add(1, Ordering::Relaxed);
        self.count(Some(failed), latency);
    }

    fn count(&self, error: Option<ErrorClass>, latency: Duration) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(counter) = error.and_then(|class| self.errors.get(class as usize)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.latency.get_or_init(Histogram::default).record(latency);
    }

    /// How many exchanges were counted, overridden ones included: tells cheaply whether there is anything new.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.requests.load(Ordering::Relaxed) + self.overridden.load(Ordering::Relaxed)
    }

    /// The counts as they stand.
    #[must_use]
    pub fn counts(&self) -> ArmCounts {
        let latency = self.latency.get().map(Histogram::counts).unwrap_or_default();
        self.counts_with(latency)
    }

    /// What was counted since `known`, which is brought up to date. What counted nothing costs no memory.
    pub fn news(&self, known: &mut ArmCounts) -> ArmNews {
        let mut latencies = std::mem::take(&mut known.latency);
        let histogram = self.latency.get();
        let latency = histogram.map(|found| found.news(&mut latencies).collect());
        let now = self.counts_with(HistogramCounts::default());
        let added = now.since(known);
        *known = ArmCounts { latency: latencies, ..now };
        let latency = latency.unwrap_or_default();
        ArmNews { requests: added.requests, failed: added.failed(), latency }
    }

    fn counts_with(&self, latency: HistogramCounts) -> ArmCounts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ArmCounts {
            requests: load(&self.requests),
            errors: std::array::from_fn(|i| self.errors.get(i).map_or(0, load)),
            overridden: load(&self.overridden),
            fallbacks: load(&self.fallbacks),
            latency,
        }
    }

    /// Exchanges that stable served because this arm could not.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.fallbacks.load(Ordering::Relaxed)
    }

    /// Counts an exchange by the label set of the standard metrics.
    pub(super) fn record_series(&self, key: SeriesKey, duration: Duration) {
        self.series.get_or_init(Box::default).record(key, duration);
    }

    /// The label sets of the standard metrics; none before the first request.
    #[must_use]
    pub fn series(&self) -> Option<&SeriesTable> {
        self.series.get().map(Box::as_ref)
    }
}

/// The SLIs of all arms.
#[derive(Debug, Clone, Default)]
pub struct Arms {
    /// Stable's.
    pub stable: Arc<ArmCounters>,
    /// The candidate's.
    pub candidate: Arc<ArmCounters>,
    /// The baseline's.
    pub baseline: Arc<ArmCounters>,
}

impl Arms {
    /// Those of one arm.
    #[must_use]
    pub const fn of(&self, arm: Arm) -> &Arc<ArmCounters> {
        match arm {
            Arm::Stable => &self.stable,
            Arm::Candidate => &self.candidate,
            Arm::Baseline => &self.baseline,
        }
    }

    /// How many exchanges of all arms were counted, overridden ones included.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        Arm::ALL.iter().map(|arm| self.of(*arm).exchanges()).sum()
    }
}
