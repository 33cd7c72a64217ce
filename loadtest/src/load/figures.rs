//! What has a load seen so far? Counts and latencies, in all and since one last looked.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::call::{Answer, Failure};

/// The longest latency told apart.
const LONGEST_US: u64 = 120_000_000;

/// Figures of a load at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Requests begun.
    pub sent: u64,
    /// Answers with a status below 400.
    pub ok: u64,
    /// All other ends: statuses from 400 up, and no answer at all.
    pub failed: u64,
    /// Answers by `x-origin`, whatever their status. Answers without one are under `-`.
    pub by_origin: BTreeMap<String, u64>,
    /// Answers by status code.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests without an answer, by cause.
    pub unanswered: BTreeMap<Failure, u64>,
    /// Latencies of all that ended.
    pub latency: Latency,
    /// How long these figures were gathered.
    pub over: Duration,
}

/// Quantiles of latency, exact to two digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// The median.
    pub p50: Duration,
    /// 95 of 100 are at most this.
    pub p95: Duration,
    /// 99 of 100 are at most this.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Figures {
    /// Requests that ended, well or not.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        self.ok + self.failed
    }

    /// Requests under way.
    #[must_use]
    pub const fn in_flight(&self) -> u64 {
        self.sent.saturating_sub(self.ok + self.failed)
    }

    /// How many answers came from an origin.
    #[must_use]
    pub fn answered_by(&self, name: &str) -> u64 {
        self.by_origin.get(name).copied().unwrap_or(0)
    }
}

/// Where a load writes down what it sees.
#[derive(Debug)]
pub(super) struct Books(Mutex<Pages>);

#[derive(Debug)]
struct Pages {
    all: Page,
    window: Page,
}

#[derive(Debug)]
struct Page {
    since: Instant,
    figures: Figures,
    micros: Histogram<u64>,
}

impl Books {
    /// # Errors
    /// Never with the constants above; the histogram checks its bounds at run time.
    pub(super) fn open() -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self(Mutex::new(Pages { all: Page::new()?, window: Page::new()? })))
    }

    pub(super) fn sent(&self) {
        self.write(|page| page.figures.sent += 1);
    }

    pub(super) fn ended(&self, answer: &Answer) {
        self.write(|page| page.ended(answer));
    }

    pub(super) fn all(&self) -> Figures {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all.figures()
    }

    /// What happened since the last call.
    pub(super) fn window(&self) -> Figures {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).window.take()
    }

    fn write(&self, note: impl Fn(&mut Page)) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        note(&mut pages.all);
        note(&mut pages.window);
    }
}

impl Page {
    fn new() -> Result<Self, hdrhistogram::CreationError> {
        let micros = Histogram::new_with_bounds(1, LONGEST_US, 2)?;
        Ok(Self { since: Instant::now(), figures: Figures::default(), micros })
    }

    fn ended(&mut self, answer: &Answer) {
        let figures = &mut self.figures;
        if answer.is_ok() {
            figures.ok += 1;
        } else {
            figures.failed += 1;
        }
        match answer.status {
            Ok(status) => {
                *figures.by_status.entry(status.as_u16()).or_default() += 1;
                let origin = answer.origin().unwrap_or("-");
                match figures.by_origin.get_mut(origin) {
                    Some(count) => *count += 1,
                    None => drop(figures.by_origin.insert(origin.to_owned(), 1)),
                }
            }
            Err(failure) => *figures.unanswered.entry(failure).or_default() += 1,
        }
        self.micros
            .saturating_record(u64::try_from(answer.latency.as_micros()).unwrap_or(LONGEST_US));
    }

    fn figures(&self) -> Figures {
        let quantile = |share| Duration::from_micros(self.micros.value_at_quantile(share));
        let latency = Latency {
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            max: Duration::from_micros(self.micros.max()),
        };
        Figures { latency, over: self.since.elapsed(), ..self.figures.clone() }
    }

    fn take(&mut self) -> Figures {
        let figures = self.figures();
        self.figures = Figures::default();
        self.micros.reset();
        self.since = Instant::now();
        figures
    }
}
