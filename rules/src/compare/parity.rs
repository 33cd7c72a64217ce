//! How alike are the arms, and how sure is that? Figures over many exchanges, their bounds, and a verdict.

use std::ops::{AddAssign, SubAssign};

use statrs::function::beta::beta_reg;

use super::noise::float;
use super::{Comparison, Fields, Location};
use crate::exchange::Outcome;

/// One in twenty bounds may be wrong.
const ALPHA: f64 = 0.05;
/// The normal distribution's 95th percentile: as far beyond an estimate, in standard errors, as a one-sided bound is.
const Z95: f64 = 1.644_853_626_951_472_2;
/// No bound of a proportion needs more steps: what is left then is below a double's precision.
const HALVINGS: u32 = 60;
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

/// What was counted over some exchanges: of a route, a cohort, a window. Figures of parts add up to those of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Exchanges that were copied, or were to be.
    pub shadowed: u64,
    /// Those with two answers that were compared.
    pub compared: u64,
    /// Those whose answers differ.
    pub mismatched: u64,
    /// Those that would differ, but for what is excused.
    pub excused: u64,
    /// Those whose statuses differ.
    pub status_mismatched: u64,
    /// Those that were not looked into to the end.
    pub partial: u64,
    /// Their fields.
    pub fields: Fields,
    /// The sums over exchanges of: mismatched fields squared, compared ones squared, and the product of both.
    squares: (u128, u128, u128),
}

impl AddAssign for Figures {
    fn add_assign(&mut self, more: Self) {
        self.shadowed += more.shadowed;
        self.compared += more.compared;
        self.mismatched += more.mismatched;
        self.excused += more.excused;
        self.status_mismatched += more.status_mismatched;
        self.partial += more.partial;
        self.fields += more.fields;
        self.squares.0 += more.squares.0;
        self.squares.1 += more.squares.1;
        self.squares.2 += more.squares.2;
    }
}

/// Takes out again what was counted in: an exchange whose fields are judged anew.
impl SubAssign for Figures {
    fn sub_assign(&mut self, less: Self) {
        self.shadowed -= less.shadowed;
        self.compared -= less.compared;
        self.mismatched -= less.mismatched;
        self.excused -= less.excused;
        self.status_mismatched -= less.status_mismatched;
        self.partial -= less.partial;
        self.fields -= less.fields;
        self.squares.0 -= less.squares.0;
        self.squares.1 -= less.squares.1;
        self.squares.2 -= less.squares.2;
    }
}

impl Figures {
    /// The figures of one exchange, with nothing excused.
    #[must_use]
    pub fn of(comparison: &Comparison) -> Self {
        let mut one = Self::default();
        one.count(comparison, 0);
        one
    }

    /// The figures of one exchange with so many of its mismatched fields taken for stable's own noise.
    #[must_use]
    pub fn excusing(self, excused: u64) -> Self {
        let fields = self.fields.excusing(excused);
        let is_noise = excused > 0 && self.mismatched > 0 && fields.mismatched == 0;
        let mut one = Self {
            mismatched: if is_noise { 0 } else { self.mismatched },
            excused: self.excused + u64::from(is_noise),
            fields: Fields::default(),
            squares: (0, 0, 0),
            ..self
        };
        one.count_fields(fields);
        one
    }

    /// Counts one exchange; `excused` are those of its mismatched fields that are stable's own noise.
    pub fn count(&mut self, comparison: &Comparison, excused: u64) {
        self.shadowed += 1;
        if !comparison.outcome.is_compared() {
            return;
        }
        let fields = comparison.fields.excusing(excused);
        self.compared += 1;
        self.partial += u64::from(!comparison.is_whole);
        let is_status = |found: &super::Found| found.difference.location == Location::Status;
        self.status_mismatched += u64::from(comparison.differences.iter().any(is_status));
        if comparison.outcome == Outcome::Mismatch {
            let is_excused = fields.mismatched == 0 && excused > 0;
            *(if is_excused { &mut self.excused } else { &mut self.mismatched }) += 1;
        }
        self.count_fields(fields);
    }

