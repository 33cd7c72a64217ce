//! What do a route's figures say at a rollout's gate? Their verdict, but back only where that is sure.
//!
//! The gate is looked at each second. By the rate alone, one difference among the first exchanges would put traffic back
//! that is all right: it fails where the rate's lower bound is over the limit, and holds while only the rate is.

use rules::compare::parity::{Figures, Lack, Limits, Verdict};
use rules::gate::{Parity, Rule, Tally};

/// What a gate makes of the figures since its step began. Fewer exchanges than `smallest` put nothing back.
pub(crate) fn at_gate(figures: &Figures, limits: &Limits, smallest: u64) -> Parity {
    let is_enough = figures.compared >= smallest;
    let is_over = figures.lower_bound().is_some_and(|bound| bound > limits.mismatched);
    let (passed, needs) = match figures.judge(limits) {
        Verdict::Pass => (Some(true), None),
        Verdict::Fail if is_enough && is_over => (Some(false), None),
        Verdict::Fail => (None, Some(smallest.saturating_sub(figures.compared))),
        Verdict::Undetermined(Lack::Exchanges(needed)) => (None, needed),
        Verdict::Undetermined(Lack::Comparability) => {
            return too_little(figures, figures.comparability(), limits.comparable);
        }
        Verdict::Undetermined(Lack::Coverage) => {
            return too_little(figures, figures.coverage(), limits.coverage);
        }
    };
    Parity {
        exchanges: Tally::new(figures.mismatched, figures.compared),
        rule: Rule::Parity,
        ratio: figures.field_mismatch_rate().unwrap_or(0.0),
        limit: limits.mismatched,
        passed,
        needs: needs.filter(|needed| *needed > 0),
    }
}

/// What could not be looked at passes nothing, and puts nothing back.
fn too_little(figures: &Figures, seen: Option<f64>, limit: f64) -> Parity {
    Parity {
        exchanges: Tally::new(figures.mismatched, figures.compared),
        rule: Rule::Comparability,
        ratio: seen.unwrap_or(0.0),
        limit,
        passed: None,
        needs: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parity::kit::{differing, failed, matching};
    use rules::exchange::NotComparable;

    /// Figures of exchanges of ten fields, so many of which differ in one, and so many of which were lost.
    fn seen(alike: usize, different: usize, lost: usize) -> Figures {
        let mut figures = Figures::default();
        let mut add =
            |report: &rules::exchange::ExchangeReport| figures.count(&report.comparison, 0);
        (0..alike).for_each(|_| add(&matching("x", 0)));
        (0..different).for_each(|_| add(&differing("x", 0, &["/a"])));
        let shed = failed("x", NotComparable::Shed, (None, None));
        (0..lost).for_each(|_| add(&shed));
        figures
    }

    #[test]
    fn it_fails_only_where_that_is_sure_and_passes_only_by_the_bound() {
        let limits = Limits { mismatched: 0.01, ..Limits::default() };
        for (figures, passed, needs) in [
            (seen(0, 0, 0), None, None),
            (seen(298, 0, 0), None, Some(1)),
            (seen(299, 0, 0), Some(true), None),
            (seen(1, 1, 0), None, Some(98)),
            (seen(88, 12, 0), None, None),
            (seen(0, 99, 0), None, Some(1)),
            (seen(0, 100, 0), Some(false), None),
        ] {
            let found = at_gate(&figures, &limits, 100);
            assert_eq!((found.passed, found.needs), (passed, needs), "{figures:?}");
        }
        let lost = at_gate(&seen(299, 0, 50), &limits, 100);
        assert_eq!((lost.rule, lost.passed, lost.limit), (Rule::Comparability, None, 0.99));
    }
}
