//! How often is a healthy candidate taken back, and how soon a bad one? Whole rollouts, from seeds.
//!
//! A few runs of each here; `TURNOUT_LONG=1` makes it thousands and prints the tables of `docs/rollouts.md`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Source;
use jiff::{SignedDuration, Timestamp};
use rules::gate::Tally;
use rules::gate::interval::Weight;

use super::play::whole;
use super::{Ending, Scenario, Story, World, play};
use crate::command::Configuration;
use crate::desired::Desired;

const RAMP: &str = "
      steps: [{canary: 5%, for: 1h}, {canary: 25%, for: 1h}, {canary: 50%, for: 1h}, {live: true, for: 1h}]
      gates: {error_rate: {max: 1%}, p95: {max_ratio: 1.2}}";

fn desired(plan: &str) -> Desired {
    let text = format!(
        r#"
upstreams: {{old: {{targets: [{{address: "127.0.0.1:1"}}]}}, new: {{targets: [{{address: "127.0.0.1:2"}}]}}}}
cohorts: {{africa: {{tenants: [a]}}, europe: {{tenants: [e]}}}}
rollouts:
    ramp:{plan}
routes:
    sms: {{canonical: /sms, stable: {{upstream: old}}, candidate: {{upstream: new}}, tenant: {{query: t}}, rollout: ramp}}
"#
    );
    of_text(&text)
}

fn of_text(text: &str) -> Desired {
    let source = Source { text, name: "turnout.yaml", base: Path::new("/"), env: &|_| None };
    let document = Arc::new(config::read(&source).unwrap());
    let configuration =
        Configuration { text: text.into(), document, accepted_unix: 0, from_file: true };
    let desired = Desired::first(configuration);
    crate::ledger::compiled(&desired, rules::Revision(1), None).unwrap();
    desired
}

