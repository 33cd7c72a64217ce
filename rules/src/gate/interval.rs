//! How sure is a ratio? One-sided bounds of a proportion from so many bad requests out of so many.

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::beta::beta_reg;

use super::tally::{Tally, float};

/// No bound is further away from the ratio itself, in logarithms of odds: bounds of one bad request at a level of 10^-12.
const WIDEST: f64 = 32.0;
/// After so many halvings what is left is below the precision of the ratio.
const HALVINGS: usize = 60;

/// The smallest ratio that is not ruled out at the level `alpha`: exact, so that it is never too large by more than that.
///
/// C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits", Biometrika 26 (1934).
///
/// ```
/// use rules::gate::{Tally, interval::lower_bound};
/// assert_eq!(lower_bound(Tally::new(0, 600), 0.05), 0.0);
/// assert!(lower_bound(Tally::new(12, 600), 0.05) > 0.01);
/// ```
#[must_use]
pub fn lower_bound(seen: Tally, alpha: f64) -> f64 {
    if seen.bad == 0 {
        return 0.0;
    }
    let (bad, good) = (float(seen.bad), float(seen.total.saturating_sub(seen.bad)));
    // At a ratio so much smaller that so many would be a chance of `alpha`.
    root(bad, good, |ratio| beta_reg(bad, good + 1.0, ratio) >= alpha)
}

/// The largest ratio that is not ruled out at the level `alpha`; the counterpart of [`lower_bound`].
#[must_use]
pub fn upper_bound(seen: Tally, alpha: f64) -> f64 {
    if seen.bad >= seen.total {
        return 1.0;
    }
    let (bad, good) = (float(seen.bad), float(seen.total - seen.bad));
    root(bad, good, |ratio| beta_reg(good, bad + 1.0, 1.0 - ratio) <= alpha)
}

/// The ratio from which on `is_beyond` holds.
///
/// The library's own inverse is not used: it does not always come to an end, and loses the digits of small ratios. Halving
/// the logarithm of the odds does neither.
fn root(bad: f64, good: f64, is_beyond: impl Fn(f64) -> bool) -> f64 {
    let ratio = |log_odds: f64| 1.0 / (1.0 + (-log_odds).exp());
    let middle = ((bad + 0.5) / (good + 0.5)).ln();
    let (mut below, mut beyond) = (middle - WIDEST, middle + WIDEST);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(below, beyond);
        if is_beyond(ratio(middle)) { beyond = middle } else { below = middle }
    }
    ratio(f64::midpoint(below, beyond))
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
