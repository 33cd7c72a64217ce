//! What is judged? How many requests were bad, out of how many.

/// The requests of one arm, and those of them that were bad: failed, too slow, or not alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// The bad ones.
    pub bad: u64,
    /// All of them.
    pub total: u64,
}

impl Tally {
    /// So many bad ones out of so many.
    #[must_use]
    pub const fn new(bad: u64, total: u64) -> Self {
        Self { bad, total }
    }

    /// The part of them that is bad; none where there are none.
    #[must_use]
    pub fn ratio(self) -> Option<f64> {
        (self.total > 0).then(|| float(self.bad) / float(self.total))
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self {
            bad: self.bad.saturating_add(more.bad),
            total: self.total.saturating_add(more.total),
        }
    }
}

/// What both arms did in the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tallies {
    /// The new side.
    pub candidate: Tally,
    /// The old side.
    pub stable: Tally,
}

impl Tallies {
    /// Both times together.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self {
            candidate: self.candidate.plus(more.candidate),
            stable: self.stable.plus(more.stable),
        }
    }
}

/// A count as the formulas take it.
#[expect(clippy::cast_precision_loss, reason = "requests of a rollout are far below 2^52")]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

/// The smallest count that is not less; what no count can hold is the largest one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, and none of the formulas is negative here"
)]
pub(super) fn count(float: f64) -> u64 {
    float.max(0.0).ceil() as u64
}
