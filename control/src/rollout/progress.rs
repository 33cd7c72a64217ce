//! What has a step seen so far? Counters, evidence and clean days: kept beside the state, so that a restart goes on.

use config::plan::Gates;
use rules::gate::ratio::GRID;
use rules::gate::{Exposures, HarmTest, NotWorseTest, SliRules, SliTest, Tallies, Tally, Tick};
use rules::sli::SeenTenants;
use serde::{Deserialize, Serialize};

use super::Rollout;
use super::readings::Readings;

/// With a longer break between two looks, the time between them does not count as watched.
pub(super) const BREAK_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// The part of a day that must have been watched for it to count.
const WATCHED: f64 = 0.99;

/// What a step has seen since it began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Which step it is, see [`Rollout::stretch`].
    pub stretch: (u64, usize, u32),
    /// The test of failed requests.
    pub errors: Counted,
    /// The tests of slow requests, in the order of the step's gates.
    pub latencies: Vec<Counted>,
    /// Exchanges compared, and those that differ.
    pub exchanges: (u64, u64),
    /// A sketch of the tenants that the candidate has seen; empty where the step does not ask.
    #[serde(default)]
    pub tenants: Vec<u64>,
    /// The last look, in milliseconds since 1970.
    pub looked_unix_ms: Option<i64>,
    /// The last look at which everything had requests that should have.
    pub data_unix_ms: Option<i64>,
    /// Clean days.
    pub days: Days,
}

/// One SLI's test, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub struct Counted {
    /// The candidate's bad requests, and all.
    candidate: (u64, u64),
    /// Stable's.
    stable: (u64, u64),
    /// What the candidate and stable were exposed to.
    exposures: (f64, f64),
    /// Evidence for harm, as logarithms of likelihood ratios.
    harm: [f64; GRID.len()],
    /// Evidence against "several times as bad".
    not_worse: f64,
    /// The dispersion that the evidence was divided by last.
    dispersion: f64,
}

/// How many clean days there were, and how today goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Days {
    /// Clean ones in a row; thin days between them do not count and do not matter.
    pub clean: u32,
    /// Today, in days since 1970 (UTC).
    today: i64,
    requests: u64,
    watched_ms: i64,
    failed: bool,
}

impl Progress {
    /// What is known of this step: what was kept, if it is of this very step.
    #[must_use]
    pub fn of(rollout: &Rollout, gates: &Gates, kept: Option<Self>) -> Self {
        let fits = |kept: &Self| {
            kept.stretch == rollout.stretch() && kept.latencies.len() == gates.latencies.len()
        };
        kept.filter(fits).unwrap_or_else(|| Self {
            stretch: rollout.stretch(),
            errors: Counted::default(),
            latencies: vec![Counted::default(); gates.latencies.len()],
            exchanges: (0, 0),
            tenants: Vec::new(),
            looked_unix_ms: None,
            data_unix_ms: None,
            days: Days::default(),
        })
    }

    /// Takes what happened since the last look.
    pub(super) fn take(&mut self, gates: &Gates, readings: &Readings) {
        let tick = Tick {
            seen: readings.errors,
            exposures: readings.exposures(),
            dispersion: readings.error_dispersion(),
        };
        self.errors.take(&gates.errors, &tick);
        let slow = self.latencies.iter_mut().zip(&gates.latencies).zip(&readings.latencies);
        for (place, ((counted, gate), seen)) in slow.enumerate() {
            if let Some(seen) = *seen {
                let exposures = Exposures::of_requests(&seen);
                let dispersion = readings.latency_dispersion(place);
                counted.take(&gate.rules, &Tick { seen, exposures, dispersion });
            }
        }
        let Tally { bad, total } = readings.exchanges;
        self.exchanges =
            (self.exchanges.0.saturating_add(bad), self.exchanges.1.saturating_add(total));
        if gates.tenants.is_some() {
            let mut seen = SeenTenants::from_words(std::mem::take(&mut self.tenants));
            seen.add(&readings.tenants);
            self.tenants = seen.words().to_vec();
        }
    }

    /// About how many different tenants the candidate has seen.
    #[must_use]
    pub fn tenants_seen(&self) -> u64 {
        SeenTenants::from_words(self.tenants.clone()).count()
    }

    /// The dispersions that evidence was divided by last: of failures, and of each latency gate.
    #[must_use]
    pub fn dispersions(&self) -> (f64, Vec<f64>) {
        let slow = self.latencies.iter().map(Counted::dispersion);
        (self.errors.dispersion(), slow.collect())
    }

    /// The exchanges that were compared.
    #[must_use]
    pub const fn compared(&self) -> Tally {
        Tally::new(self.exchanges.0, self.exchanges.1)
    }
}

