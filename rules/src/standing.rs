//! Which of two decisions about a route counts, whatever the order in which nodes hear of them?

/// How far a decision has got. The later one in this list counts. (INV-10)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Rank {
    /// Traffic goes where shifts say.
    #[default]
    Running,
    /// Nothing moves until somebody says so.
    Paused,
    /// The next step is being taken.
    Promoting,
    /// Every step was taken.
    Completed,
    /// Everything was put back on stable.
    Aborted,
}

/// Where decisions about a route stand. Merging is the maximum: first of generations, then of ranks, so that it does not
/// matter who hears of what first. A rollback beats everything of its generation; what leaves it begins a new one.
///
/// ```
/// use rules::{Rank, Standing};
/// let rolled_back = Standing { generation: 3, rank: Rank::Aborted };
/// let promoted = Standing { generation: 3, rank: Rank::Completed };
/// assert_eq!(promoted.merge(rolled_back), rolled_back);
/// assert_eq!(rolled_back.merge(rolled_back.anew()), Standing { generation: 4, rank: Rank::Running });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Standing {
    /// How often somebody began anew, knowing what was before.
    pub generation: u64,
    /// How far this generation has got.
    pub rank: Rank,
}

impl Standing {
    /// The one of two that counts.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        self.max(other)
    }

    /// Everything put back on stable, in the same generation.
    #[must_use]
    pub const fn aborted(self) -> Self {
        Self { rank: Rank::Aborted, ..self }
    }

    /// The next generation.
    #[must_use]
    pub const fn anew(self) -> Self {
        Self { generation: self.generation.saturating_add(1), rank: Rank::Running }
    }
}
