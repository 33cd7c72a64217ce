//! When is a target left out because of what it answered? After too many failures in a row, and longer each time.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::definition::Ejecting;

/// A target's failures in a row, and until when it is left out for them.
#[derive(Debug, Default)]
pub(super) struct Ejection {
    failures: AtomicU32,
    until_ms: AtomicU64,
    /// How often in close succession.
    times: AtomicU32,
    total: AtomicU64,
}

impl Ejection {
    pub(super) fn is_out(&self, now_ms: u64) -> bool {
        now_ms < self.until_ms.load(Ordering::Relaxed)
    }

    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub(super) fn succeeded(&self) {
        // A write by every request would make all cores fight for the line.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Notes a failure; says whether there are too many. One that is out already is there for its earlier ones.
    pub(super) fn failed(&self, ejecting: &Ejecting, now_ms: u64) -> bool {
        !self.is_out(now_ms)
            && self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1)
                >= ejecting.consecutive
    }

    /// Leaves the target out from now on; says for how long, unless somebody else just did the same.
    pub(super) fn eject(&self, ejecting: &Ejecting, now_ms: u64) -> Option<Duration> {
        let until = self.until_ms.load(Ordering::Relaxed);
        let times = self.times.load(Ordering::Relaxed);
        // Who was in for as long as out begins anew.
        let was_in_ms = now_ms.checked_sub(until)?;
        let again = was_in_ms < millis(length(ejecting, times));
        let times = if again { times.saturating_add(1) } else { 1 };
        let time = length(ejecting, times);
        let next = now_ms.saturating_add(millis(time)).max(1);
        self.until_ms.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        self.times.store(times, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
        self.total.fetch_add(1, Ordering::Relaxed);
        Some(time)
    }
}

fn length(ejecting: &Ejecting, times: u32) -> Duration {
    ejecting.time.saturating_mul(times).min(ejecting.longest)
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_in_close_succession_and_begins_anew_after_a_good_time() {
        let ejecting = Ejecting::default();
        let ejection = Ejection::default();
        let mut seconds = Vec::new();
        let mut now_ms = 0;
        // How long the target stays in between two ejections, in seconds.
        for stays in [0, 5, 89, 119, 149, 299, 299, 0, 299, 299, 299, 299, 300] {
            now_ms += stays * 1_000;
            let time = ejection.eject(&ejecting, now_ms).unwrap();
            seconds.push(time.as_secs());
            assert_eq!(ejection.eject(&ejecting, now_ms), None, "it is out already");
            assert!(ejection.is_out(now_ms + millis(time) - 1));
            now_ms += millis(time);
            assert!(!ejection.is_out(now_ms));
        }
        assert_eq!(seconds, [30, 60, 30, 30, 30, 30, 30, 60, 30, 30, 30, 30, 30]);
        seconds.clear();
        for _ in 0..12 {
            let time = ejection.eject(&ejecting, now_ms).unwrap();
            seconds.push(time.as_secs());
            now_ms += millis(time);
        }
        assert_eq!(seconds, [60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300, 300]);
        assert_eq!(ejection.total(), 25);
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let ejecting = Ejecting { consecutive: 3, ..Ejecting::default() };
        let ejection = Ejection::default();
        let failures = |count: usize| (0..count).map(|_| ejection.failed(&ejecting, 0)).collect();
        let told: Vec<bool> = failures(2);
        assert_eq!(told, [false, false]);
        ejection.succeeded();
        let told: Vec<bool> = failures(4);
        assert_eq!(told, [false, false, true, true], "where it may not go, it is asked again");
        ejection.eject(&ejecting, 0).unwrap();
        let told: Vec<bool> = failures(3);
        assert_eq!(told, [false; 3], "it is out");
        assert!(!ejection.failed(&ejecting, 30_000), "it begins anew when it is back");
    }
}
