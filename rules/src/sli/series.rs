//! What are the standard metrics labelled by? A bounded table of histograms that fills without a lock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, Version};

use super::ErrorClass;

/// The bucket bounds that OpenTelemetry's semantic conventions give for `http.server.request.duration`, in seconds.
pub const BUCKETS_SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const BUCKETS_MICROS: [u64; 14] = [
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000,
    2_500_000, 5_000_000, 7_500_000, 10_000_000,
];

/// How many label sets one arm of one route may have. The rest share one, `_OTHER` (INV-7).
const SLOTS: usize = 32;

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As URLs write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A label set: nothing in it comes from a request's own text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesKey {
    /// One of the standard methods, else `_OTHER`.
    pub method: &'static str,
    /// The status that the client got.
    pub status: u16,
    /// What went wrong, if anything.
    pub error: Option<ErrorClass>,
    /// How the client spoke.
    pub scheme: Scheme,
    /// `1.0`, `1.1` or `2`.
    pub version: &'static str,
}

impl SeriesKey {
    /// The label set of a request and its answer.
    #[must_use]
    pub fn new(
        method: &Method,
        status: u16,
        error: Option<ErrorClass>,
        scheme: Scheme,
        version: Version,
    ) -> Self {
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let method = known.iter().find(|name| **name == method.as_str()).unwrap_or(&"_OTHER");
        let version = match version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            _ => "1.1",
        };
        Self { method, status, error, scheme, version }
    }

    fn place(&self) -> usize {
        let error = self.error.map_or(0, |error| error as usize + 1);
        let first = usize::from(self.method.as_bytes().first().copied().unwrap_or(0));
        (usize::from(self.status) + 7 * first + 3 * self.method.len() + 11 * error) % SLOTS
    }
}

/// The histogram of one label set.
#[derive(Debug, Default)]
pub struct Series {
    buckets: [AtomicU64; 15],
    sum_micros: AtomicU64,
}

impl Series {
    fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let place = BUCKETS_MICROS.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// The counts per bucket of [`BUCKETS_SECONDS`], each for itself, then one for everything slower.
    #[must_use]
    pub fn buckets(&self) -> [u64; 15] {
        std::array::from_fn(|i| self.buckets.get(i).map_or(0, |b| b.load(Ordering::Relaxed)))
    }

    /// The sum of all durations, in seconds.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        Duration::from_micros(self.sum_micros.load(Ordering::Relaxed)).as_secs_f64()
    }
}

/// All label sets of one arm of one route.
#[derive(Debug, Default)]
pub struct SeriesTable {
    slots: [OnceLock<Box<(SeriesKey, Series)>>; SLOTS],
    other: OnceLock<Box<Series>>,
}

impl SeriesTable {
    /// Counts one duration under its label set.
    pub fn record(&self, key: SeriesKey, duration: Duration) {
        let (head, tail) = self.slots.split_at_checked(key.place()).unwrap_or((&self.slots, &[]));
        for slot in tail.iter().chain(head) {
            let entry = slot.get_or_init(|| Box::new((key, Series::default())));
            if entry.0 == key {
                return entry.1.record(duration);
            }
        }
        self.other.get_or_init(Box::default).record(duration);
    }

    /// The label sets seen so far, then what did not fit (`None`).
    pub fn iter(&self) -> impl Iterator<Item = (Option<SeriesKey>, &Series)> {
        let known = self.slots.iter().filter_map(|slot| {
            let (key, series) = slot.get()?.as_ref();
            Some((Some(*key), series))
        });
        known.chain(self.other.get().map(|series| (None, series.as_ref())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_sets_are_kept_apart_and_bounded() {
        let table = SeriesTable::default();
        let key =
            |status| SeriesKey::new(&Method::GET, status, None, Scheme::Http, Version::HTTP_11);
        for status in 200..300 {
            table.record(key(status), Duration::from_millis(5));
            table.record(key(status), Duration::from_secs(60));
        }
        assert_eq!(table.iter().count(), SLOTS + 1);
        let total: u64 = table.iter().flat_map(|(_, series)| series.buckets()).sum();
        assert_eq!(total, 200);
        let (_, first) = table.iter().next().unwrap();
        assert_eq!((first.buckets()[0], first.buckets()[14]), (1, 1));
        assert!((first.sum_seconds() - 60.005).abs() < 1e-9);
    }

    #[test]
    fn a_method_of_the_clients_making_is_no_label() {
        let method = Method::from_bytes(b"PROPFIND").unwrap();
        let key = SeriesKey::new(&method, 200, None, Scheme::Http, Version::HTTP_2);
        assert_eq!((key.method, key.version), ("_OTHER", "2"));
    }
}
