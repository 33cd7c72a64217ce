//! Which target serves the next request? Power of two choices, by weight.
//!
//! The first choice is the target whose turn it is: smooth weighted round robin, so that with nothing in flight weights
//! are kept exactly and not just on average. The second is any other. The request goes to the second when that one would
//! still have no more in flight, for its weight, than the first has already, so that a slow target gets fewer
//! (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001). Nothing here is random (INV-1): the
//! second choice comes from the turn's number, mixed until neighbours have nothing in common, which spreads as well and
//! can be tried again.

use std::cell::OnceCell;
use std::net::SocketAddr;

use super::pool::Upstream;
use super::target::{Health, Target};

/// How often another target is drawn before all are looked at in order. Drawing spreads the load of a target that is out
/// over all others; going on to the next one would give all of it to its neighbour.
const DRAWS: u64 = 8;

/// A target for one attempt.
#[derive(Debug, Clone, Copy)]
pub struct Picked<'u> {
    /// Its place among the upstream's targets.
    pub place: u16,
    /// The target.
    pub target: &'u Target,
    /// Which of its addresses.
    pub address: SocketAddr,
}

/// How fit for traffic a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fitness {
    Fit,
    /// Checks have not been there yet: it waits for them as long as others are fit.
    New,
    Unfit,
}

impl Upstream {
    /// A target for an attempt, other than `except` where there is another.
    ///
    /// Healthy targets that are not ejected are picked. Where fewer than half are, all are: too few could not carry the
    /// load, and what finds so many of them sick is perhaps sick itself ("panic mode"). None when no target with a
    /// weight is resolved.
    #[must_use]
    pub fn pick<'u>(&'u self, now_ms: u64, except: Option<&'u Target>) -> Option<Picked<'u>> {
        let turn = self.turns.next();
        let among = Among::new(self, now_ms, except);
        let Some(first) = among.first(turn) else {
            // Where one has failed already, another that is not fit may still do; and better that one again than none.
            let others = Among { panics: OnceCell::from(true), ..among };
            let again = || Among::new(self, now_ms, None).first(turn);
            return picked(others.first(turn).or_else(again)?);
        };
        let second = among.second(turn, first.0);
        picked(second.filter(|second| is_better(second.1, first.1)).unwrap_or(first))
    }

    /// Whether there is a target other than this one for an attempt, fit or not.
    #[must_use]
    pub fn has_another(&self, except: &Target) -> bool {
        self.targets.iter().any(|target| {
            target.weight > 0 && target.state.is_resolved() && !target.is_same(except)
        })
    }

    /// Whether so few targets are fit that all are asked.
    fn panics(&self, now_ms: u64) -> bool {
        let (mut fit, mut known) = (0_u32, 0_u32);
        for target in self.targets.iter().filter(|target| target.weight > 0) {
            let fitness = self.fitness(target, now_ms);
            fit += u32::from(fitness == Fitness::Fit);
            known += u32::from(fitness != Fitness::New);
        }
        fit == 0 || fit * 2 < known
    }

    fn fitness(&self, target: &Target, now_ms: u64) -> Fitness {
        if target.state.is_ejected(now_ms) {
            return Fitness::Unfit;
        }
        match target.state.health() {
            _ if self.health.is_none() => Fitness::Fit,
            Health::Well => Fitness::Fit,
            Health::Unknown => Fitness::New,
            Health::Unwell => Fitness::Unfit,
        }
    }

    /// Whether a target is fit, whatever is the matter with the others.
    pub(super) fn is_fit(&self, target: &Target, now_ms: u64) -> bool {
        self.fitness(target, now_ms) == Fitness::Fit
    }
}

type Placed<'u> = (u16, &'u Target);

/// The targets that an attempt may go to.
struct Among<'u> {
    upstream: &'u Upstream,
    now_ms: u64,
    /// Looked at only when a target that is not fit is drawn.
    panics: OnceCell<bool>,
    except: Option<&'u Target>,
}

impl<'u> Among<'u> {
    fn new(upstream: &'u Upstream, now_ms: u64, except: Option<&'u Target>) -> Self {
        Self { upstream, now_ms, panics: OnceCell::new(), except }
    }

