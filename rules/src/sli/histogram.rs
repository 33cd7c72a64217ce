//! How long did requests take? A log-linear histogram of atomics, mergeable and subtractable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Sub-buckets per power of two: a value is known within 1/16, about 6 %.
const PER_OCTAVE: usize = 16;
/// Powers of two above the first 16 microseconds: up to 2^27 us, 134 s. What takes longer counts as that.
const OCTAVES: usize = 23;
const BUCKETS: usize = PER_OCTAVE * (OCTAVES + 1);

/// Counts durations from 1 microsecond to 134 seconds with an error of at most 6 %.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket_of(micros)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts as they stand.
    #[must_use]
    pub fn counts(&self) -> HistogramCounts {
        HistogramCounts(self.buckets.iter().map(|b| b.load(Ordering::Relaxed)).collect())
    }

    /// The buckets that counted anything since `known`, in the form of [`HistogramCounts::occupied`]. Each that is told is
    /// known then.
    pub fn news<'h>(
        &'h self,
        known: &'h mut HistogramCounts,
    ) -> impl Iterator<Item = (u16, u64)> + use<'h> {
        known.0.resize(BUCKETS, 0);
        let buckets = self.buckets.iter().zip(&mut known.0);
        (0_u16..).zip(buckets).filter_map(|(place, (bucket, known))| {
            let now = bucket.load(Ordering::Relaxed);
            let added = now.saturating_sub(std::mem::replace(known, now));
            (added > 0).then_some((place, added))
        })
    }
}

/// The counts of a [`Histogram`] at one moment, or between two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistogramCounts(Vec<u64>);

impl HistogramCounts {
    /// How many durations were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.0.iter().copied().chain(std::iter::repeat(0));
        Self(self.0.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect())
    }

    /// The buckets that counted anything, by place: a short form of the counts.
    pub fn occupied(&self) -> impl Iterator<Item = (u16, u64)> + use<'_> {
        (0_u16..)
            .zip(&self.0)
            .filter(|(_, count)| **count > 0)
            .map(|(place, count)| (place, *count))
    }

    /// Adds counts in the form that [`HistogramCounts::occupied`] gives.
    pub fn add(&mut self, occupied: impl IntoIterator<Item = (u16, u64)>) {
        self.0.resize(BUCKETS, 0);
        for (place, count) in occupied {
            if let Some(bucket) = self.0.get_mut(usize::from(place)) {
                *bucket += count;
            }
        }
    }

    /// The smallest duration that the `quantile` (0.0 to 1.0) of all counted ones do not exceed, by its bucket's upper end.
    ///
    /// None where nothing was counted.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank between 1 and the total; counts are far below 2^52"
        )]
        let rank = ((quantile.clamp(0.0, 1.0) * total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let bucket = self.0.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_micros(upper_end(bucket)))
    }

    /// How many durations were longer, by whole buckets: those in the bucket of `duration` itself are not.
    #[must_use]
    pub fn slower_than(&self, duration: Duration) -> u64 {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.0.iter().skip(bucket_of(micros) + 1).sum()
    }
}

fn bucket_of(micros: u64) -> usize {
    if micros < PER_OCTAVE as u64 {
        return usize::try_from(micros).unwrap_or(0);
    }
    let exponent = micros.ilog2();
    let octave = usize::try_from(exponent).unwrap_or(0) - 3;
    let within = usize::try_from((micros >> (exponent - 4)) & 15).unwrap_or(0);
    (octave * PER_OCTAVE + within).min(BUCKETS - 1)
}

/// The largest number of microseconds that falls into a bucket.
fn upper_end(bucket: usize) -> u64 {
    let (octave, within) = (bucket / PER_OCTAVE, (bucket % PER_OCTAVE) as u64);
    if octave == 0 {
        return within;
    }
    let width = 1_u64 << (octave - 1);
    (PER_OCTAVE as u64 + within + 1) * width - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_of_what_was_counted_since() {
        let histogram = Histogram::default();
        assert_eq!(histogram.counts().quantile(0.5), None);
        histogram.record(Duration::from_secs(3));
        let before = histogram.counts();
        for ms in 1..=100 {
            histogram.record(Duration::from_millis(ms));
        }
        let counts = histogram.counts().since(&before);
        assert_eq!(counts.total(), 100);
        let p95 = counts.quantile(0.95).unwrap().as_millis();
        assert!((95..=101).contains(&p95), "{p95}");
        assert!(counts.quantile(1.0).unwrap() < Duration::from_millis(107));
    }

    #[test]
    fn counts_survive_their_short_form() {
        let histogram = Histogram::default();
        for ms in [1, 1, 20, 400] {
            histogram.record(Duration::from_millis(ms));
        }
        let mut twice = HistogramCounts::default();
        twice.add(histogram.counts().occupied());
        assert_eq!(twice, histogram.counts());
        twice.add(histogram.counts().occupied());
        assert_eq!(twice.total(), 8);
    }

    #[test]
    fn news_are_told_once() {
        let (histogram, mut known) = (Histogram::default(), HistogramCounts::default());
        for durations in [&[3, 3, 40][..], &[], &[3]] {
            let before = histogram.counts();
            for ms in durations {
                histogram.record(Duration::from_millis(*ms));
            }
            let added: Vec<_> = histogram.news(&mut known).collect();
            assert_eq!(added, histogram.counts().since(&before).occupied().collect::<Vec<_>>());
            assert_eq!(known, histogram.counts());
        }
    }

    proptest! {
        #[test]
        fn every_duration_falls_in_a_bucket_that_is_at_most_a_sixteenth_off(micros in 0_u64..(1 << 27)) {
            let bucket = bucket_of(micros);
            let upper = upper_end(bucket);
            prop_assert!(micros <= upper);
            prop_assert!(upper - micros <= micros / 16);
            prop_assert!(bucket == 0 || upper_end(bucket - 1) < micros);
        }
    }
}
