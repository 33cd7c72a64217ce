//! What were the arms exposed to, where whole tenants move? Some tenants' requests fail more often whoever serves them.
//!
//! Indirect standardisation: each arm is expected to have the bad requests that its tenants had before, shrunk towards
//! everybody's ratio as far as little is known of them (empirical Bayes). Without it the mix of tenants alone made 5-30 % of
//! healthy candidates look harmful.

use super::tally::{Tally, float};

/// How many bad requests everybody's ratio counts for, against what is known of the tenant itself.
const PRIOR: f64 = 2.0;

/// A tenant's expected ratio of bad requests, from what it did before and everybody's ratio.
#[must_use]
pub fn expected_ratio(before: Tally, everybody: f64) -> f64 {
    (float(before.bad) + PRIOR) / (float(before.total) + PRIOR / everybody)
}

/// An arm's exposure: its requests, each counted as many times as its tenant's are likelier to be bad than everybody's.
/// Where nothing was bad before, all tenants are alike, and it is the number of requests.
///
/// ```
/// use rules::gate::{Tally, exposure::standardised};
/// let everybody = Tally::new(50, 10_000);
/// let (weak, strong) = (Tally::new(40, 1_000), Tally::new(0, 5_000));
/// assert!(standardised([(100, weak)], everybody) > 5.0 * standardised([(100, strong)], everybody));
/// ```
#[must_use]
pub fn standardised(tenants: impl IntoIterator<Item = (u64, Tally)>, everybody: Tally) -> f64 {
    let ratio = everybody.ratio().filter(|ratio| *ratio > 0.0);
    let one = |(requests, before): (u64, Tally)| match ratio {
        None => float(requests),
        Some(ratio) => float(requests) * expected_ratio(before, ratio) / ratio,
    };
    tenants.into_iter().map(one).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_expected_to_be_like_everybody() {
        assert!((expected_ratio(Tally::default(), 0.004) - 0.004).abs() < 1e-15);
        let known = expected_ratio(Tally::new(500, 10_000), 0.004);
        assert!((known - 502.0 / 10_500.0).abs() < 1e-15);
    }

    #[test]
    fn where_nothing_was_bad_requests_are_counted() {
        let exposure =
            standardised([(7, Tally::new(0, 90)), (3, Tally::new(0, 1))], Tally::new(0, 91));
        assert!((exposure - 10.0).abs() < 1e-12);
    }
}
