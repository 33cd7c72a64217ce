//! Whose turn is it? By weight, evenly spread.

use std::sync::atomic::{AtomicU64, Ordering};

use super::target::Target;

/// The order in which targets take their turns: smooth weighted round robin, unrolled once.
#[derive(Debug)]
pub(super) struct Turns {
    order: Box<[u16]>,
    next: AtomicU64,
}

impl Turns {
    /// Bounds the unrolled order; weights are scaled down to fit.
    const LONGEST: u32 = 4_096;

    pub(super) fn new(targets: &[Target]) -> Self {
        let total: u32 = targets.iter().map(|target| u32::from(target.weight)).sum();
        let divisor = targets
            .iter()
            .map(|target| u32::from(target.weight))
            .filter(|weight| *weight > 0)
            .fold(0, greatest_common_divisor)
            .max(total.div_ceil(Self::LONGEST))
            .max(1);
        let mut credits: Vec<(u16, i64, i64)> = (0_u16..)
            .zip(targets)
            .filter(|(_, target)| target.weight > 0)
            .map(|(place, target)| {
                (place, i64::from((u32::from(target.weight) / divisor).max(1)), 0)
            })
            .collect();
        let round: i64 = credits.iter().map(|(_, weight, _)| *weight).sum();
        let mut order = Vec::new();
        for _ in 0..round {
            for (_, weight, credit) in &mut credits {
                *credit += *weight;
            }
            if let Some((place, _, credit)) = credits
                .iter_mut()
                .max_by_key(|(place, _, credit)| (*credit, std::cmp::Reverse(*place)))
            {
                *credit -= round;
                order.push(*place);
            }
        }
        Self { order: order.into(), next: AtomicU64::new(0) }
    }

    /// The number of the next turn.
    pub(super) fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The place of the target whose turn this is; none where no target has a weight.
    pub(super) fn at(&self, turn: u64) -> Option<u16> {
        let rounds = u64::try_from(self.order.len()).ok().filter(|length| *length > 0)?;
        self.order.get(usize::try_from(turn % rounds).ok()?).copied()
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
