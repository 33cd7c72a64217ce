//! Do other systems have their say? Gates that ask Prometheus and JSON, over real sockets and TLS.

use std::net::SocketAddr;
use std::time::Duration;

use loadtest::origin::Recorded;
use serde_json::{Value, json};

use super::{ROUTE, World, act, history, reaches, rollout, world_of};
use crate::kit::{
    Authority, Gate, Origin, Reply, Setup, TlsOrigin, With, dead_address, eventually,
    eventually_some, sample, scripted, status,
};

const TOKEN: &str = "token-of-nobody-else";

/// What Prometheus answers where a query gives one value.
fn value(value: &str) -> Reply {
    Reply::json(&json!({
        "status": "success",
        "data": {"resultType": "vector", "result": [{"metric": {"job": "db"}, "value": [1.5, value]}]},
    }))
}

/// A step that waits for nothing but this gate, and then goes live.
fn plan(gate: &str, more: &str) -> String {
    format!(
        "
rollouts:
  ramp:
    steps: [{{canary: 25%, for: 1s}}, {{live: true, for: 1h}}]
    gates: {{error_rate: {{max: 20%}}, low_traffic: absolute_only, min_requests: 5, external: {gate}}}
    {more}
{ROUTE}"
    )
}

fn externals(url: &str, more: &str) -> String {
    format!("externals: {{db: {{url: \"{url}\"{more}}}}}\n")
}

const LAG: &str =
    r#"{lag: {ask: db, query: 'max(lag{job="db"})', max: 5, every: 1s, stale_after: 1m}}"#;

async fn started(setup: Setup) -> World {
    let world = world_of(setup).await;
    act(&world.turnout, "start").await;
    world
}

async fn asking(prometheus: &Origin, more: &str) -> World {
    let url = format!("http://{}/prometheus", prometheus.address());
    let text = externals(&url, ", bearer: {env: PROMETHEUS_TOKEN}") + &plan(LAG, more);
    started(Setup::new(&text).env("PROMETHEUS_TOKEN", TOKEN)).await
}

/// What a gate says, once it says this.
async fn says(world: &World, name: &str, grounds: &str) -> Value {
    eventually_some(&format!("{name} is {grounds}"), async || {
        let rollout = rollout(&world.turnout).await;
        let gates = rollout["gates"].as_array()?.clone();
        gates.into_iter().find(|gate| gate["gate"] == name && gate["grounds"] == grounds)
    })
    .await
}

async fn reaches_step(world: &World, step: u64) {
    eventually(&format!("step {step}"), async || rollout(&world.turnout).await["step"] == step)
        .await;
}

