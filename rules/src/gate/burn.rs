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
/// While stable has troubles of its own, so many times its ratio are no fire, up to [`HIGHEST`].
const TIMES_STABLE: f64 = 5.0;
/// Over this it is one whatever stable does: where everything is on fire, going back is safe.
const HIGHEST: f64 = 0.5;

/// Whether so many failed within [`WINDOW`] that nothing more is waited for.
#[must_use]
pub fn burns(candidate: Tally, limit: f64) -> bool {
    candidate.bad >= AT_LEAST && wilson_lower(candidate, ALPHA) > limit
}

/// A node's verdict on its last half minute: fails at once, else says nothing against it.
///
/// In a swing of both arms to 2.5 % five of thirty are chance, and took back one healthy candidate in a hundred. So the
/// limit of 5 % grows with what stable does in the same half minute.
#[must_use]
pub fn fast_burn(seen: Tallies) -> Finding {
    let of_stable = seen.stable.ratio().unwrap_or_default() * TIMES_STABLE;
    let limit = of_stable.clamp(LIMIT, HIGHEST);
    let burns = burns(seen.candidate, limit);
    Finding {
        rule: Rule::FastBurn,
        verdict: if burns { Verdict::Fail } else { Verdict::Pass },
        grounds: if burns { Grounds::OverLimit } else { Grounds::WithinLimit },
        seen,
        figure: Some(wilson_lower(seen.candidate, ALPHA)),
        limit: Some(limit),
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
            assert_eq!(burns(Tally::new(bad, total), LIMIT), expected, "{bad} of {total}");
        }
    }

    #[test]
    fn a_swing_of_both_arms_is_no_fire_and_a_blaze_is_one() {
        let verdict = |candidate, stable: (u64, u64)| {
            let stable = Tally::new(stable.0, stable.1);
            fast_burn(Tallies { candidate, stable }).verdict
        };
        assert_eq!(verdict(Tally::new(5, 28), (14, 570)), Verdict::Pass);
        assert_eq!(verdict(Tally::new(5, 28), (3, 570)), Verdict::Fail);
        assert_eq!(verdict(Tally::new(30, 30), (570, 570)), Verdict::Fail);
    }
}