/// The same, with fresh instances of the old version beside the candidate.
fn beside(plan: &str) -> Desired {
    let written = desired(plan).configuration.text.to_string();
    let text = written
        .replace("upstreams: {", "upstreams: {fresh: {targets: [{address: \"127.0.0.1:3\"}]}, ")
        .replace(
            "candidate: {upstream: new}",
            "candidate: {upstream: new}, baseline: {upstream: fresh}",
        );
    of_text(&text)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn run(plan: &str, scenario: Scenario, start: &str, longest: SignedDuration) -> Story {
    let place = whole("sms".parse().unwrap());
    play(desired(plan), &place, "ramp", World::new(scenario), (at(start), longest)).unwrap()
}

/// The ramp. Its limit is twice of what the service does at worst: in swings of both arms, that is another one.
fn ramp(scenario: Scenario) -> Story {
    let limit = if scenario.swing > 1.0 { "5%" } else { "1%" };
    let plan = RAMP.replace("1%", limit);
    run(&plan, scenario, "2026-11-24T10:00:00Z", SignedDuration::from_hours(12))
}

fn runs(few: u64, many: u64) -> u64 {
    if std::env::var_os("TURNOUT_LONG").is_some() { many } else { few }
}

fn table(line: &str) {
    if std::env::var_os("TURNOUT_LONG").is_some() {
        println!("{line}");
    }
}

#[test]
fn a_healthy_candidate_goes_to_the_end() {
    let plain = Scenario::default();
    let worlds = [
        ("even traffic", plain.clone()),
        (
            "few failures, 0.05 %",
            Scenario { error_rate: 0.000_5, candidate_error_rate: 0.000_5, ..plain.clone() },
        ),
        ("200 uneven tenants move whole", Scenario { tenants: Some(200), ..plain.clone() }),
        ("bursts, 5 times the variance", Scenario { bursts: 5.0, ..plain.clone() }),
        ("swings of both arms, 5 times as many", Scenario { swing: 5.0, ..plain.clone() }),
        ("2 requests per second", Scenario { requests_per_second: 2.0, ..plain.clone() }),
        ("200 requests per second", Scenario { requests_per_second: 200.0, ..plain }),
    ];
    let count = runs(6, 500);
    table(
        "| traffic | runs | taken back | completed within 12 h | median time |\n|---|---|---|---|---|",
    );
    for (name, scenario) in worlds {
        let stories: Vec<Story> =
            (0..count).map(|seed| ramp(Scenario { seed, ..scenario.clone() })).collect();
        let back = stories.iter().filter(|story| story.ending == Ending::RolledBack);
        let told: Vec<&str> =
            back.clone().map(|story| &*story.moments.last().unwrap().why).collect();
        let (back, completed) = (back.count() as u64, of(&stories, Ending::Completed));
        let took = median(completed.iter().map(|story| story.took));
        table(&format!("| {name} | {count} | {back} | {} | {took} |", completed.len()));
        assert_seldom(back, count, &format!("{name}: {told:#?}"));
        assert!(stories.iter().all(|story| story.ending != Ending::Paused), "{name}");
    }
}

/// Fails where more than 1 % of all healthy candidates are surely taken back.
fn assert_seldom(back: u64, count: u64, what: &str) {
    let least = Weight::of(Tally::new(back, count)).lower_bound(0.01);
    assert!(least <= 0.01, "{back} of {count}: {what}");
}

fn of(stories: &[Story], ending: Ending) -> Vec<&Story> {
    stories.iter().filter(|story| story.ending == ending).collect()
}

fn median(times: impl Iterator<Item = SignedDuration>) -> String {
    let mut times: Vec<SignedDuration> = times.collect();
    times.sort();
    times.get(times.len() / 2).map_or_else(|| "-".to_owned(), |time| format!("{time:#}"))
}

#[test]
fn a_bad_candidate_is_taken_back_soon() {
    let plain = Scenario::default();
    let worlds = [
        (
            "5 times as many failures",
            Scenario { candidate_error_rate: 0.025, ..plain.clone() },
            360,
        ),
        (
            "5 times as many, swings of both arms",
            Scenario { candidate_error_rate: 0.025, swing: 5.0, ..plain.clone() },
            900,
        ),
        ("3 times as many", Scenario { candidate_error_rate: 0.015, ..plain.clone() }, 3_600),
        ("everything fails", Scenario { candidate_error_rate: 1.0, ..plain.clone() }, 20),
        ("twice as slow", Scenario { candidate_slower: 2.0, ..plain.clone() }, 360),
        ("1.5 times as slow", Scenario { candidate_slower: 1.5, ..plain }, 1_800),
    ];
    let count = runs(9, 500);
    table(
        "| candidate, at 20 requests per second and 5 % | runs | taken back | median time | 95 % within |\n|---|---|---|---|---|",
    );
    for (name, scenario, seconds) in worlds {
        let stories: Vec<Story> =
            (0..count).map(|seed| ramp(Scenario { seed, ..scenario.clone() })).collect();
        let back = of(&stories, Ending::RolledBack);
        let mut times: Vec<SignedDuration> = back.iter().map(|story| story.took).collect();
        times.sort();
        let (middle, late) = (times.get(times.len() / 2), times.get(times.len() * 19 / 20));
        let told = |time: Option<&SignedDuration>| {
            time.map_or_else(|| "-".to_owned(), |time| format!("{time:#}"))
        };
        table(&format!(
            "| {name} | {count} | {} | {} | {} |",
            back.len(),
            told(middle),
            told(late)
        ));
        assert_eq!(back.len() as u64, count, "{name}");
        assert!(middle.unwrap().as_secs() <= seconds, "{name}: {}", told(middle));
    }
}

#[test]
fn without_traffic_it_waits_and_at_a_deadline_for_people() {
    let nobody = Scenario { requests_per_second: 0.0, ..Scenario::default() };
    assert_eq!(ramp(nobody.clone()).ending, Ending::Waiting);
    let plan = "\n      steps: [{canary: 5%, deadline: 2h}]";
    let story = run(plan, nobody.clone(), "2026-11-24T10:00:00Z", SignedDuration::from_hours(5));
    assert_eq!((story.ending, story.took), (Ending::Paused, SignedDuration::from_secs(7_210)));
    let plan = "\n      steps: [{canary: 5%, deadline: 2h, at_deadline: rollback}]";
    let story = run(plan, nobody, "2026-11-24T10:00:00Z", SignedDuration::from_hours(5));
    assert_eq!(story.ending, Ending::RolledBack);
}

#[test]
fn different_answers_are_a_failure_and_few_ones_a_reason_to_wait() {
    let plan = "\n      steps: [{shadow: 100%, for: 1h}, {canary: 5%}]\n      gates: {parity: {max: 0.1%}, low_traffic: absolute_only, error_rate: {max: 2%}}";
    let of = |mismatch_rate| {
        let scenario = Scenario { mismatch_rate, ..Scenario::default() };
        run(plan, scenario, "2026-11-24T10:00:00Z", SignedDuration::from_hours(12))
    };
    assert_eq!(of(0.0).ending, Ending::Completed);
    assert_eq!(of(0.01).ending, Ending::RolledBack);
}

#[test]
fn a_step_waits_for_its_tenants() {
    let plan = "\n      steps: [{canary: 25%, for: 10m}, {live: true}]\n      gates: {error_rate: {max: 5%}, min_tenants: 30}";
    let of = |tenants| {
        let scenario = Scenario { tenants: Some(tenants), ..Scenario::default() };
        run(plan, scenario, "2026-11-24T10:00:00Z", SignedDuration::from_hours(12))
    };
    assert_eq!(of(400).ending, Ending::Completed);
    let few = of(60);
    assert_eq!((few.ending, few.moments.len()), (Ending::Waiting, 1), "a quarter of 60 are 15");
    let waits = few.seen.unwrap().waits;
    assert!(format!("{waits:?}").contains("of 30 tenants"), "{waits:?}");
    let nobody =
        run(plan, Scenario::default(), "2026-11-24T10:00:00Z", SignedDuration::from_hours(1));
    assert_eq!(nobody.ending, Ending::Waiting, "requests of nobody in particular are no tenants");
}

#[test]
fn a_baseline_is_the_control_of_the_same_decisions() {
    let played = |candidate_error_rate, tenants, seed| {
        let scenario = Scenario { candidate_error_rate, tenants, seed, ..Scenario::default() };
        let place = whole("sms".parse().unwrap());
        let times = (at("2026-11-24T10:00:00Z"), SignedDuration::from_hours(12));
        play(beside(RAMP), &place, "ramp", World::new(scenario), times).unwrap()
    };
    let count = runs(3, 100);
    for tenants in [None, Some(200)] {
        let healthy = (0..count).map(|seed| played(0.005, tenants, seed));
        let back = healthy.filter(|story| story.ending == Ending::RolledBack).count() as u64;
        assert_seldom(back, count, "beside a baseline");
        for seed in 0..count {
            assert_eq!(played(0.05, tenants, seed).ending, Ending::RolledBack);
        }
    }
}

#[test]
fn what_fails_may_be_held_instead() {
    let plan = "\n      steps: [{canary: 5%, for: 1h, on_fail: hold}]";
    let scenario = Scenario { candidate_error_rate: 0.1, ..Scenario::default() };
    let story = run(plan, scenario, "2026-11-24T10:00:00Z", SignedDuration::from_hours(5));
    assert_eq!(story.ending, Ending::Paused);
    assert!(story.moments.last().unwrap().why.starts_with("a gate fails: "), "{story:#?}");
}

#[test]
fn two_weeks_with_windows_daylight_saving_and_a_freeze() {
    let plan = r#"
      steps:
        - {shadow: 100%, for: 1d}
        - {cohorts: [africa, europe], steps: [{live: true, for: 1d}]}
        - {canary: 25%, for: 1d}
        - {approval: {needed: 2, four_eyes: true}}
        - {live: true, for: 2h}
        - {wait: 3 clean days}
      gates: {error_rate: {max: 1%}, low_traffic: absolute_only}
      only: ["Mon-Fri 09:00-16:00 Europe/Berlin"]
      freezes: [{from: 2026-10-27, until: 2026-10-29, zone: Europe/Berlin}]"#;
    let begun = Instant::now();
    // Summer time ends on Sunday, 25 October.
    let story = run(
        plan,
        Scenario { look_s: 60, ..Scenario::default() },
        "2026-10-21T10:00:00Z",
        SignedDuration::from_hours(24 * 14),
    );
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let told: Vec<String> = story
        .moments
        .iter()
        .map(|moment| format!("{} {}", moment.at.strftime("%a %d %H:%M"), moment.what))
        .collect();
    let expected = [
        "Wed 21 10:00 sms: rollout ramp started, step 1 of 7: shadow 100%, off -> shadow 100%",
        "Thu 22 10:00 sms: rollout, step 2 of 7: cohort africa: live, shadow 100% -> live",
        "Fri 23 10:00 sms: rollout, step 3 of 7: cohort europe: live, shadow 100% -> live",
        // 24 hours later it is Saturday; on Monday the window opens an hour later by UTC.
        "Mon 26 08:00 sms: rollout, step 4 of 7: canary 25%, shadow 100% -> canary 25%",
        // 24 hours later there is a freeze, until Thursday.
        "Thu 29 08:00 sms: rollout, step 5 of 7: approval by 2, canary 25%",
        "Thu 29 08:01 sms: approved, 1 of 2",
        "Thu 29 08:02 sms: approved, 2 of 2",
        "Thu 29 08:03 sms: rollout, step 6 of 7: live, canary 25% -> live",
        "Thu 29 10:03 sms: rollout, step 7 of 7: 3 clean days, live",
        // Friday, Saturday and Sunday were clean.
        "Mon 02 08:00 sms: rollout completed",
    ];
    assert_eq!(told, expected);
    assert_eq!(story.ending, Ending::Completed);
}
