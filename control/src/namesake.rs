//! Does another process go by this node's name? What each of them tells of itself takes the place of what the other told.

use std::mem;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// For how long another process is seen before it is said: one that takes over is there for a moment, too.
const SURE_AFTER: SignedDuration = SignedDuration::from_secs(5);
/// How long after it was seen for the last time it is there no more.
const GONE_AFTER: SignedDuration = SignedDuration::from_secs(15);

/// Another process by this node's name, as far as it was seen.
#[derive(Debug, Default)]
pub(crate) struct Namesake(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Whether this process has told of itself: what stands there before is that of one that has ended.
    has_told: bool,
    /// When another one was seen for the first time, and for the last.
    span: Option<(Timestamp, Timestamp)>,
    is_said: bool,
}

impl Namesake {
    /// Takes whether another process' word stood where this one tells of itself now. Says whether there is one, where that has
    /// changed.
    pub(crate) fn look(&self, is_others: bool, now: Timestamp) -> Option<bool> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if mem::replace(&mut seen.has_told, true) && is_others {
            let known = seen.span.filter(|(_, last)| now.duration_since(*last) < GONE_AFTER);
            seen.span = Some((known.map_or(now, |(first, _)| first), now));
        }
        let is_there = seen.is_there(now);
        (mem::replace(&mut seen.is_said, is_there) != is_there).then_some(is_there)
    }

    /// Whether there is one.
    pub(crate) fn is_there(&self, now: Timestamp) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_there(now)
    }
}

impl Seen {
    fn is_there(&self, now: Timestamp) -> bool {
        self.span.is_some_and(|(first, last)| {
            last.duration_since(first) >= SURE_AFTER && now.duration_since(last) < GONE_AFTER
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn another_process_is_there_once_it_goes_on_telling_and_as_long_as_it_does() {
        let namesake = Namesake::default();
        let looks = [
            // The process before this one, then nobody.
            (0, true, None),
            (1, false, None),
            // One that takes over, for a moment.
            (10, true, None),
            (14, true, None),
            (30, true, None),
            // Now and then its word is the last one.
            (32, false, None),
            (35, true, Some(true)),
            (40, true, None),
            (54, false, None),
            (55, false, Some(false)),
        ];
        for (second, is_others, expected) in looks {
            assert_eq!(namesake.look(is_others, at(second)), expected, "at {second}");
        }
        assert!(!namesake.is_there(at(55)));
    }
}
