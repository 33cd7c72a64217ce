//! How alike are the arms, and how sure is that? Figures over many exchanges, and their bounds.

use std::ops::{AddAssign, SubAssign};

use crate::compare::noise::float;
use crate::compare::{Comparison, Fields, Found, Location};
use crate::exchange::Outcome;
use crate::gate::absolute::ALPHA;
use crate::gate::interval::Weight;
use crate::gate::tally::Tally;

/// The normal distribution's 95th percentile: as far beyond an estimate, in standard errors, as a one-sided bound is.
pub(super) const Z95: f64 = 1.644_853_626_951_472_2;

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

/// No count is larger that was really counted; sums of those of many nodes stay far below what a number can hold.
const MOST: u128 = 1 << 52;

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
        let is_status = |found: &Found| found.difference.location == Location::Status;
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

    /// How many sums figures are.
    pub const SUMS: usize = 13;

    /// All that was counted, as sums in an order that stays, for nodes to tell one another.
    #[must_use]
    pub fn sums(&self) -> [u128; Self::SUMS] {
        let Fields { equal, mismatched, ignored, masked } = self.fields;
        let [shadowed, compared, differing, excused, status, partial] = [
            self.shadowed,
            self.compared,
            self.mismatched,
            self.excused,
            self.status_mismatched,
            self.partial,
        ]
        .map(u128::from);
        let [equal, mismatched, ignored, masked] =
            [equal, mismatched, ignored, masked].map(u128::from);
        let (mm, ff, mf) = self.squares;
        [
            shadowed, compared, differing, excused, status, partial, equal, mismatched, ignored,
            masked, mm, ff, mf,
        ]
    }

    /// The figures of such sums; none where they are other ones, or no counts.
    #[must_use]
    pub fn of_sums(sums: &[u128]) -> Option<Self> {
        let sums: &[u128; Self::SUMS] = sums.try_into().ok()?;
        let [
            shadowed,
            compared,
            differing,
            excused,
            status,
            partial,
            equal,
            mismatched,
            ignored,
            masked,
            mm,
            ff,
            mf,
        ] = *sums;
        let count = |sum: u128| u64::try_from(sum).ok().filter(|_| sum <= MOST);
        if [mm, ff, mf].iter().any(|square| *square > MOST * MOST) {
            return None;
        }
        Some(Self {
            shadowed: count(shadowed)?,
            compared: count(compared)?,
            mismatched: count(differing)?,
            excused: count(excused)?,
            status_mismatched: count(status)?,
            partial: count(partial)?,
            fields: Fields {
                equal: count(equal)?,
                mismatched: count(mismatched)?,
                ignored: count(ignored)?,
                masked: count(masked)?,
            },
            squares: (mm, ff, mf),
        })
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
    /// smaller (see [`Weight::upper_bound`]).
    #[must_use]
    pub fn upper_bound(&self) -> Option<f64> {
        if self.compared == 0 {
            return None;
        }
        if self.fields.mismatched == 0 {
            return Some(Weight::of(Tally::new(0, self.compared)).upper_bound(ALPHA));
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
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| float(part) / float(whole))
}

fn wide(sum: u128) -> f64 {
    sum as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::kit::{number, table};
    use crate::exchange::NotComparable;

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