#[tokio::test]
async fn prometheus_lets_it_go_on_and_takes_it_back() {
    let prometheus = scripted("prometheus", |_| value("3")).await;
    let world = asking(&prometheus, "").await;
    reaches_step(&world, 2).await;
    let asked = prometheus.requests().pop().unwrap();
    assert_eq!(asked.path(), "/prometheus/api/v1/query");
    assert_eq!(asked.query(), "query=max%28lag%7Bjob%3D%22db%22%7D%29");
    assert_eq!(asked.header("authorization"), Some(&*format!("Bearer {TOKEN}")));
    let moved = history(&world.turnout).await.pop().unwrap();
    let evidence = moved["arguments"]["evidence"].as_array().unwrap();
    let lag = evidence.iter().find(|one| one["gate"] == "lag").unwrap();
    assert_eq!(
        (&lag["verdict"], &lag["figure"], &lag["limit"]),
        (&json!("pass"), &json!(3.0), &json!(5.0))
    );

    prometheus.behave(|_| value("7.5"));
    reaches(&world.turnout, "aborted").await;
    assert_eq!(world.turnout.route("sms").await["stage"], "off");
    let why = history(&world.turnout).await.pop().unwrap()["why"].as_str().unwrap().to_owned();
    assert_eq!(why, "a gate fails: lag external: unmet, 7.5 at a limit of 5");
    let metrics = world.turnout.metrics().await;
    let answered = [r#"external="db""#, r#"outcome="answered""#];
    assert!(sample(&metrics, "turnout_external_requests_total", &answered) >= Some(2.0));
    assert!(!world.turnout.output().text().contains(TOKEN) && !metrics.contains(TOKEN));
}

#[tokio::test]
async fn a_plan_may_hold_what_another_system_finds() {
    let prometheus = scripted("prometheus", |_| value("7")).await;
    let world = asking(&prometheus, "on_fail: hold").await;
    reaches(&world.turnout, "paused").await;
    assert_eq!(world.turnout.route("sms").await["share"], "25%", "people decide");
}

/// Whatever is wrong with the other system is no fault of the candidate, and no way on either.
#[tokio::test]
async fn without_an_answer_it_stays_where_it_is() {
    let prometheus = scripted("prometheus", |_| value("3").after(Duration::from_secs(3_600))).await;
    let elsewhere = scripted("elsewhere", |_| value("3")).await;
    let url = format!("http://{}", prometheus.address());
    let world = started(Setup::new(&(externals(&url, ", timeout: 200ms") + &plan(LAG, "")))).await;
    let note = async |expected: &str| {
        eventually(&format!("it says {expected:?}"), async || {
            let lag = says(&world, "lag", "no_answer").await;
            lag["verdict"] == "hold"
                && lag["note"].as_str().is_some_and(|note| note.contains(expected))
        })
        .await;
    };
    note("no answer within 200ms").await;
    let there = format!("http://{}/", elsewhere.address());
    prometheus.behave(move |_| status(302).with("location", &there));
    note("status 302").await;
    prometheus.behave(|_| Reply::text("x".repeat(70_000)));
    note("larger than 64KiB").await;
    prometheus.behave(|_| Reply::text("<html>"));
    note("not JSON").await;
    prometheus.behave(|_| value("NaN"));
    note("not a finite number").await;
    assert_eq!(elsewhere.count(), 0, "redirects are not followed");
    let shown = rollout(&world.turnout).await;
    assert_eq!((&shown["step"], &shown["phase"]), (&json!(1), &json!("running")));
    prometheus.behave(|_| value("3"));
    reaches_step(&world, 2).await;
}

#[tokio::test]
async fn a_plan_may_fail_without_an_answer() {
    let url = format!("http://{}", dead_address());
    let gate = LAG.replace("max: 5,", "max: 5, no_answer: fail,");
    let world = started(Setup::new(&(externals(&url, "") + &plan(&gate, "")))).await;
    reaches(&world.turnout, "aborted").await;
    let why = history(&world.turnout).await.pop().unwrap()["why"].as_str().unwrap().to_owned();
    assert!(why.contains("lag external: no_answer, it cannot be reached: "), "{why}");
}

/// Records of both systems are counted elsewhere; until they are equal it waits.
#[tokio::test]
async fn json_may_be_waited_for() {
    let gate = r#"{records: {ask: db, path: "/compare?of=sms", pointer: /records/difference, equals: 0, unmet: hold, every: 1s, stale_after: 1m}}"#;
    let difference = |difference: u64| {
        move |_: &Recorded| Reply::json(&json!({"records": {"difference": difference}}))
    };
    let ledger = scripted("ledger", difference(12)).await;
    let url = format!("http://{}", ledger.address());
    let world = started(Setup::new(&(externals(&url, "") + &plan(gate, "")))).await;
    let records = says(&world, "records", "unmet").await;
    assert_eq!((&records["verdict"], &records["figure"]), (&json!("hold"), &json!(12.0)));
    assert_eq!(ledger.requests().pop().unwrap().path_and_query, "/compare?of=sms");
    let shown = world.turnout.cli(&["rollout", "status", "sms"]).await.expect(0).stdout;
    let line = shown.lines().find(|line| line.starts_with("records")).unwrap();
    let columns: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(columns, ["records", "external", "hold", "-", "-", "12.0000", "0.0000"]);
    ledger.behave(difference(0));
    reaches_step(&world, 2).await;
}

const SAME: &str =
    r#"{same: {ask: db, path: /, pointer: /same, equals: true, every: 1s, stale_after: 1m}}"#;

async fn over_tls(address: SocketAddr, authority: &Authority, ca: &str) -> World {
    let text = externals(&format!("https://localhost:{}", address.port()), ca) + &plan(SAME, "");
    let setup = Setup::new(&text);
    authority.write(setup.folder(), "db.pem");
    started(setup).await
}

#[tokio::test]
async fn certificates_are_verified() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let certified = ours.certifies(&["localhost"]);
    let origin = TlsOrigin::saying(r#"{"same": true}"#, &certified, None).await;
    let good = over_tls(origin.address(), &ours, ", ca: {file: db.pem}").await;
    reaches_step(&good, 2).await;
    assert_eq!(origin.asked()[0].server_name.as_deref(), Some("localhost"));
    let stranger = TlsOrigin::saying(r#"{"same": true}"#, &certified, None).await;
    let bad = over_tls(stranger.address(), &other, ", ca: {file: db.pem}").await;
    eventually("it does not believe it", async || {
        let same = says(&bad, "same", "no_answer").await;
        same["note"].as_str().is_some_and(|note| note.contains("certificate"))
    })
    .await;
    assert_eq!(rollout(&bad.turnout).await["step"], 1);
    assert!(stranger.asked().is_empty(), "nothing was sent to somebody unknown");
}

/// A system that never answers is asked in the background: what fails meanwhile is taken back all the same.
#[tokio::test]
async fn a_slow_system_never_delays_a_rollback() {
    let gate = Gate::closed();
    let held = gate.clone();
    let prometheus = scripted("prometheus", move |_| value("3").held_by(&held)).await;
    let url = format!("http://{}", prometheus.address());
    let text = externals(&url, ", timeout: 60s") + &plan(LAG, "after: [{confirm: db, path: /go}]");
    let world = started(Setup::new(&text)).await;
    eventually("it is asked", async || prometheus.count() > 0).await;
    world.new.behave(|_| status(500));
    reaches(&world.turnout, "aborted").await;
    assert_eq!(world.turnout.route("sms").await["stage"], "off");
    gate.open();
}

/// The file may take a system away while a plan still asks it.
#[tokio::test]
async fn a_system_that_is_gone_is_waited_for() {
    let prometheus = scripted("prometheus", |_| status(500)).await;
    let world = asking(&prometheus, "").await;
    says(&world, "lag", "no_answer").await;
    let without = plan("{}", "");
    world.turnout.setup().rewritten(&without).write();
    eventually("it is gone", async || {
        let lag = says(&world, "lag", "no_answer").await;
        lag["note"] == "there is no external `db` any more"
    })
    .await;
    assert_eq!(rollout(&world.turnout).await["step"], 1);
}