    /// The target whose turn it is; where that one will not do, any.
    fn first(&self, turn: u64) -> Option<Placed<'u>> {
        let drawn = (0..DRAWS).map(|n| if n == 0 { turn } else { mixed(turn, n) });
        let drawn = drawn.filter_map(|draw| self.upstream.turns.at(draw));
        drawn.filter_map(|place| self.at(place)).find(|one| self.will_do(one.1)).or_else(|| {
            let all = (0..).zip(&self.upstream.targets);
            all.into_iter().find(|one| self.will_do(one.1))
        })
    }

    /// Another one, whatever its weight: less load than the first's, for its weight, is what makes it the better one.
    fn second(&self, turn: u64, first: u16) -> Option<Placed<'u>> {
        let others = u64::try_from(self.upstream.targets.len()).ok()?.checked_sub(1)?;
        let draws = (0..if others == 0 { 0 } else { DRAWS }).map(|n| mixed(!turn, n) % others);
        let places = draws.filter_map(|draw| u16::try_from(draw).ok());
        let places = places.map(|place| place + u16::from(place >= first));
        places.filter_map(|place| self.at(place)).find(|one| self.will_do(one.1))
    }

    fn at(&self, place: u16) -> Option<Placed<'u>> {
        Some((place, self.upstream.targets.get(usize::from(place))?))
    }

    fn will_do(&self, target: &Target) -> bool {
        target.weight > 0
            && self.except.is_none_or(|except| !target.is_same(except))
            && target.state.is_resolved()
            && (self.upstream.is_fit(target, self.now_ms)
                || *self.panics.get_or_init(|| self.upstream.panics(self.now_ms)))
    }
}

/// Whether the second target, with this request, would have no more in flight for its weight than the first has without it.
fn is_better(second: &Target, first: &Target) -> bool {
    let load = |target: &Target| u64::from(target.state.in_flight());
    load(first) * u64::from(second.weight) >= (load(second) + 1) * u64::from(first.weight)
}

fn picked((place, target): Placed<'_>) -> Option<Picked<'_>> {
    Some(Picked { place, target, address: target.state.address_in_turn()? })
}

/// Numbers without a pattern from numbers in a row: one step of SplitMix64 (Steele, Lea, Flood, 2014).
fn mixed(turn: u64, n: u64) -> u64 {
    let mut z = (turn.wrapping_add(n.rotate_left(32))).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::tests::weighted;
    use super::super::{Attempt, Upstream};

    /// Keeps `clients` requests in flight until `requests` are done; a target takes so long for each. How many each got.
    fn run(upstream: &Arc<Upstream>, times: &[u64], clients: usize, requests: usize) -> Vec<usize> {
        let mut counts = vec![0; times.len()];
        let mut under_way: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        let mut open: Vec<Option<Attempt>> = Vec::new();
        let mut now = 0;
        for number in 0..requests {
            if under_way.len() == clients {
                let Reverse((end, done)) = under_way.pop().unwrap();
                now = end;
                open[done] = None;
            }
            let (attempt, address) = upstream.attempt(0, None).unwrap();
            let place = usize::from(address.port()) - 1;
            counts[place] += 1;
            under_way.push(Reverse((now + times[place], number)));
            open.push(Some(attempt));
        }
        counts
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn weights_are_kept_when_all_are_equally_fast(
            weights in prop::collection::vec(1_u16..10, 2..6),
            clients in 1_usize..100,
        ) {
            const REQUESTS: usize = 10_000;
            let counts = run(&weighted(&weights), &vec![100; weights.len()], clients, REQUESTS);
            let total: u16 = weights.iter().sum();
            for (weight, count) in weights.iter().zip(&counts) {
                let ideal = REQUESTS * usize::from(*weight) / usize::from(total);
                // Few requests in flight cannot be shared out as evenly as unlike weights ask for.
                prop_assert!(count.abs_diff(ideal) <= REQUESTS / 25, "{weights:?} {counts:?}");
            }
        }

        #[test]
        fn a_slow_target_gets_fewer(
            targets in 2_usize..6,
            slow in 0_usize..6,
            clients in 8_usize..64,
            factor in 3_u64..20,
        ) {
            let slow = slow % targets;
            let mut times = vec![100; targets];
            times[slow] *= factor;
            let counts = run(&weighted(&vec![1; targets]), &times, clients, 10_000);
            let fair = 10_000 / targets;
            prop_assert!(counts[slow] * 10 < fair * 7, "{counts:?}");
            let others = counts.iter().enumerate().filter(|(place, _)| *place != slow);
            for (_, count) in others {
                prop_assert!(*count > fair, "{counts:?}");
            }
        }
    }
}
