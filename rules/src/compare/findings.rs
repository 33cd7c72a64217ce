//! What was found, and at what price? Both are bounded (INV-7).

use super::Difference;

/// Differences kept of one exchange; each signature is kept once.
const MOST_DIFFERENCES: usize = 100;
/// Steps that comparing two bodies may take, as a pure function has no clock: one is a node looked at, about 20 ns, so
/// that together they stand for 20 ms.
const MOST_STEPS: u32 = 1_000_000;

/// The differences of one exchange.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Difference>,
}

impl Findings {
    pub(super) fn add(&mut self, difference: Difference) {
        if !self.is_full() && !self.kept.contains(&difference) {
            self.kept.push(difference);
        }
    }

    pub(super) fn extend(&mut self, differences: impl IntoIterator<Item = Difference>) {
        differences.into_iter().for_each(|difference| self.add(difference));
    }

    pub(super) fn is_full(&self) -> bool {
        self.kept.len() >= MOST_DIFFERENCES
    }

    pub(super) fn into_differences(self) -> Vec<Difference> {
        self.kept
    }
}

/// There is no end to it within the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OverBudget;

/// How many steps are left.
#[derive(Debug)]
pub(super) struct Steps(u32);

impl Default for Steps {
    fn default() -> Self {
        Self(MOST_STEPS)
    }
}

impl Steps {
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), OverBudget> {
        let left = u32::try_from(steps).ok().and_then(|steps| self.0.checked_sub(steps));
        self.0 = left.ok_or(OverBudget)?;
        Ok(())
    }
}
