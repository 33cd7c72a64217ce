//! How often was each variant of a flag evaluated, and when last?

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// One flag's counts, by variant.
#[derive(Debug, Default)]
pub struct FlagCounters {
    variants: Box<[VariantCounter]>,
}

#[derive(Debug, Default)]
struct VariantCounter {
    evaluations: AtomicU64,
    last_unix: AtomicI64,
}

/// What is known of one variant's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VariantUse {
    /// How often it was evaluated since the process began.
    pub evaluations: u64,
    /// When it last was, in seconds since 1970; none where it never was.
    pub last_unix: Option<i64>,
}

impl FlagCounters {
    /// Counters of so many variants, none of them used.
    #[must_use]
    pub fn new(variants: usize) -> Self {
        Self { variants: (0..variants).map(|_| VariantCounter::default()).collect() }
    }

    /// Counts one evaluation.
    pub fn count(&self, variant: crate::flag::VariantId, now_unix: i64) {
        if let Some(counter) = self.variants.get(usize::from(variant.0)) {
            counter.evaluations.fetch_add(1, Ordering::Relaxed);
            counter.last_unix.fetch_max(now_unix, Ordering::Relaxed);
        }
    }

    /// The use of each variant, in the order of their ids.
    #[must_use]
    pub fn read(&self) -> Vec<VariantUse> {
        let read = |counter: &VariantCounter| {
            let evaluations = counter.evaluations.load(Ordering::Relaxed);
            let last = counter.last_unix.load(Ordering::Relaxed);
            VariantUse { evaluations, last_unix: (evaluations > 0).then_some(last) }
        };
        self.variants.iter().map(read).collect()
    }
}
