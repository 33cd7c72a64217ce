//! Do bad requests come in bursts? Then they say less than as many that come one by one.

use super::tally::{Tally, float};

/// By how much counts per minute vary more than independent ones would: Pearson's chi-squared per degree of freedom,
/// never less than 1 (quasi-Poisson). Evidence is divided by it; bursts of five without that gave 23-32 % false alarms.
///
/// ```
/// use rules::gate::{Tally, dispersion::dispersion};
/// let steady = [Tally::new(5, 1_000); 30];
/// assert_eq!(dispersion(steady), 1.0);
/// let bursts = (0..30).map(|minute| Tally::new(if minute % 5 == 0 { 25 } else { 0 }, 1_000));
/// assert!(dispersion(bursts) > 15.0);
/// ```
#[must_use]
pub fn dispersion(minutes: impl IntoIterator<Item = Tally, IntoIter: Clone>) -> f64 {
    let minutes = minutes.into_iter().filter(|minute| minute.total > 0);
    let (count, all) = minutes
        .clone()
        .fold((0_u64, Tally::default()), |(count, all), one| (count + 1, all.plus(one)));
    let Some(ratio) = all.ratio().filter(|ratio| *ratio > 0.0 && count > 1) else { return 1.0 };
    let squares = minutes.map(|minute| {
        let expected = float(minute.total) * ratio;
        (float(minute.bad) - expected).powi(2) / expected
    });
    (squares.sum::<f64>() / float(count - 1)).max(1.0)
}
