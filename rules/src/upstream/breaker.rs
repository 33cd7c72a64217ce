//! Is an upstream worth asking? A circuit breaker: closed while most attempts are answered, open when most fail, then
//! half open, for one attempt at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::definition::Breaking;
use super::ejection::millis;

/// Where a breaker stands. It belongs to one definition of an upstream: a new one begins closed.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// The present window: its number in 32 bits, its attempts in 16, those of them that failed in 16.
    window: AtomicU64,
    /// Until when it is open; 0 while it is closed.
    open_until_ms: AtomicU64,
    on_trial: AtomicBool,
}

/// Leave to send an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    /// As one of many.
    Usual,
    /// As the one that tries whether the upstream is back.
    Trial,
}

impl Breaker {
    /// Leave to send an attempt, or none while the breaker is open.
    pub(super) fn permit(&self, now_ms: u64) -> Option<Permit> {
        match self.open_until_ms.load(Ordering::Relaxed) {
            0 => Some(Permit::Usual),
            until if now_ms < until => None,
            _ => (!self.on_trial.swap(true, Ordering::Relaxed)).then_some(Permit::Trial),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open_until_ms.load(Ordering::Relaxed) != 0
    }

    /// Notes what came of a usual attempt; says whether that opens the breaker.
    pub(super) fn note(&self, breaking: &Breaking, now_ms: u64, failed: bool) -> bool {
        if self.is_open() {
            return false;
        }
        let number = now_ms / millis(breaking.window).max(1);
        let mut after = Window::default();
        let counted = self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
            after = Window::unpack(before).at(number).with(failed);
            Some(after.pack())
        });
        debug_assert!(counted.is_ok(), "there is always a next window");
        let until = now_ms.saturating_add(millis(breaking.pause)).max(1);
        failed
            && after.is_bad(breaking)
            && self
                .open_until_ms
                .compare_exchange(0, until, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Ends a trial: closed again when it was good, another pause when it was not.
    pub(super) fn tried(&self, breaking: &Breaking, now_ms: u64, failed: bool) {
        let until = now_ms.saturating_add(millis(breaking.pause)).max(1);
        if !failed {
            self.window.store(0, Ordering::Relaxed);
        }
        self.open_until_ms.store(if failed { until } else { 0 }, Ordering::Relaxed);
        self.on_trial.store(false, Ordering::Relaxed);
    }

    /// Ends a trial that says nothing: the next request is one.
    pub(super) fn untried(&self) {
        self.on_trial.store(false, Ordering::Relaxed);
    }
}

/// What came of the attempts within some time.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    number: u64,
    attempts: u16,
    failures: u16,
}

impl Window {
    fn unpack(packed: u64) -> Self {
        let low = |bits: u64| u16::try_from(bits & 0xFFFF).unwrap_or(u16::MAX);
        Self { number: packed >> 32, attempts: low(packed >> 16), failures: low(packed) }
    }

    fn pack(self) -> u64 {
        (self.number << 32) | (u64::from(self.attempts) << 16) | u64::from(self.failures)
    }

    /// This window if it is the one of that number, else an empty one.
    fn at(self, number: u64) -> Self {
        let number = number & 0xFFFF_FFFF;
        if self.number == number { self } else { Self { number, ..Self::default() } }
    }

    fn with(self, failed: bool) -> Self {
        // What does not fit any more is halved: the share of failures stays, and what is new counts twice.
        let half = u16::from(self.attempts == u16::MAX);
        Self {
            number: self.number,
            attempts: (self.attempts >> half) + 1,
            failures: (self.failures >> half) + u16::from(failed),
        }
    }

    fn is_bad(self, breaking: &Breaking) -> bool {
        let share = u32::from(breaking.failures.basis_points());
        self.attempts >= breaking.min
            && u32::from(self.failures) * 10_000 > u32::from(self.attempts) * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Share;

    const RULE: fn() -> Breaking = || Breaking { min: 4, ..Breaking::default() };

    /// The attempt, counted from one, that opens the breaker.
    fn opened_by(breaking: &Breaking, attempts: &[(u64, bool)]) -> Option<usize> {
        let breaker = Breaker::default();
        let by = attempts.iter().position(|(now_ms, failed)| {
            assert_eq!(breaker.permit(*now_ms), Some(Permit::Usual));
            breaker.note(breaking, *now_ms, *failed)
        });
        assert_eq!(breaker.is_open(), by.is_some());
        by.map(|place| place + 1)
    }

    #[test]
    fn it_opens_when_most_attempts_of_a_window_fail() {
        const BAD: bool = true;
        const GOOD: bool = false;
        let never = Breaking { failures: Share::ALL, ..RULE() };
        for (breaking, attempts, opens) in [
            (RULE(), [(0, BAD), (0, BAD), (0, BAD), (0, BAD), (0, BAD)], Some(4)),
            (RULE(), [(0, GOOD), (0, BAD), (0, GOOD), (0, BAD), (9_999, BAD)], Some(5)),
            (RULE(), [(0, GOOD), (0, BAD), (0, GOOD), (0, BAD), (9_999, GOOD)], None),
            (RULE(), [(0, BAD), (0, BAD), (0, BAD), (10_000, BAD), (10_000, BAD)], None),
            (never, [(0, BAD), (0, BAD), (0, BAD), (0, BAD), (0, BAD)], None),
        ] {
            assert_eq!(opened_by(&breaking, &attempts), opens, "{attempts:?}");
        }
    }

    #[test]
    fn it_pauses_tries_one_and_closes() {
        let (breaker, rule) = (Breaker::default(), RULE());
        for n in 0..4 {
            assert_eq!(breaker.note(&rule, 50, true), n == 3);
        }
        assert_eq!(breaker.permit(50), None);
        assert!(!breaker.note(&rule, 60, false), "what began before says nothing any more");
        assert_eq!(breaker.permit(1_049), None);
        assert_eq!(breaker.permit(1_050), Some(Permit::Trial));
        assert_eq!(breaker.permit(1_050), None, "one at a time");
        breaker.tried(&rule, 1_060, true);
        assert_eq!(breaker.permit(2_059), None, "another pause");
        assert_eq!(breaker.permit(2_060), Some(Permit::Trial));
        breaker.untried();
        assert_eq!(breaker.permit(2_061), Some(Permit::Trial), "the last one said nothing");
        breaker.tried(&rule, 2_070, false);
        assert_eq!(breaker.permit(2_070), Some(Permit::Usual));
        assert!(!breaker.note(&rule, 2_070, true), "the old failures are forgotten");
    }

    #[test]
    fn a_busy_window_is_halved_and_keeps_its_share() {
        let mut window = Window::default();
        for n in 0..300_000 {
            window = window.with(n % 4 == 0);
        }
        let share = f64::from(window.failures) / f64::from(window.attempts);
        assert!((0.24..0.26).contains(&share), "{window:?}");
        assert!(window.pack() == Window::unpack(window.pack()).pack());
    }
}
