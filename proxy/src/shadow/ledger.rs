//! How many copies, and how many of their bytes, may be held at once? (INV-7)

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use config::ShadowLimits;

/// What the shadow sender holds now, and what it had to drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShadowGauges {
    /// Exchanges that are captured, in flight or being compared.
    pub in_flight: usize,
    /// Bytes of their heads and bodies.
    pub bytes: usize,
    /// Reports that were dropped since the start, because nobody took them in time.
    pub reports_dropped: u64,
}

/// What is held, by count and by bytes.
#[derive(Debug)]
pub(super) struct Ledger {
    limits: ShadowLimits,
    in_flight: AtomicUsize,
    bytes: AtomicUsize,
    reports_dropped: AtomicU64,
}

impl Ledger {
    pub(super) fn new(limits: ShadowLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            in_flight: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            reports_dropped: AtomicU64::new(0),
        })
    }

    pub(super) fn gauges(&self) -> ShadowGauges {
        ShadowGauges {
            in_flight: self.in_flight.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            reports_dropped: self.reports_dropped.load(Ordering::Relaxed),
        }
    }

    pub(super) fn count_dropped_report(&self) {
        self.reports_dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// A place among the exchanges, or none when all are taken.
    pub(super) fn slot(self: &Arc<Self>) -> Option<Slot> {
        take(&self.in_flight, 1, self.limits.max_in_flight).then(|| Slot(Arc::clone(self)))
    }

    /// A claim on so many bytes, or none when there is no room for them.
    pub(super) fn claim(self: &Arc<Self>, bytes: usize) -> Option<Claim> {
        let mut claim = self.empty_claim();
        claim.grow(bytes).then_some(claim)
    }

    /// A claim on no bytes yet.
    pub(super) fn empty_claim(self: &Arc<Self>) -> Claim {
        Claim { ledger: Arc::clone(self), bytes: 0 }
    }
}

fn take(gauge: &AtomicUsize, more: usize, max: usize) -> bool {
    let grown = |held: usize| held.checked_add(more).filter(|total| *total <= max);
    gauge.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok()
}

/// A place among the exchanges, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<Ledger>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A claim on bytes, given back when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    ledger: Arc<Ledger>,
    bytes: usize,
}

impl Claim {
    /// Claims `more` bytes; says whether there was room for them.
    #[must_use]
    pub(super) fn grow(&mut self, more: usize) -> bool {
        let taken = take(&self.ledger.bytes, more, self.ledger.limits.max_bytes);
        if taken {
            self.bytes += more;
        }
        taken
    }

    /// Gives all bytes back.
    pub(super) fn release(&mut self) {
        self.ledger.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = 0;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back() {
        let ledger = Ledger::new(ShadowLimits { max_in_flight: 1, max_bytes: 10 });
        let slot = ledger.slot().unwrap();
        assert!(ledger.slot().is_none());
        let mut claim = ledger.empty_claim();
        assert!(claim.grow(7) && !claim.grow(4) && claim.grow(3));
        assert_eq!(ledger.gauges().bytes, 10);
        claim.release();
        assert!(claim.grow(10));
        drop((slot, claim));
        assert_eq!(ledger.gauges(), ShadowGauges::default());
    }
}
