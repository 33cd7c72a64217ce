//! Is it worth asking? A circuit breaker per upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Breaking {
    /// So many failures in a row open it.
    pub(super) after_failures: u32,
    /// After this pause one copy goes through, to see.
    pub(super) pause: Duration,
}

impl Default for Breaking {
    fn default() -> Self {
        Self { after_failures: 10, pause: Duration::from_secs(5) }
    }
}

/// Closed while copies are answered; open after too many failures in a row; then half open, for one copy at a time.
#[derive(Debug)]
pub(super) struct Breaker {
    breaking: Breaking,
    since: Instant,
    failures: AtomicU32,
    last_failure_ms: AtomicU64,
    on_trial: AtomicBool,
}

impl Breaker {
    pub(super) fn new(breaking: Breaking, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            breaking,
            since: now,
            failures: AtomicU32::new(0),
            last_failure_ms: AtomicU64::new(0),
            on_trial: AtomicBool::new(false),
        })
    }

    /// Leave to send a copy, or none while the breaker is open.
    pub(super) fn permit(self: &Arc<Self>, now: Instant) -> Option<Permit> {
        if self.failures.load(Ordering::Relaxed) < self.breaking.after_failures {
            return Some(Permit { breaker: Arc::clone(self), is_trial: false });
        }
        let waited = self.ms(now).saturating_sub(self.last_failure_ms.load(Ordering::Relaxed));
        let has_paused = u128::from(waited) >= self.breaking.pause.as_millis();
        let is_trial = has_paused && !self.on_trial.swap(true, Ordering::Relaxed);
        is_trial.then(|| Permit { breaker: Arc::clone(self), is_trial })
    }

    fn ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Leave to send one copy. Dropped without a word, the copy was never sent, and says nothing about its target.
#[derive(Debug)]
pub(super) struct Permit {
    breaker: Arc<Breaker>,
    is_trial: bool,
}

impl Permit {
    pub(super) fn succeeded(&self) {
        self.breaker.failures.store(0, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, now: Instant) {
        self.breaker.last_failure_ms.store(self.breaker.ms(now), Ordering::Relaxed);
        let more = |failures: u32| Some(failures.saturating_add(1));
        let failures = &self.breaker.failures;
        let counted = failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        debug_assert!(counted.is_ok());
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_trial {
            self.breaker.on_trial.store(false, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_tries_one_and_closes() {
        let start = Instant::now();
        let pause = Duration::from_secs(5);
        let breaker = Breaker::new(Breaking { after_failures: 2, pause }, start);
        breaker.permit(start).unwrap().failed(start);
        breaker.permit(start).unwrap().succeeded();
        for _ in 0..2 {
            breaker.permit(start).unwrap().failed(start);
        }
        assert!(breaker.permit(start).is_none(), "two failures in a row");
        let later = start + pause;
        let trial = breaker.permit(later).unwrap();
        assert!(breaker.permit(later).is_none(), "one trial at a time");
        drop(trial);
        let trial = breaker.permit(later).unwrap();
        trial.failed(later);
        drop(trial);
        assert!(breaker.permit(later).is_none(), "the trial failed: another pause");
        breaker.permit(later + pause).unwrap().succeeded();
        assert!(breaker.permit(later).is_some() && breaker.permit(later).is_some());
    }
}