impl Counted {
    /// The test as it stands.
    #[must_use]
    pub fn test(&self, rules: &SliRules) -> SliTest {
        SliTest {
            seen: self.seen(),
            exposures: Exposures { candidate: self.exposures.0, stable: self.exposures.1 },
            harm: HarmTest { tolerated: rules.tolerated, log_likelihoods: self.harm },
            not_worse: NotWorseTest {
                ruled_out: rules.ruled_out.unwrap_or(f64::INFINITY),
                log_e: self.not_worse,
            },
        }
    }

    /// What both arms did.
    #[must_use]
    pub const fn seen(&self) -> Tallies {
        Tallies {
            candidate: Tally::new(self.candidate.0, self.candidate.1),
            stable: Tally::new(self.stable.0, self.stable.1),
        }
    }

    /// The dispersion that evidence was divided by last.
    #[must_use]
    pub const fn dispersion(&self) -> f64 {
        self.dispersion.max(1.0)
    }

    fn take(&mut self, rules: &SliRules, tick: &Tick) {
        let mut test = self.test(rules);
        test.add(tick);
        let SliTest { seen: Tallies { candidate, stable }, exposures, harm, not_worse } = test;
        *self = Self {
            candidate: (candidate.bad, candidate.total),
            stable: (stable.bad, stable.total),
            exposures: (exposures.candidate, exposures.stable),
            harm: harm.log_likelihoods,
            not_worse: not_worse.log_e,
            dispersion: tick.dispersion,
        };
    }
}

impl Days {
    /// Takes a look: so many requests since the last one, whether a gate fails, and for how long it was watched.
    ///
    /// A day is judged when it is over. A bad day starts the count anew; one that was not watched, or had too few
    /// requests, does not count.
    pub(super) fn take(&mut self, now_unix_ms: i64, look: DayLook, smallest: u64) {
        let day = now_unix_ms.div_euclid(DAY_MS);
        if day != self.today {
            let clean = self.judged(smallest);
            *self = Self { clean, today: day, ..Self::default() };
        }
        self.requests = self.requests.saturating_add(look.requests);
        self.watched_ms = self.watched_ms.saturating_add(look.watched_ms);
        self.failed |= look.failed;
        if self.failed {
            self.clean = 0;
        }
    }

    fn judged(&self, smallest: u64) -> u32 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a day")]
        let watched = self.watched_ms as f64 >= WATCHED * DAY_MS as f64;
        let is_clean = watched && self.requests >= smallest && !self.failed;
        if is_clean { self.clean.saturating_add(1) } else { self.clean }
    }
}

/// What a look adds to a day.
#[derive(Debug, Clone, Copy)]
pub(super) struct DayLook {
    pub(super) requests: u64,
    pub(super) watched_ms: i64,
    pub(super) failed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// Goes through days hour by hour; each with so many requests an hour, a failure, or without being watched.
    fn after(days: &[(u64, bool, bool)]) -> u32 {
        let mut count = Days::default();
        for (day, (requests, failed, watched)) in (0_i64..).zip(days) {
            for hour in 0..24 {
                let watched_ms = if *watched { HOUR } else { 0 };
                let look =
                    DayLook { requests: *requests, watched_ms, failed: *failed && hour == 5 };
                count.take(day * DAY_MS + hour * HOUR, look, 240);
            }
        }
        let end = i64::try_from(days.len()).unwrap() * DAY_MS;
        count.take(end, DayLook { requests: 0, watched_ms: 0, failed: false }, 240);
        count.clean
    }

    #[test]
    fn thin_days_do_not_count_and_bad_ones_start_anew() {
        let (clean, thin, bad, unwatched) =
            ((10, false, true), (9, false, true), (10, true, true), (10, false, false));
        assert_eq!(after(&[clean, clean, clean]), 3);
        assert_eq!(after(&[clean, thin, clean]), 2);
        assert_eq!(after(&[clean, unwatched, clean]), 2);
        assert_eq!(after(&[clean, clean, bad, clean]), 1);
    }

    #[test]
    fn progress_survives_its_text() {
        let spec = serde_json::from_value(serde_json::json!({
            "steps": [{"canary": "5%"}], "gates": {"p95": {"max_ratio": 1.2}}
        }))
        .unwrap();
        let plan = config::Plan::of(&spec).unwrap();
        let gates = &plan.steps[0].gates;
        let mut counted = Counted::default();
        let seen = Tallies { candidate: Tally::new(3, 700), stable: Tally::new(41, 12_000) };
        let exposures = Exposures::of_requests(&seen);
        counted.take(&gates.errors, &Tick { seen, exposures, dispersion: 1.7 });
        let progress = Progress {
            stretch: (1, 2, 3),
            errors: counted,
            latencies: vec![counted],
            exchanges: (1, 99),
            tenants: vec![7],
            looked_unix_ms: Some(5),
            data_unix_ms: None,
            days: Days::default(),
        };
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
        let test = counted.test(&gates.errors);
        assert_eq!(test.seen, seen);
        assert!(test.harm.log_e() < 2.0 && test.not_worse.log_e.is_finite());
    }
}
