//! What do figures come to? A verdict on how alike the arms are, and what is missing for one.

use super::Figures;
use super::figures::Z95;
use crate::compare::noise::float;
use crate::gate::absolute::smallest_passing;

/// Nobody waits for more exchanges than these.
const MOST_NEEDED: u64 = 1 << 40;

/// How large a share may be so that the arms pass for alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The largest field mismatch rate.
    pub mismatched: f64,
    /// The smallest share of shadowed exchanges that could be compared.
    pub comparable: f64,
    /// The smallest share of fields that were looked at.
    pub coverage: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { mismatched: 0.001, comparable: 0.99, coverage: 0.9 }
    }
}

/// What the figures come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Alike, with the bound within the limit.
    Pass,
    /// Not alike: the rate itself is above the limit.
    Fail,
    /// Not known.
    Undetermined(Lack),
}

/// What is missing for a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// So many further exchanges, where that can be told.
    Exchanges(Option<u64>),
    /// Too few of the shadowed exchanges could be compared.
    Comparability,
    /// Too few of the fields were looked at.
    Coverage,
}

impl Figures {
    /// Judges the figures.
    ///
    /// The arms pass where even the bound is within the limit, and fail where the rate itself is above it. In between
    /// nothing can be said yet. The same goes for what could not be compared: what was not looked at passes nothing.
    #[must_use]
    pub fn judge(&self, limits: &Limits) -> Verdict {
        let (Some(rate), Some(comparability)) = (self.field_mismatch_rate(), self.comparability())
        else {
            return Verdict::Undetermined(Lack::Exchanges(None));
        };
        if rate > limits.mismatched {
            return Verdict::Fail;
        }
        if comparability < limits.comparable {
            return Verdict::Undetermined(Lack::Comparability);
        }
        if self.coverage().is_some_and(|coverage| coverage < limits.coverage) {
            return Verdict::Undetermined(Lack::Coverage);
        }
        match self.upper_bound() {
            Some(bound) if bound <= limits.mismatched => Verdict::Pass,
            _ => Verdict::Undetermined(Lack::Exchanges(self.needed(limits.mismatched))),
        }
    }

    /// How many further exchanges it takes to pass, if they are like those so far.
    fn needed(&self, limit: f64) -> Option<u64> {
        if self.fields.mismatched == 0 {
            return Some(smallest_passing(0, limit, 1.0)?.saturating_sub(self.compared));
        }
        let slack = limit - self.field_mismatch_rate()?;
        let factor = (Z95 * self.standard_error()? / slack).powi(2);
        let total = (float(self.compared) * factor).ceil();
        let is_told = slack > 0.0 && total < float(MOST_NEEDED);
        // Within 2^40 it is a whole number and positive.
        is_told.then(|| whole(total).saturating_sub(self.compared))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller has a whole number between 0 and 2^40"
)]
const fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::kit::{number, table};
    use crate::compare::{Comparison, Fields};
    use crate::exchange::{NotComparable, Outcome};
    use crate::gate::absolute::ALPHA;
    use crate::gate::interval::Weight;
    use crate::gate::tally::Tally;

    #[test]
    fn bounds_of_exchanges_are_exact() {
        let bounded = table!("gates.json").into_iter().filter(|case| case.get("upper95").is_some());
        for case in bounded {
            let count = |name: &str| case[name].as_u64().unwrap();
            let (mismatched, exchanges) = (count("mismatched"), count("trials"));
            let bound = Weight::of(Tally::new(mismatched, exchanges)).upper_bound(ALPHA);
            assert!((bound - number(&case["upper95"])).abs() < 1e-8, "{case} {bound}");
            let verdict = if bound <= number(&case["threshold"]) { "pass" } else { "undetermined" };
            assert_eq!(case["verdict"], verdict, "{case}");
        }
    }

    #[test]
    fn as_many_exchanges_are_needed_as_the_bound_says() {
        for (mismatched, needed) in [(0, 2_995), (1, 4_742), (2, 6_294), (5, 10_511)] {
            assert_eq!(smallest_passing(mismatched, 0.001, 1.0), Some(needed));
        }
    }

    /// Figures of exchanges with ten fields each, so many of which differ in one.
    fn seen(exchanges: u64, mismatched: u64) -> Figures {
        let mut figures = Figures::default();
        for exchange in 0..exchanges {
            let is_mismatch = exchange < mismatched;
            let fields = Fields {
                equal: 10 - u64::from(is_mismatch),
                mismatched: is_mismatch.into(),
                ..Fields::default()
            };
            let outcome = if is_mismatch { Outcome::Mismatch } else { Outcome::Match };
            let comparison = Comparison {
                outcome,
                fields,
                is_whole: true,
                ..Comparison::impossible(NotComparable::Budget)
            };
            figures.count(&comparison, 0);
        }
        figures
    }

    #[test]
    fn verdicts_say_what_is_missing() {
        let limits = Limits::default();
        let lacks = |exchanges| Verdict::Undetermined(Lack::Exchanges(exchanges));
        assert_eq!(Figures::default().judge(&limits), lacks(None));
        assert_eq!(seen(1_000, 0).judge(&limits), lacks(Some(1_995)));
        assert_eq!(seen(2_995, 0).judge(&limits), Verdict::Pass);
        assert_eq!(seen(1_000, 20).judge(&limits), Verdict::Fail);
        // 0.05 % are seen: passing takes enough for the bound to come down to 0.1 %.
        let some = seen(200, 1);
        let Verdict::Undetermined(Lack::Exchanges(Some(more))) = some.judge(&limits) else {
            panic!("{some:?}")
        };
        let factor = (200 + more) / 200 + 1;
        assert_eq!(seen(200 * factor, factor).judge(&limits), Verdict::Pass);

        let mut unseen = seen(2_995, 0);
        for _ in 0..40 {
            unseen.count(&Comparison::impossible(NotComparable::ShadowTimeout), 0);
        }
        assert_eq!(unseen.judge(&limits), Verdict::Undetermined(Lack::Comparability));
        let mut blind = seen(2_995, 0);
        blind.fields.ignored = 4_000;
        assert_eq!(blind.judge(&limits), Verdict::Undetermined(Lack::Coverage));
    }
}
