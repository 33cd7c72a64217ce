//! Over which times is counted? The last ten seconds, hour and day, and since the stage began.

use std::collections::VecDeque;

use super::Tally;
use super::tally::Correction;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// A time over which is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// The last ten seconds.
    TenSeconds,
    /// The last hour.
    Hour,
    /// The last day.
    Day,
    /// Since the stage began, or since the process did, or the rules changed, whichever came last.
    Stage,
}

impl Span {
    /// All of them, the shortest first.
    pub const ALL: [Self; 4] = [Self::TenSeconds, Self::Hour, Self::Day, Self::Stage];

    /// The name, as the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TenSeconds => "10s",
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Stage => "stage",
        }
    }
}

/// What was counted over one span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanTally {
    /// Over which time.
    pub span: Span,
    /// What was counted.
    pub tally: Tally,
}

/// One point of a trend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// When it begins, in milliseconds since 1970.
    pub at_unix_ms: i64,
    /// How long it lasts, in milliseconds.
    pub lasts_ms: i64,
    /// What was counted.
    pub tally: Tally,
}

/// What was counted of one route or cohort, over all spans. It is a few dozen tallies at most.
#[derive(Debug, Clone)]
pub(super) struct Spans {
    seconds: Ring,
    /// Of two minutes each.
    minutes: Ring,
    hours: Ring,
    stage: Tally,
    stage_since_unix_ms: i64,
    /// Exchanges up to here are part of stages before this one.
    before_stage_unix_ms: i64,
    /// Since a moment that somebody asks about: a rollout's step began.
    step: Tally,
    step_since_unix_ms: i64,
    before_step_unix_ms: i64,
    latest_unix_ms: i64,
}

impl Spans {
    pub(super) fn since(unix_ms: i64) -> Self {
        Self {
            seconds: Ring::of(10, SECOND_MS),
            minutes: Ring::of(30, 2 * MINUTE_MS),
            hours: Ring::of(24, HOUR_MS),
            stage: Tally::default(),
            stage_since_unix_ms: unix_ms,
            before_stage_unix_ms: i64::MIN,
            step: Tally::default(),
            step_since_unix_ms: i64::MIN,
            before_step_unix_ms: i64::MIN,
            latest_unix_ms: unix_ms,
        }
    }

    pub(super) const fn stage_since_unix_ms(&self) -> i64 {
        self.stage_since_unix_ms
    }

    /// Another stage begins.
    pub(super) fn begin_stage(&mut self, unix_ms: i64) {
        (self.stage, self.stage_since_unix_ms) = (Tally::default(), unix_ms);
        // Whatever clocks say, what was counted so far was before.
        self.before_stage_unix_ms = unix_ms.max(self.latest_unix_ms);
    }

    pub(super) fn count(&mut self, at_unix_ms: i64, tally: Tally) {
        for ring in [&mut self.seconds, &mut self.minutes, &mut self.hours] {
            if let Some(slot) = ring.slot(at_unix_ms) {
                *slot += tally;
            }
        }
        self.stage += tally;
        self.step += tally;
        self.latest_unix_ms = self.latest_unix_ms.max(at_unix_ms);
    }

    /// Judges an exchange anew that was counted in, wherever it is still part of.
    pub(super) fn correct(&mut self, at_unix_ms: i64, correction: Correction) {
        for ring in [&mut self.seconds, &mut self.minutes, &mut self.hours] {
            if let Some(slot) = ring.known(at_unix_ms) {
                slot.correct(correction);
            }
        }
        if at_unix_ms > self.before_stage_unix_ms {
            self.stage.correct(correction);
        }
        if at_unix_ms > self.before_step_unix_ms {
            self.step.correct(correction);
        }
    }

    /// What was counted since this moment, as long as the same one is asked about; another one begins anew.
    pub(super) fn since_step(&mut self, begun_unix_ms: i64) -> Tally {
        if self.step_since_unix_ms != begun_unix_ms {
            (self.step, self.step_since_unix_ms) = (Tally::default(), begun_unix_ms);
            self.before_step_unix_ms = self.latest_unix_ms;
        }
        self.step
    }

    pub(super) fn tally(&self, span: Span, now_unix_ms: i64) -> Tally {
        match span {
            Span::TenSeconds => self.seconds.sum(now_unix_ms),
            Span::Hour => self.minutes.sum(now_unix_ms),
            Span::Day => self.hours.sum(now_unix_ms),
            Span::Stage => self.stage,
        }
    }

    /// The last day by hours; within the first three hours, the last hour by two minutes.
    pub(super) fn trend(&self, now_unix_ms: i64) -> Vec<Point> {
        let by_hours: Vec<Point> = self.hours.points(now_unix_ms).collect();
        if by_hours.len() > 3 { by_hours } else { self.minutes.points(now_unix_ms).collect() }
    }
}

/// The last so many slots of time; those in which nothing happened are not kept.
#[derive(Debug, Clone)]
struct Ring {
    most: i64,
    slot_ms: i64,
    /// By number since 1970, the oldest first.
    kept: VecDeque<(i64, Tally)>,
}