    fn count_fields(&mut self, fields: Fields) {
        let (m, f) = (u128::from(fields.mismatched), u128::from(fields.compared()));
        self.fields += fields;
        self.squares.0 += m * m;
        self.squares.1 += f * f;
        self.squares.2 += m * f;
    }

    /// The share of shadowed exchanges that were compared.
    #[must_use]
    pub fn comparability(&self) -> Option<f64> {
        ratio(self.compared, self.shadowed)
    }

    /// The share of fields that were looked at.
    #[must_use]
    pub fn coverage(&self) -> Option<f64> {
        ratio(self.fields.compared(), self.fields.all())
    }

    /// The share of compared exchanges that differ.
    #[must_use]
    pub fn request_mismatch_rate(&self) -> Option<f64> {
        ratio(self.mismatched, self.compared)
    }

    /// The share of compared exchanges whose statuses differ.
    #[must_use]
    pub fn status_mismatch_rate(&self) -> Option<f64> {
        ratio(self.status_mismatched, self.compared)
    }

    /// The share of compared fields that differ.
    #[must_use]
    pub fn field_mismatch_rate(&self) -> Option<f64> {
        ratio(self.fields.mismatched, self.fields.compared())
    }

    /// The rate's standard error. Fields of one answer fail together, so exchanges are the units drawn: the ratio
    /// estimator's variance (W. G. Cochran, "Sampling Techniques", section 6.4).
    #[must_use]
    pub fn standard_error(&self) -> Option<f64> {
        if self.compared < 2 {
            return None;
        }
        let (n, sum) = (float(self.compared), float(self.fields.compared()));
        let rate = self.field_mismatch_rate()?;
        let (mm, ff, mf) = (wide(self.squares.0), wide(self.squares.1), wide(self.squares.2));
        let spread = (mm - 2.0 * rate * mf + rate * rate * ff).max(0.0);
        Some((n / (n - 1.0) * spread).sqrt() / sum)
    }

    /// The rate that is not exceeded, at 95 %. Without any mismatch it is that of exchanges, which is exact and never
    /// smaller.
    #[must_use]
    pub fn upper_bound(&self) -> Option<f64> {
        if self.compared == 0 {
            return None;
        }
        if self.fields.mismatched == 0 {
            return Some(upper_bound(0, self.compared));
        }
        Some((self.field_mismatch_rate()? + Z95 * self.standard_error()?).min(1.0))
    }

    /// The rate that is reached at least, at 95 %.
    #[must_use]
    pub fn lower_bound(&self) -> Option<f64> {
        let rate = self.field_mismatch_rate()?;
        if self.fields.mismatched == 0 {
            return Some(0.0);
        }
        Some((rate - Z95 * self.standard_error()?).max(0.0))
    }

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
            return Some(exchanges_needed(0, limit)?.saturating_sub(self.compared));
        }
        let slack = limit - self.field_mismatch_rate()?;
        let factor = (Z95 * self.standard_error()? / slack).powi(2);
        let total = (float(self.compared) * factor).ceil();
        let is_told = slack > 0.0 && total < float(MOST_NEEDED);
        // Within 2^40 it is a whole number and positive.
        is_told.then(|| whole(total).saturating_sub(self.compared))
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

/// The largest share that is not ruled out at 95 % by so many out of so many: exact, one-sided (C. J. Clopper and
/// E. S. Pearson, Biometrika 26 (1934)).
///
/// ```
/// assert!(rules::compare::parity::upper_bound(0, 2_995) <= 0.001);
/// assert!(rules::compare::parity::upper_bound(0, 2_994) > 0.001);
/// ```
#[must_use]
pub fn upper_bound(mismatched: u64, exchanges: u64) -> f64 {
    if mismatched >= exchanges {
        return 1.0;
    }
    let (mut below, mut above) = (float(mismatched) / float(exchanges), 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(below, above);
        if at_most(mismatched, exchanges, middle) > ALPHA { below = middle } else { above = middle }
    }
    above
}

/// How many exchanges it takes in all to pass with so many that differ: 2,995 with none, for a limit of 0.1 %.
#[must_use]
pub fn exchanges_needed(mismatched: u64, limit: f64) -> Option<u64> {
    let passes = |exchanges| at_most(mismatched, exchanges, limit) <= ALPHA;
    let (mut fails, mut enough) = (mismatched, MOST_NEEDED);
    if limit <= 0.0 || limit >= 1.0 || !passes(enough) {
        return None;
    }
    while enough - fails > 1 {
        let middle = u64::midpoint(fails, enough);
        if passes(middle) { enough = middle } else { fails = middle }
    }
    Some(enough)
}

