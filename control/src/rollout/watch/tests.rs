//! Are readings what was counted since the last look, and nothing else?

use std::time::Duration;

use rules::sli::Histogram;

use super::*;

fn gates() -> Gates {
    let spec = serde_json::from_value(serde_json::json!({
        "steps": [{"canary": "5%"}], "gates": {"p95": {"max_ratio": 1.2}}
    }))
    .unwrap();
    config::Plan::of(&spec).unwrap().steps[0].gates.clone()
}

struct World {
    watched: Watched,
    latency: [Histogram; 2],
    requests: [u64; 2],
    failed: [u64; 2],
    now_unix_ms: i64,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            watched: Watched::default(),
            latency: Default::default(),
            requests: [0; 2],
            failed: [0; 2],
            now_unix_ms: 0,
        };
        assert_eq!(world.second([0, 0], [0, 0], 1), None, "the first look only remembers");
        world
    }

    /// One second: requests and failures of stable and the candidate, the latter so many times as slow.
    fn second(&mut self, requests: [u64; 2], failed: [u64; 2], slower: u64) -> Option<Readings> {
        self.now_unix_ms += 1_000;
        let mut counts = [ArmCounts::default(), ArmCounts::default()];
        for arm in 0..2 {
            self.requests[arm] += requests[arm];
            self.failed[arm] += failed[arm];
            for n in 0..requests[arm] {
                let times = if arm == 1 { slower } else { 1 };
                self.latency[arm].record(Duration::from_millis(times * (20 + n)));
            }
            counts[arm].requests = self.requests[arm];
            counts[arm].errors[0] = self.failed[arm];
            counts[arm].latency = self.latency[arm].counts();
        }
        let [stable, candidate] = counts;
        let counters = Counters { stable, candidate, ..Counters::default() };
        let tally = |arm: usize| Tally::new(failed[arm], requests[arm]);
        let added = Tallies { stable: tally(0), candidate: tally(1) };
        self.watched.look(counters, &[("a", added)], self.now_unix_ms);
        self.watched.readings(&gates(), &[])
    }
}

#[test]
fn readings_are_of_one_look() {
    let mut world = World::new();
    world.second([100, 5], [2, 0], 1).unwrap();
    let seen = world.second([100, 5], [1, 1], 1).unwrap().errors;
    assert_eq!((seen.stable, seen.candidate), (Tally::new(1, 100), Tally::new(1, 5)));
}

#[test]
fn a_baseline_is_compared_with_in_the_place_of_stable() {
    let mut watched = Watched::default();
    let counters = |baseline: u64| {
        let of = |requests| ArmCounts { requests, ..ArmCounts::default() };
        let strata =
            vec![[Tally::new(0, 10 * baseline), Tally::default(), Tally::new(0, baseline)]];
        let (stable, baseline) = (of(10 * baseline), Some(of(baseline)));
        Counters { stable, baseline, strata, ..Counters::default() }
    };
    watched.look(counters(0), &[], 0);
    watched.look(counters(7), &[], 1_000);
    let readings = watched.readings(&gates(), &[Tally::new(1, 100)]).unwrap();
    assert_eq!((readings.control, readings.errors.stable), (Arm::Baseline, Tally::new(0, 7)));
    let exposures = readings.exposures.unwrap();
    assert!((exposures.stable - 7.0).abs() < 1e-9, "its own tenants': {exposures:?}");
    assert_eq!(watched.last_hour().1, 0);
}

#[test]
fn slow_is_what_stable_was_before() {
    let mut world = World::new();
    assert_eq!(world.second([20, 5], [0, 0], 3).unwrap().latencies, [None]);
    (0..10).for_each(|_| drop(world.second([100, 5], [0, 0], 3)));
    let slow = world.second([100, 5], [0, 0], 10).unwrap().latencies[0].unwrap();
    assert_eq!(slow.candidate, Tally::new(5, 5));
    assert!((1..=6).contains(&slow.stable.bad), "{slow:?}");
}

#[test]
fn failures_are_forgotten_after_half_a_minute() {
    let mut world = World::new();
    world.second([10, 10], [0, 7], 1).unwrap();
    let burning = |readings: Readings| readings.half_minute[0].candidate.bad;
    for _ in 0..29 {
        assert_eq!(burning(world.second([0, 0], [0, 0], 1).unwrap()), 7);
    }
    assert_eq!(burning(world.second([0, 0], [0, 0], 1).unwrap()), 0);
}

#[test]
fn tenants_are_expected_to_do_what_they_did_before() {
    let strata = |stable: [(u64, u64); 2], candidate: (u64, u64)| {
        let tally = |(bad, total)| Tally::new(bad, total);
        let none = Tally::default();
        vec![[tally(stable[0]), tally(candidate), none], [tally(stable[1]), none, none]]
    };
    let mut watched = Watched::default();
    let mut look = |strata, now_unix_ms| {
        let counters = Counters { strata, ..Counters::default() };
        watched.look(counters, &[], now_unix_ms);
    };
    look(strata([(0, 0), (0, 0)], (0, 0)), 0);
    look(strata([(0, 0), (0, 0)], (0, 0)), 1_000);
    // The first tenant fails a tenth, the second nothing; then the first one moves.
    look(strata([(100, 1_000), (0, 9_000)], (0, 0)), 2_000);
    let before = watched.tenants();
    assert_eq!(before, [Tally::new(100, 1_000), Tally::new(0, 9_000)]);
    watched.look(
        Counters { strata: strata([(100, 1_000), (0, 9_900)], (9, 100)), ..Counters::default() },
        &[],
        3_000,
    );
    let exposures = watched.readings(&gates(), &before).unwrap().exposures.unwrap();
    // 100 requests, ten times as likely to fail as everybody's, against 900 that hardly ever do.
    assert!((800.0..1_000.0).contains(&exposures.candidate), "{exposures:?}");
    assert!((0.0..100.0).contains(&exposures.stable), "{exposures:?}");
}

#[test]
fn bursts_are_known_after_ten_minutes() {
    let mut world = World::new();
    for second in 0..720 {
        let failed = if second % 300 == 0 { 30 } else { 0 };
        world.second([100, 0], [failed, 0], 1);
    }
    let (errors, slow) = world.watched.dispersions(&gates());
    assert!(errors > 10.0, "{errors}");
    assert!(slow[0] < 2.0, "{slow:?}");
    assert_eq!(world.watched.last_hour().1, 12);
}