impl Ring {
    const fn of(most: i64, slot_ms: i64) -> Self {
        Self { most, slot_ms, kept: VecDeque::new() }
    }

    /// The slot of a moment; none where that is too long ago.
    fn slot(&mut self, at_unix_ms: i64) -> Option<&mut Tally> {
        let number = at_unix_ms.div_euclid(self.slot_ms);
        let newest = self.kept.back().map_or(number, |(newest, _)| number.max(*newest));
        while self.kept.front().is_some_and(|(oldest, _)| *oldest <= newest - self.most) {
            self.kept.pop_front();
        }
        if number <= newest - self.most {
            return None;
        }
        // Reports come from several threads, not quite in order.
        let place = self.kept.partition_point(|(known, _)| *known < number);
        if self.kept.get(place).is_none_or(|(known, _)| *known != number) {
            self.kept.insert(place, (number, Tally::default()));
        }
        self.kept.get_mut(place).map(|(_, tally)| tally)
    }

    fn known(&mut self, at_unix_ms: i64) -> Option<&mut Tally> {
        let number = at_unix_ms.div_euclid(self.slot_ms);
        self.kept.iter_mut().find(|(known, _)| *known == number).map(|(_, tally)| tally)
    }

    fn fresh(&self, now_unix_ms: i64) -> impl Iterator<Item = &(i64, Tally)> {
        let now = now_unix_ms.div_euclid(self.slot_ms);
        self.kept.iter().filter(move |(number, _)| *number > now - self.most)
    }

    fn sum(&self, now_unix_ms: i64) -> Tally {
        let mut sum = Tally::default();
        self.fresh(now_unix_ms).for_each(|(_, tally)| sum += *tally);
        sum
    }

    fn points(&self, now_unix_ms: i64) -> impl Iterator<Item = Point> {
        let lasts_ms = self.slot_ms;
        self.fresh(now_unix_ms).map(move |(number, tally)| Point {
            at_unix_ms: number * lasts_ms,
            lasts_ms,
            tally: *tally,
        })
    }
}

#[cfg(test)]
mod tests {
    use rules::compare::parity::Figures;

    use super::*;
    use crate::parity::kit::matching;

    fn compared(spans: &Spans, now_unix_ms: i64) -> [u64; 4] {
        Span::ALL.map(|span| spans.tally(span, now_unix_ms).figures.compared)
    }

    #[test]
    fn each_span_forgets_in_its_own_time() {
        let one = Tally::of(&matching("x", 0));
        let start = 1_000 * HOUR_MS;
        let mut spans = Spans::since(start);
        for second in 0..20 {
            spans.count(start + second * SECOND_MS, one);
        }
        assert_eq!(compared(&spans, start + 19_999), [10, 20, 20, 20]);
        assert_eq!(compared(&spans, start + HOUR_MS), [0, 0, 20, 20]);
        spans.count(start + 24 * HOUR_MS, one);
        assert_eq!(compared(&spans, start + 24 * HOUR_MS), [1, 1, 1, 21]);
        spans.count(start, one);
        assert_eq!(compared(&spans, start + 24 * HOUR_MS), [1, 1, 1, 22], "too late for a day");
        spans.begin_stage(start + 25 * HOUR_MS);
        assert_eq!(compared(&spans, start + 25 * HOUR_MS), [0, 0, 1, 0]);
    }

    #[test]
    fn a_step_is_counted_from_when_it_is_first_asked_about() {
        let one = Tally::of(&matching("x", 0));
        let mut spans = Spans::since(0);
        let compared = |tally: Tally| tally.figures.compared;
        spans.count(1_000, one);
        assert_eq!(compared(spans.since_step(900)), 0);
        spans.count(2_000, one);
        spans.count(3_000, one);
        spans.correct(1_000, Correction { counted: one.figures, right: Figures::default() });
        assert_eq!(compared(spans.since_step(900)), 2, "what was before is not part of it");
        spans.correct(2_000, Correction { counted: one.figures, right: Figures::default() });
        assert_eq!(compared(spans.since_step(900)), 1);
        assert_eq!(compared(spans.since_step(3_000)), 0, "another step");
    }

    #[test]
    fn what_comes_out_of_order_finds_its_slot() {
        let one = Tally::of(&matching("x", 0));
        let mut spans = Spans::since(0);
        for at in [5_000, 3_000, 4_000, 3_500] {
            spans.count(at, one);
        }
        let numbers: Vec<i64> = spans.seconds.kept.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [3, 4, 5]);
        assert_eq!(spans.trend(5_000).len(), 1, "of two minutes each, as it is early");
        for hour in 0..50 {
            spans.count(hour * HOUR_MS, one);
        }
        assert_eq!(spans.trend(49 * HOUR_MS).len(), 24);
        assert!(spans.seconds.kept.len() <= 10 && spans.minutes.kept.len() <= 30);
    }
}