/// How likely at most so many differ, where each does with this probability.
fn at_most(mismatched: u64, exchanges: u64, probability: f64) -> f64 {
    beta_reg(float(exchanges - mismatched), float(mismatched) + 1.0, 1.0 - probability)
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| float(part) / float(whole))
}

fn wide(sum: u128) -> f64 {
    sum as f64
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
    use crate::exchange::NotComparable;

    #[test]
    fn bounds_of_exchanges_are_exact() {
        let bounded = table!("gates.json").into_iter().filter(|case| case.get("upper95").is_some());
        for case in bounded {
            let count = |name: &str| case[name].as_u64().unwrap();
            let (mismatched, exchanges) = (count("mismatched"), count("trials"));
            let bound = upper_bound(mismatched, exchanges);
            assert!((bound - number(&case["upper95"])).abs() < 1e-8, "{case} {bound}");
            let verdict = if bound <= number(&case["threshold"]) { "pass" } else { "undetermined" };
            assert_eq!(case["verdict"], verdict, "{case}");
        }
    }

    #[test]
    fn an_exchange_can_be_judged_anew() {
        let compared = |mismatched| Comparison {
            outcome: Outcome::Mismatch,
            fields: Fields { equal: 8, mismatched, ..Fields::default() },
            ..Comparison::impossible(NotComparable::Budget)
        };
        for (mismatched, excused) in [(0, 0), (2, 0), (2, 1), (2, 2), (3, 9)] {
            let mut directly = Figures::default();
            directly.count(&compared(mismatched), excused);
            let bare = Figures::of(&compared(mismatched));
            assert_eq!(bare.excusing(excused), directly, "{mismatched} {excused}");
            let mut all = bare;
            all += directly;
            all -= bare;
            assert_eq!(all, directly);
        }
    }

    #[test]
    fn as_many_exchanges_are_needed_as_the_bound_says() {
        for (mismatched, needed) in [(0, 2_995), (1, 4_742), (2, 6_294), (5, 10_511)] {
            assert_eq!(exchanges_needed(mismatched, 0.001), Some(needed));
        }
        assert_eq!((exchanges_needed(0, 0.0), exchanges_needed(0, 1.0)), (None, None));
    }

    #[test]
    fn bounds_of_fields_take_exchanges_as_what_is_drawn() {
        for case in table!("fmr_interval.json") {
            let sum = |name: &str| case[name].as_u64().unwrap();
            let mismatched = sum("sum_m");
            let figures = Figures {
                compared: sum("exchanges"),
                fields: Fields {
                    mismatched,
                    equal: sum("sum_f") - mismatched,
                    ..Fields::default()
                },
                squares: (sum("sum_mm").into(), sum("sum_ff").into(), sum("sum_mf").into()),
                ..Figures::default()
            };
            for (told, expected) in [
                (figures.field_mismatch_rate(), "fmr"),
                (figures.standard_error(), "se"),
                (figures.upper_bound(), "upper95"),
            ] {
                assert!((told.unwrap() - number(&case[expected])).abs() < 1e-9, "{case} {told:?}");
            }
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

    #[test]
    fn what_is_excused_is_counted_apart() {
        let mut figures = Figures::default();
        let fields = Fields { equal: 9, mismatched: 2, ..Fields::default() };
        let comparison = Comparison {
            outcome: Outcome::Mismatch,
            fields,
            ..Comparison::impossible(NotComparable::Budget)
        };
        figures.count(&comparison, 2);
        figures.count(&comparison, 1);
        assert_eq!((figures.excused, figures.mismatched, figures.partial), (1, 1, 2));
        assert_eq!((figures.fields.mismatched, figures.fields.masked), (1, 3));
        let mut sum = figures;
        sum += figures;
        assert_eq!((sum.fields.all(), sum.shadowed), (44, 4));
        assert_eq!(sum.field_mismatch_rate(), figures.field_mismatch_rate());
    }
}
