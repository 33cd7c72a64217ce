//! Does traffic move by a plan, and back when a gate fails? Whole rollouts with shortened times, over real sockets.

mod baseline;
mod externals;
mod messages;
mod residency;
mod tenants;

use std::time::Duration;

use loadtest::load::{Call, Load, Plan};
use serde_json::{Value, json};

use crate::kit::{
    Origin, Reply, Setup, Turnout, ask, eventually, eventually_some, get, sample, scripted, status,
};

/// Four steps as in a real migration, each as short as the tests are patient.
const RAMP: &str = r#"
rollouts:
  ramp:
    steps: [{shadow: 100%, for: 1s}, {canary: 25%, for: 1s}, {canary: 50%, for: 1s}, {live: true, for: 1s}]
    gates: {error_rate: {max: 20%}, parity: {max: 20%}, low_traffic: absolute_only, min_requests: 20}
"#;
const ROUTE: &str = r#"
routes:
  sms:
    canonical: /v1/sms
    stable: {upstream: old}
    candidate: {upstream: new}
    # What is ignored is a large part of answers as short as these.
    compare: {ignore_headers: [x-origin], limits: {min_coverage: 50%}}
    rollout: ramp
"#;

fn same(_: &loadtest::origin::Recorded) -> Reply {
    Reply::text("ok")
}

struct World {
    turnout: Turnout,
    _old: Origin,
    new: Origin,
    load: Load,
}

/// So many requests a second for these paths in turn, as long as it lives. A restart in between is what some tests are about.
fn load(turnout: &Turnout, rate: f64, paths: &[&str]) -> Load {
    let calls: Vec<Call> = paths.iter().map(|path| Call::get(*path)).collect();
    let plan = Plan { in_flight: 4, ..Plan::per_second(turnout.proxy(), rate) };
    let next = move |number| calls[usize::try_from(number).unwrap() % calls.len()].clone();
    Load::start(plan, next, |_| {}).unwrap()
}

async fn world(plan: &str) -> World {
    world_of(Setup::new(&format!("{plan}{ROUTE}"))).await
}

async fn world_of(setup: Setup) -> World {
    let (old, new) = (scripted("old", same).await, scripted("new", same).await);
    let setup = setup.upstream("old", old.address()).upstream("new", new.address());
    let turnout = setup.start().await;
    let load = load(&turnout, 250.0, &["/v1/sms"]);
    World { turnout, _old: old, new, load }
}

async fn act(turnout: &Turnout, action: &str) -> Value {
    let body = json!({"action": action, "why": "test"});
    turnout.command("POST", "/v1/routes/sms/rollout", body).await
}

async fn rollout(turnout: &Turnout) -> Value {
    turnout.view("/v1/routes/sms/rollout").await[0].clone()
}

async fn reaches(turnout: &Turnout, phase: &str) -> Value {
    eventually_some(&format!("the rollout is {phase}"), async || {
        let rollout = rollout(turnout).await;
        (rollout["phase"] == phase).then_some(rollout)
    })
    .await
}

async fn history(turnout: &Turnout) -> Vec<Value> {
    let mut entries =
        turnout.view("/v1/routes/sms/rollout/history").await.as_array().unwrap().clone();
    entries.reverse();
    entries
}

async fn summaries(turnout: &Turnout) -> Vec<String> {
    let entries = history(turnout).await;
    entries.iter().map(|entry| entry["summary"].as_str().unwrap().to_owned()).collect()
}

const WHOLE: [&str; 5] = [
    "sms: rollout ramp started, step 1 of 4: shadow 100%, off -> shadow 100%",
    "sms: rollout, step 2 of 4: canary 25%, shadow 100% -> canary 25%",
    "sms: rollout, step 3 of 4: canary 50%, canary 25% -> 50%",
    "sms: rollout, step 4 of 4: live, canary 50% -> live",
    "sms: rollout completed",
];

