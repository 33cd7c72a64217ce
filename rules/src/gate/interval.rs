//! How sure is a ratio? One-sided bounds of a proportion from so many bad requests out of so many.

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::beta::beta_reg;

use super::tally::{Tally, float};

/// No bound is further away from the ratio itself, in logarithms of odds: bounds of one bad request at a level of 10^-12.
const WIDEST: f64 = 32.0;
/// After so many halvings what is left is below the precision of the ratio.
const HALVINGS: usize = 60;

/// How many independent requests some requests are worth, and the bad ones of them: not whole numbers where they came in
/// bursts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weight {
    bad: f64,
    good: f64,
}

impl Weight {
    /// The requests themselves.
    #[must_use]
    pub const fn of(seen: Tally) -> Self {
        Self { bad: float(seen.bad), good: float(seen.total.saturating_sub(seen.bad)) }
    }

    /// The same where they came in bursts, see [`super::dispersion`].
    #[must_use]
    pub const fn in_bursts(seen: Tally, dispersion: f64) -> Self {
        let Self { bad, good } = Self::of(seen);
        Self { bad: bad / dispersion, good: good / dispersion }
    }

    /// The smallest ratio that is not ruled out at the level `alpha`: exact, so that it is never too large by more than
    /// that.
    ///
    /// C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits", Biometrika 26 (1934).
    ///
    /// ```
    /// use rules::gate::{Tally, interval::Weight};
    /// assert_eq!(Weight::of(Tally::new(0, 600)).lower_bound(0.05), 0.0);
    /// assert!(Weight::of(Tally::new(12, 600)).lower_bound(0.05) > 0.01);
    /// ```
    #[must_use]
    pub fn lower_bound(self, alpha: f64) -> f64 {
        if self.bad <= 0.0 {
            return 0.0;
        }
        self.root(|ratio| !self.is_above(ratio, alpha))
    }

    /// The largest ratio that is not ruled out at the level `alpha`; the counterpart of [`Self::lower_bound`].
    #[must_use]
    pub fn upper_bound(self, alpha: f64) -> f64 {
        if self.good <= 0.0 {
            return 1.0;
        }
        self.root(|ratio| self.is_below(ratio, alpha))
    }

    /// Whether the lower bound is above a limit: the same at a sixtieth of the cost.
    #[must_use]
    pub fn is_above(self, limit: f64, alpha: f64) -> bool {
        self.bad > 0.0 && beta_reg(self.bad, self.good + 1.0, limit) < alpha
    }

    /// Whether the upper bound is below a limit: the same at a sixtieth of the cost.
    #[must_use]
    pub fn is_below(self, limit: f64, alpha: f64) -> bool {
        self.good > 0.0 && beta_reg(self.good, self.bad + 1.0, 1.0 - limit) <= alpha
    }

    /// The ratio from which on `is_beyond` holds.
    ///
    /// The library's own inverse is not used: it does not always come to an end, and loses the digits of small ratios.
    /// Halving the logarithm of the odds does neither.
    fn root(self, is_beyond: impl Fn(f64) -> bool) -> f64 {
        let ratio = |log_odds: f64| 1.0 / (1.0 + (-log_odds).exp());
        let middle = ((self.bad + 0.5) / (self.good + 0.5)).ln();
        let (mut below, mut beyond) = (middle - WIDEST, middle + WIDEST);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(below, beyond);
            if is_beyond(ratio(middle)) { beyond = middle } else { below = middle }
        }
        ratio(f64::midpoint(below, beyond))
    }
}

/// The score interval's lower bound at the level `alpha`: quick, and near enough where there are several bad requests.
///
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
#[must_use]
pub fn wilson_lower(seen: Tally, alpha: f64) -> f64 {
    let Some(ratio) = seen.ratio().filter(|ratio| *ratio > 0.0) else { return 0.0 };
    let (n, z) = (float(seen.total), Normal::standard().inverse_cdf(1.0 - alpha));
    let spread = z * (ratio * (1.0 - ratio) / n + z * z / (4.0 * n * n)).sqrt();
    (ratio + z * z / (2.0 * n) - spread) / (1.0 + z * z / n)
}
