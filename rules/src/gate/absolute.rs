//! Is the candidate within a limit of its own, whatever stable does?

use super::interval::Weight;
use super::tally::{Tallies, Tally};
use super::verdict::{Finding, Grounds, Rule, Verdict};

/// How often a bound may be wrong.
pub const ALPHA: f64 = 0.05;
/// Nobody waits for more requests than this: it is the largest count for which the bounds are exact enough.
const MOST_NEEDED: u64 = 1 << 30;

/// A limit on the ratio of bad requests: fails where it is surely exceeded, passes where it is surely kept.
///
/// Too few requests to judge by say nothing, not even where the bound is over the limit: a single bad request among the
/// first five would be, and the bound is looked at again and again. What is that bad fails the test of harm instead.
/// Requests that come in bursts are worth as many fewer. Where stable exceeds the limit as
/// well, no fault of the candidate is known, and going back would help nobody: that is for people to see.
#[must_use]
pub fn absolute(seen: Tallies, limit: f64, smallest: u64, dispersion: f64) -> Finding {
    let Tallies { candidate, stable } = seen;
    let weight = |seen| Weight::in_bursts(seen, dispersion);
    let finding = |verdict, grounds, figure, needs| Finding {
        rule: Rule::Absolute,
        verdict,
        grounds,
        seen,
        figure: Some(figure),
        limit: Some(limit),
        needs,
    };
    let needs = || needed(candidate, limit, dispersion);
    let lower = || weight(candidate).lower_bound(ALPHA);
    let upper = || weight(candidate).upper_bound(ALPHA);
    if candidate.total == 0 {
        return finding(Verdict::Hold, Grounds::NoRequests, 1.0, needs());
    }
    if weight(candidate).is_above(limit, ALPHA) && candidate.total >= smallest {
        if stable.ratio().is_some_and(|ratio| ratio > limit) {
            return finding(Verdict::Hold, Grounds::StableToo, lower(), None);
        }
        return finding(Verdict::Fail, Grounds::OverLimit, lower(), None);
    }
    if weight(candidate).is_below(limit, ALPHA) {
        return finding(Verdict::Pass, Grounds::WithinLimit, upper(), None);
    }
    finding(Verdict::Hold, Grounds::TooFew, upper(), needs())
}

/// How many further requests, none of them bad, a pass needs; none where no number is enough.
#[must_use]
pub fn needed(seen: Tally, limit: f64, dispersion: f64) -> Option<u64> {
    let enough = smallest_passing(seen.bad, limit, dispersion)?;
    Some(enough.saturating_sub(seen.total))
}

/// Of how many requests so many may be bad for the upper bound to be below the limit.
#[must_use]
pub fn smallest_passing(bad: u64, limit: f64, dispersion: f64) -> Option<u64> {
    let passes =
        |total| Weight::in_bursts(Tally::new(bad, total), dispersion).is_below(limit, ALPHA);
    let mut enough = bad.saturating_add(1);
    while !passes(enough) {
        enough = enough.saturating_mul(2);
        if enough > MOST_NEEDED {
            return None;
        }
    }
    let mut too_few = bad;
    while enough - too_few > 1 {
        let middle = too_few + (enough - too_few) / 2;
        if passes(middle) { enough = middle } else { too_few = middle }
    }
    Some(enough)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(candidate: (u64, u64), stable: (u64, u64)) -> (Verdict, Grounds, Option<u64>) {
        let seen = Tallies {
            candidate: Tally::new(candidate.0, candidate.1),
            stable: Tally::new(stable.0, stable.1),
        };
        let found = absolute(seen, 0.005, 300, 1.0);
        (found.verdict, found.grounds, found.needs)
    }

    #[test]
    fn a_limit_is_kept_exceeded_or_not_known_yet() {
        let cases = [
            ((0, 0), (0, 0), (Verdict::Hold, Grounds::NoRequests, Some(598))),
            ((0, 597), (0, 0), (Verdict::Hold, Grounds::TooFew, Some(1))),
            ((0, 598), (0, 0), (Verdict::Pass, Grounds::WithinLimit, None)),
            ((3, 1_500), (0, 0), (Verdict::Hold, Grounds::TooFew, Some(49))),
            ((3, 1_549), (0, 0), (Verdict::Pass, Grounds::WithinLimit, None)),
            ((9, 400), (9, 9_000), (Verdict::Fail, Grounds::OverLimit, None)),
            ((9, 400), (200, 9_000), (Verdict::Hold, Grounds::StableToo, None)),
            ((9, 299), (9, 9_000), (Verdict::Hold, Grounds::TooFew, Some(3_138 - 299))),
        ];
        for (candidate, stable, expected) in cases {
            assert_eq!(judged(candidate, stable), expected, "{candidate:?} {stable:?}");
        }
    }

    #[test]
    fn bursts_are_worth_fewer_requests() {
        assert_eq!(smallest_passing(0, 0.005, 1.0), Some(598));
        assert_eq!(smallest_passing(0, 0.005, 5.0), Some(2_989));
        let seen = Tallies { candidate: Tally::new(10, 406), stable: Tally::new(38, 7_700) };
        assert_eq!(absolute(seen, 0.01, 300, 1.0).verdict, Verdict::Fail);
        assert_eq!(absolute(seen, 0.01, 300, 5.0).verdict, Verdict::Hold);
    }

    #[test]
    fn no_number_of_requests_is_enough_for_a_limit_of_nothing() {
        assert_eq!(smallest_passing(0, 0.0, 1.0), None);
    }
}