#[tokio::test]
async fn a_ramp_runs_to_its_end_and_everything_can_still_go_back() {
    let world = world(RAMP).await;
    act(&world.turnout, "start").await;
    reaches(&world.turnout, "completed").await;
    assert_eq!(summaries(&world.turnout).await, WHOLE);
    let entries = history(&world.turnout).await;
    assert_eq!(entries[1]["actor"], "turnout rollout");
    let evidence = entries[2]["arguments"]["evidence"].as_array().unwrap();
    let error_rate = evidence.iter().find(|one| one["rule"] == "absolute").unwrap();
    assert_eq!(
        (&error_rate["gate"], &error_rate["verdict"]),
        (&json!("error_rate"), &json!("pass"))
    );
    assert!(error_rate["candidate"]["total"].as_u64().unwrap() >= 20, "{error_rate}");
    let shown = world.turnout.cli(&["rollout", "status", "sms", "--watch"]).await.expect(0);
    assert!(shown.stdout.contains("rollout ramp completed"), "{shown:?}");
    assert_eq!(world.turnout.route("sms").await["stage"], "live");

    act(&world.turnout, "abort").await;
    assert_eq!(world.turnout.route("sms").await["stage"], "off");
    assert_eq!(rollout(&world.turnout).await["phase"], "aborted");
    world.turnout.cli(&["rollout", "status", "sms", "-w"]).await.expect(1);
    let again = world.turnout.cli(&["rollout", "start", "sms", "--why", "again"]).await;
    assert!(again.expect(75).stderr.contains("may be started again at"), "it cools down");
}

