//! Is the candidate on fire? Many failures within seconds, on any node alone.

use std::time::Duration;

use super::interval::wilson_lower;
use super::tally::{Tallies, Tally};
use super::verdict::{Finding, Grounds, Rule, Verdict};

/// How far back it is looked.
pub const WINDOW: Duration = Duration::from_secs(30);
const AT_LEAST: u64 = 5;
const ALPHA: f64 = 0.001;
const LIMIT: f64 = 0.05;

/// Whether so many failed within [`WINDOW`] that nothing more is waited for.
#[must_use]
pub fn burns(candidate: Tally) -> bool {
    candidate.bad >= AT_LEAST && wilson_lower(candidate, ALPHA) > LIMIT
}

/// A node's verdict on its last half minute: fails at once, else says nothing against it.
///
/// Stable is not asked: where everything is on fire, going back is safe.
#[must_use]
pub fn fast_burn(seen: Tallies) -> Finding {
    let burns = burns(seen.candidate);
    Finding {
        rule: Rule::FastBurn,
        verdict: if burns { Verdict::Fail } else { Verdict::Pass },
        grounds: if burns { Grounds::OverLimit } else { Grounds::WithinLimit },
        seen,
        figure: Some(wilson_lower(seen.candidate, ALPHA)),
        limit: Some(LIMIT),
        needs: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_failures_or_a_small_part_are_no_fire() {
        for (bad, total, expected) in [
            (0, 0, false),
            (4, 4, false),
            (5, 5, true),
            (5, 20, true),
            (5, 40, false),
            (60, 600, true),
            (30, 600, false),
        ] {
            assert_eq!(burns(Tally::new(bad, total)), expected, "{bad} of {total}");
        }
    }
}
