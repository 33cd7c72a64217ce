//! When is a request too slow? When it takes longer than a duration that both arms share.
//!
//! The duration is stable's own quantile over the time before, so that a swing of both arms cancels out, or a limit that
//! people set. Both arms are counted in the same buckets, so that a histogram's coarseness favours neither.

use std::time::Duration;

use super::tally::Tally;
use crate::sli::HistogramCounts;

/// Fewer requests of stable than this have no quantile to judge by.
const AT_LEAST: u64 = 50;

/// The duration that stable's quantile was before; none where it had too few requests.
#[must_use]
pub fn threshold(stable_before: &HistogramCounts, quantile: f64) -> Option<Duration> {
    (stable_before.total() >= AT_LEAST).then(|| stable_before.quantile(quantile)).flatten()
}

/// How many requests took longer than that.
#[must_use]
pub fn slower(latency: &HistogramCounts, threshold: Duration) -> Tally {
    Tally::new(latency.slower_than(threshold), latency.total())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sli::Histogram;

    #[test]
    fn about_a_twentieth_is_slower_than_its_own_p95() {
        let histogram = Histogram::default();
        for ms in 1..=1_000 {
            histogram.record(Duration::from_millis(ms));
        }
        let counts = histogram.counts();
        let threshold = threshold(&counts, 0.95).unwrap();
        let Tally { bad, total } = slower(&counts, threshold);
        assert_eq!(total, 1_000);
        assert!((1..=50).contains(&bad), "{bad}");
    }

    #[test]
    fn a_few_requests_have_no_quantile() {
        let histogram = Histogram::default();
        (0..49).for_each(|_| histogram.record(Duration::from_millis(5)));
        assert_eq!(threshold(&histogram.counts(), 0.5), None);
        histogram.record(Duration::from_millis(5));
        assert!(threshold(&histogram.counts(), 0.5).is_some());
    }
}