#[tokio::test]
async fn failures_take_it_back_at_once() {
    let world = world(&RAMP.replace("canary: 25%, for: 1s", "canary: 25%, for: 1h")).await;
    act(&world.turnout, "start").await;
    eventually("it serves a canary", async || rollout(&world.turnout).await["step"] == 2).await;
    world.new.behave(|_| status(500));
    let aborted = reaches(&world.turnout, "aborted").await;
    assert_eq!(aborted["step"], 2);
    assert_eq!(world.turnout.route("sms").await["stage"], "off");
    let last = history(&world.turnout).await.pop().unwrap();
    assert_eq!((&last["command"], &last["actor"]), (&json!("rollback"), &json!("turnout rollout")));
    let why = last["why"].as_str().unwrap();
    assert!(why.starts_with("a gate fails: ") && why.contains("error_rate harm: "), "{why}");
    let metrics = world.turnout.metrics().await;
    assert_eq!(sample(&metrics, "turnout_rollbacks_total", &[r#"trigger="gate""#]), Some(1.0));
    assert_eq!(sample(&metrics, "turnout_rollout_phase", &[r#"phase="aborted""#]), Some(1.0));
    assert_eq!(sample(&metrics, "turnout_rollout_step", &[r#"route="sms""#]), Some(2.0));
}

/// Answers that a route counts as failures take it back as 5xx do; others do not.
#[tokio::test]
async fn statuses_may_count_as_failures() {
    let plan =
        "rollouts: {ramp: {steps: [{canary: 25%, for: 1h}], gates: {error_rate: {max: 20%}}}}\n";
    let route = ROUTE.replace("rollout: ramp", "rollout: ramp\n    bad_statuses: [429]");
    let world = world_of(Setup::new(&format!("{plan}{route}"))).await;
    act(&world.turnout, "start").await;
    world.new.behave(|_| status(409));
    let before = world.new.count();
    assert!(world.new.reached(before + 30, Duration::from_secs(60)).await);
    assert_eq!(rollout(&world.turnout).await["phase"], "running");
    world.new.behave(|_| status(429));
    reaches(&world.turnout, "aborted").await;
    let why = history(&world.turnout).await.pop().unwrap()["why"].as_str().unwrap().to_owned();
    assert!(why.starts_with("a gate fails: ") && why.contains("error_rate "), "{why}");
    let metrics = world.turnout.metrics().await;
    let bad = sample(
        &metrics,
        "http_server_request_duration_seconds_count",
        &[r#"error_type="bad_status""#],
    );
    assert!(bad >= Some(1.0), "{metrics}");
}

#[tokio::test]
async fn a_plan_may_hold_what_fails() {
    let plan = RAMP.replace("min_requests: 20}", "min_requests: 20}\n    on_fail: hold");
    let world = world(&plan.replace("canary: 25%, for: 1s", "canary: 25%, for: 1h")).await;
    act(&world.turnout, "start").await;
    eventually("it serves a canary", async || rollout(&world.turnout).await["step"] == 2).await;
    world.new.behave(|_| status(500));
    reaches(&world.turnout, "paused").await;
    assert_eq!(world.turnout.route("sms").await["share"], "25%", "people decide");
}

#[tokio::test]
async fn slow_answers_take_it_back() {
    let plan = RAMP.replace("gates: {", "gates: {p95: {max: 50ms}, ");
    let world = world(&plan.replace("canary: 25%, for: 1s", "canary: 25%, for: 1h")).await;
    world.new.behave(|_| Reply::text("ok").after(Duration::from_millis(150)));
    act(&world.turnout, "start").await;
    reaches(&world.turnout, "aborted").await;
    let why = history(&world.turnout).await.pop().unwrap()["why"].as_str().unwrap().to_owned();
    assert!(why.contains("p95 "), "{why}");
}

#[tokio::test]
async fn other_answers_take_it_back_before_anybody_gets_them() {
    let plan = RAMP.replace("shadow: 100%, for: 1s", "shadow: 100%, for: 1h");
    // One field of few differs in each answer.
    let world = world(&plan.replace("parity: {max: 20%}", "parity: {max: 5%}")).await;
    world.new.behave(|_| Reply::text("not ok"));
    act(&world.turnout, "start").await;
    assert_eq!(reaches(&world.turnout, "aborted").await["step"], 1);
    let why = history(&world.turnout).await.pop().unwrap()["why"].as_str().unwrap().to_owned();
    assert!(why.contains("parity: "), "{why}");
}

#[tokio::test]
async fn without_requests_it_stays_where_it_is() {
    let world = world(RAMP).await;
    world.load.stop().await;
    act(&world.turnout, "start").await;
    let waits = eventually_some("a look was taken", async || {
        let waits = rollout(&world.turnout).await["waits"].clone();
        let texts: Vec<String> = waits
            .as_array()?
            .iter()
            .map(|wait| wait["text"].as_str().unwrap().to_owned())
            .collect();
        texts.iter().any(|text| text.starts_with("min_requests")).then_some(texts)
    })
    .await;
    assert!(waits.contains(&"min_requests sample: needs 20 more requests".to_owned()), "{waits:?}");
    assert_eq!(rollout(&world.turnout).await["step"], 1);
    let metrics = world.turnout.metrics().await;
    let waits = sample(&metrics, "turnout_gate_status", &[r#"gate="min_requests""#]);
    assert_eq!(waits, Some(0.0), "hold");
}

#[tokio::test]
async fn people_pause_promote_and_approve() {
    let plan = r#"
rollouts:
  ramp:
    steps: [{canary: 5%, for: 1h}, {approval: {needed: 2, four_eyes: true}}, {live: true, for: 1h}]
"#;
    let World { turnout, _old, new: _new, load: _load } = world(plan).await;
    let by = async |actor: &str, action: &str, status: u16| {
        let body = json!({"action": action, "why": "test"});
        let ask =
            ask("POST", "/v1/routes/sms/rollout").header("x-turnout-actor", actor).json(&body);
        turnout.control_send(ask).await.expect(status)
    };
    by("ann", "start", 200).await;
    by("ann", "pause", 200).await;
    let shown = turnout.cli(&["rollout", "status", "sms"]).await.expect(0).stdout;
    assert!(shown.contains("rollout ramp paused, started by ann"), "{shown}");
    by("ann", "resume", 200).await;
    by("ann", "promote", 200).await;
    assert_eq!(by("ann", "approve", 409).await.problem(), "rollout_refused", "four eyes");
    by("bob", "approve", 200).await;
    assert_eq!(rollout(&turnout).await["step"], 2);
    by("zoe", "approve", 200).await;
    eventually("both have approved", async || rollout(&turnout).await["step"] == 3).await;
    let body = json!({"share": "1%", "why": "test"});
    let shift = ask("POST", "/v1/routes/sms/shift").json(&body);
    assert_eq!(turnout.control_send(shift).await.expect(409).problem(), "rollout_runs");
    turnout.rollback("sms").await;
    assert_eq!(rollout(&turnout).await["phase"], "aborted");
}

#[tokio::test]
async fn promoted_to_the_end_it_does_not_wait_for_gates() {
    let plan = RAMP.replace("for: 1s", "for: 1h");
    let World { turnout, _old, new: _new, load: _load } = world(&plan).await;
    act(&turnout, "start").await;
    turnout
        .cli(&["rollout", "promote", "sms", "--to-end", "--yes", "--why", "now"])
        .await
        .expect(0);
    reaches(&turnout, "completed").await;
    let expected =
        ["rollout goes to its end", "step 2 of 4", "step 3 of 4", "step 4 of 4", "completed"];
    let told = summaries(&turnout).await;
    for (summary, expected) in told.iter().skip(1).zip(expected) {
        assert!(summary.contains(expected), "{told:?}");
    }
}

/// At each boundary of two steps the process is killed, as soon as the step before is seen: whatever was stored then goes
/// on, and nothing is done twice or left out.
#[tokio::test]
async fn a_kill_at_any_boundary_neither_skips_nor_repeats_a_step() {
    let World { mut turnout, load: _load, _old, new: _new } = world(RAMP).await;
    act(&turnout, "start").await;
    for step in 1..=4 {
        eventually(&format!("step {step} is there"), async || {
            turnout
                .try_control_send(get("/v1/routes/sms/rollout"))
                .await
                .is_ok_and(|answer| answer.json()[0]["step"].as_u64().is_some_and(|at| at >= step))
        })
        .await;
        turnout = turnout.kill().start().await;
    }
    reaches(&turnout, "completed").await;
    assert_eq!(summaries(&turnout).await, WHOLE);
}

/// Over sockets; the same in every order, without them, is a property of the commands.
#[tokio::test]
async fn a_rollback_wins_against_promotions_at_the_same_moment() {
    let plan = RAMP.replace("for: 1s", "for: 1h").replace("gates:", "cool_down: 0s\n    gates:");
    let World { turnout, _old, new: _new, load } = world(&plan).await;
    load.stop().await;
    let rounds = if std::env::var_os("TURNOUT_LONG").is_some() { 1_000 } else { 40 };
    for round in 0..rounds {
        act(&turnout, "start").await;
        let ask = |action: &str| {
            let body = json!({"action": action, "why": "test"});
            turnout.try_control_send(ask("POST", "/v1/routes/sms/rollout").json(&body))
        };
        let (promote, back, end) = (ask("promote"), ask("abort"), ask("promote"));
        // Who is first changes from round to round.
        let back = if round % 3 == 0 {
            let (back, ..) = tokio::join!(back, promote, end);
            back
        } else if round % 3 == 1 {
            let (_, back, _) = tokio::join!(promote, back, end);
            back
        } else {
            let (.., back) = tokio::join!(promote, end, back);
            back
        };
        assert_eq!(back.unwrap().status, 200);
        assert_eq!(rollout(&turnout).await["phase"], "aborted", "round {round}");
        assert_eq!(turnout.route("sms").await["stage"], "off", "round {round}");
    }
}

#[tokio::test]
async fn a_plan_is_played_without_a_server() {
    let setup = Setup::new(&format!("{RAMP}{ROUTE}"));
    let setup = setup.upstream_as("old", r#"{targets: [{address: "127.0.0.1:1"}]}"#);
    let setup = setup.upstream_as("new", r#"{targets: [{address: "127.0.0.1:2"}]}"#);
    let file = setup.write().display().to_string();
    let simulate = ["rollout", "simulate", "ramp", "-f", &file, "-o", "json"];
    let story = crate::kit::turnout(&simulate).await.expect(0).json();
    assert_eq!(story[0]["ending"], "completed");
    assert_eq!(story[0]["moments"][1]["what"], WHOLE[1]);
    let bad = [&simulate[..], &["--candidate-error-rate", "60%"]].concat();
    assert_eq!(crate::kit::turnout(&bad).await.expect(0).json()[0]["ending"], "rolled back");
    let unknown = ["rollout", "simulate", "rampp", "-f", &file];
    assert!(crate::kit::turnout(&unknown).await.expect(1).stderr.contains("there is no rollout"));
}
