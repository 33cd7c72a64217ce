//! What happens when targets fail? Sick ones are left out, retries and load are bounded, and nothing is done twice.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::kit::{
    Answer, Fault, Gate, Memory, Origin, Recorded, Reply, Setup, Turnout, ask, dead_address,
    eventually, get, origin, post, sample, scripted, status,
};

const A: &str = "routes:\n  a: {canonical: /a, stable: {upstream: api}}\n";
/// For tests of one protection that another would come before.
const NO_EJECTION: &str = ", passive: {max_ejected: 0%}";
const NO_BREAKER: &str = ", breaker: {failures: 100%}";

fn pool(targets: &[SocketAddr], more: &str) -> String {
    let targets: Vec<String> =
        targets.iter().map(|address| format!("{{address: \"{address}\"}}")).collect();
    format!("{{targets: [{}]{more}}}", targets.join(", "))
}

async fn serving(targets: &[SocketAddr], more: &str) -> Turnout {
    Setup::new(A).upstream_as("api", &pool(targets, more)).start().await
}

async fn metric(turnout: &Turnout, name: &str, label: &str) -> u64 {
    let value = sample(&turnout.metrics().await, name, &[label]);
    // All that is looked at here are counts.
    value.unwrap_or_else(|| panic!("no {name} {label}")).to_string().parse().unwrap()
}

async fn log_says(turnout: &Turnout, text: &str) {
    eventually(text, async || turnout.output().contains(text)).await;
}

/// Sends requests at the same time; their answers come once all are there.
fn together(turnout: &Turnout, count: usize) -> JoinSet<Answer> {
    let mut answers = JoinSet::new();
    for _ in 0..count {
        let (client, proxy) = (turnout.client.clone(), turnout.proxy());
        answers.spawn(async move { client.send(proxy, get("/a")).await.unwrap() });
    }
    answers
}

fn unwell(request: &Recorded, code: u16) -> Reply {
    if request.path() == "/health" { status(200) } else { status(code) }
}

#[tokio::test]
async fn a_target_that_answers_500_is_ejected_and_comes_back() {
    let (good, sick) = (origin("good").await, scripted("sick", |_| status(500)).await);
    let turnout = serving(&[good.address(), sick.address()], ", passive: {ejection: 2s}").await;
    let target = format!("target=\"{}\"", sick.address());
    let mut failed = 0;
    eventually("the sick one is left out", async || {
        failed += u32::from(turnout.get("/a").await.status == 500);
        metric(&turnout, "turnout_target_ejections_total", &target).await > 0
    })
    .await;
    assert_eq!(failed, 5, "five in a row");
    assert_eq!(metric(&turnout, "turnout_target_up", &target).await, 0);
    sick.behave(|_| status(200));
    eventually("it is asked again", async || turnout.get("/a").await.origin() == "sick").await;
    assert_eq!(metric(&turnout, "turnout_target_up", &target).await, 1);
    assert_eq!(metric(&turnout, "turnout_target_ejections_total", &target).await, 1);
    log_says(&turnout, "a target fails and is left out").await;
}

/// That its connection has served before does not make it one that went stale.
#[tokio::test]
async fn a_target_that_stops_answering_is_ejected() {
    let sick = scripted("sick", |_| status(200)).await;
    let more = ", timeouts: {read: 100ms}, passive: {consecutive: 1, max_ejected: 100%}";
    let turnout = serving(&[sick.address()], more).await;
    turnout.get("/a").await.expect(200);
    sick.behave(|_| status(200).after(Duration::from_secs(60)));
    turnout.send(post("/a", "once")).await.expect(504);
    let target = format!("target=\"{}\"", sick.address());
    assert_eq!(metric(&turnout, "turnout_target_ejections_total", &target).await, 1);
}

#[tokio::test]
async fn no_target_is_ejected_for_what_clients_do_wrong() {
    let (one, two) = (origin("one").await, scripted("two", |_| status(404)).await);
    let turnout = serving(&[one.address(), two.address()], "").await;
    for _ in 0..40 {
        turnout.get("/a").await;
    }
    assert_eq!((one.count(), two.count()), (20, 20));
}

#[tokio::test]
async fn where_too_few_are_well_all_are_asked() {
    let health = ", health: {path: /health, interval: 50ms, unhealthy_after: 1, healthy_after: 1}";
    let mut targets = Vec::new();
    for name in ["a", "b", "c"] {
        targets.push(scripted(name, |_| status(503)).await);
    }
    let addresses: Vec<SocketAddr> = targets.iter().map(Origin::address).collect();
    let turnout = serving(&addresses, &format!("{health}{NO_BREAKER}")).await;
    let healthy = async || metric(&turnout, "turnout_target_up", "upstream=\"api\"").await;
    eventually("all are found sick", async || healthy().await == 0).await;
    for target in &targets {
        target.behave(|request| unwell(request, 204));
        target.forget();
    }
    // The checks that say otherwise come every 50 ms, but a request need not wait for them.
    turnout.get("/a").await.expect(204);
    eventually("all are well", async || healthy().await == 3).await;

    for target in &targets[1..] {
        target.behave(|_| status(503));
    }
    eventually("two are sick", async || healthy().await == 1).await;
    let asked = targets[1].requests().len();
    let is_asked = async || {
        turnout.get("/a").await;
        targets[1].requests().iter().skip(asked).any(|request| request.path() == "/a")
    };
    eventually("one of three is too few: the others are asked as well", is_asked).await;
}

#[tokio::test]
async fn a_check_may_be_a_connection_alone() {
    let api = scripted("api", |_| status(404)).await;
    let health = ", health: {tcp: true, interval: 50ms, unhealthy_after: 1, healthy_after: 1}";
    let dead = dead_address();
    let turnout = serving(&[api.address(), dead], health).await;
    let up = async |address| metric(&turnout, "turnout_target_up", &format!("{address}")).await;
    eventually("the dead one is found", async || up(dead).await == 0).await;
    assert_eq!(up(api.address()).await, 1);
    assert_eq!(api.count(), 0, "nothing was asked of it");
    let back = Origin::start_at(dead, "back", |_| status(200)).await.unwrap();
    eventually("it is back", async || up(dead).await == 1).await;
    eventually("and asked", async || turnout.get("/a").await.origin() == "back").await;
    drop(back);
}

#[tokio::test]
async fn a_slow_target_gets_fewer_requests() {
    let gate = Gate::closed();
    let slow = scripted("slow", {
        let gate = gate.clone();
        move |_| status(200).held_by(&gate)
    })
    .await;
    let fast = origin("fast").await;
    let turnout = serving(&[slow.address(), fast.address()], "").await;
    // One request waits there; whatever comes while it does goes to the other.
    let mut waiting = together(&turnout, 1);
    eventually("one target has a request", async || slow.count() + fast.count() == 1).await;
    if slow.count() == 0 {
        waiting = together(&turnout, 1);
        slow.was_asked(1).await;
    }
    for _ in 0..20 {
        assert_eq!(turnout.get("/a").await.expect(200).origin(), "fast");
    }
    assert_eq!(slow.count(), 1);
    let target = format!("target=\"{}\"", slow.address());
    assert_eq!(metric(&turnout, "turnout_target_in_flight", &target).await, 1);
    gate.open();
    waiting.join_all().await;
    let idle = async || metric(&turnout, "turnout_target_in_flight", &target).await == 0;
    eventually("nothing is in flight", idle).await;
}

#[tokio::test]
async fn retries_stay_within_their_budget() {
    const CLIENTS: usize = 20;
    let (broken, whole) = (Gate::closed(), Gate::closed());
    let resetting = scripted("resetting", {
        let broken = broken.clone();
        move |_| Reply::fault(Fault::Reset).held_by(&broken)
    })
    .await;
    let working = scripted("working", {
        let whole = whole.clone();
        move |_| status(200).held_by(&whole)
    })
    .await;
    let turnout =
        serving(&[resetting.address(), working.address()], &format!("{NO_EJECTION}{NO_BREAKER}"))
            .await;
    let mut answers = together(&turnout, CLIENTS);
    let all = async || resetting.count() + working.count() == 20;
    eventually("all are under way", all).await;
    let (failing, fine) = (resetting.count(), working.count());
    assert!((9..=11).contains(&failing), "{failing} by turns");
    // They fail at the same time, and those that are tried again are held.
    broken.open();
    let retries = async |result| {
        metric(&turnout, "turnout_retries_total", &format!("result=\"{result}\"")).await
    };
    let told = async || retries("over_budget").await + working.count() - fine == failing;
    eventually("each is tried again or refused", told).await;
    let retried = working.count() - fine;
    assert!((3..=7).contains(&retried), "20 % of at most 20, and 3: {retried}");
    whole.open();
    let (mut served, mut failed) = (0, 0);
    while let Some(answer) = answers.join_next().await {
        match answer.unwrap().status.as_u16() {
            200 => served += 1,
            502 => failed += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((served, failed), (fine + retried, failing - retried));
    eventually("they are counted", async || retries("answered").await == retried).await;
    assert_eq!(resetting.count(), failing, "nobody is tried a third time");
}

#[tokio::test]
async fn a_request_is_tried_twice_at_most_and_never_without_a_budget() {
    let mut targets = Vec::new();
    for name in ["a", "b", "c"] {
        targets.push(scripted(name, |_| Reply::fault(Fault::Reset)).await);
    }
    let addresses: Vec<SocketAddr> = targets.iter().map(Origin::address).collect();
    let count = || targets.iter().map(Origin::count).sum::<u64>();
    let turnout = serving(&addresses, "").await;
    turnout.get("/a").await.expect(502);
    assert_eq!(count(), 2);
    assert!(targets.iter().all(|target| target.count() < 2), "the second time somewhere else");

    let turnout = serving(&addresses, ", retry: {budget: 0%, min: 0}").await;
    turnout.get("/a").await.expect(502);
    assert_eq!(count(), 3);
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_again() {
    let more = format!("{NO_EJECTION}{NO_BREAKER}");
    for fault in [Fault::Reset, Fault::Close, Fault::Truncate] {
        let (one, two) = (
            scripted("one", move |_| Reply::fault(fault)).await,
            scripted("two", move |_| Reply::fault(fault)).await,
        );
        let count = || one.count() + two.count();
        let turnout = serving(&[one.address(), two.address()], &more).await;
        let send = async |ask| {
            let before = count();
            // A truncated answer is broken for the client, too.
            turnout.try_send(ask).await.ok();
            count() - before
        };
        let twice = if fault == Fault::Truncate { 1 } else { 2 };
        assert_eq!(send(post("/a", "x")).await, 1, "{fault:?}");
        assert_eq!(send(ask("PATCH", "/a").body("x")).await, 1, "{fault:?}");
        assert_eq!(send(get("/a")).await, twice, "{fault:?}");
        assert_eq!(send(ask("PUT", "/a").body("x")).await, twice, "{fault:?}");
        let keyed = post("/a", "x").header("idempotency-key", "7");
        assert_eq!(send(keyed).await, twice, "{fault:?}");
        let large = post("/a", vec![b'x'; 200_000]).header("idempotency-key", "8");
        assert_eq!(send(large).await, 1, "what is not kept cannot be sent again: {fault:?}");
    }
}

#[tokio::test]
async fn a_key_lets_a_post_be_tried_on_another_target() {
    let (broken, whole) =
        (scripted("broken", |_| Reply::fault(Fault::Reset)).await, origin("whole").await);
    let turnout = serving(&[broken.address(), whole.address()], NO_EJECTION).await;
    for n in 0..10 {
        let ask = post("/a", format!("body {n}")).header("idempotency-key", &format!("{n}"));
        assert_eq!(turnout.send(ask).await.expect(200).origin(), "whole");
        assert_eq!(whole.last().body, format!("body {n}"));
    }
    assert_eq!(whole.count(), 10);
}

#[tokio::test]
async fn a_request_that_is_tried_again_is_copied_once() {
    let (broken, whole) =
        (scripted("broken", |_| Reply::fault(Fault::Reset)).await, origin("whole").await);
    let copies = origin("copies").await;
    let yaml = "routes:\n  a: {canonical: /a, stable: {upstream: api}, candidate: {upstream: new}, start: {shadow: 100%}}\n";
    let turnout = Setup::new(yaml)
        .upstream_as("api", &pool(&[broken.address(), whole.address()], NO_EJECTION))
        .upstream("new", copies.address())
        .start()
        .await;
    for _ in 0..10 {
        assert_eq!(turnout.get("/a").await.expect(200).origin(), "whole");
    }
    assert!(broken.count() > 0);
    copies.was_asked(10).await;
    eventually("all are compared", async || turnout.route("a").await["parity"]["compared"] == 10)
        .await;
    assert_eq!(copies.count(), 10);
}

#[tokio::test]
async fn what_exceeds_max_connections_is_shed() {
    let gate = Gate::closed();
    let api = scripted("api", {
        let gate = gate.clone();
        move |_| status(200).held_by(&gate)
    })
    .await;
    let turnout = serving(&[api.address()], ", max_connections: 4").await;
    let waiting = together(&turnout, 4);
    api.was_asked(4).await;
    let shed = turnout.get("/a").await.expect(503);
    assert_eq!(shed.problem(), "overloaded");
    assert!(shed.header("retry-after").is_some());
    assert_eq!(metric(&turnout, "turnout_upstream_overflow_total", "connections").await, 1);
    gate.open();
    for answer in waiting.join_all().await {
        answer.expect(200);
    }
    turnout.get("/a").await.expect(200);
    assert_eq!(api.count(), 5);
}

#[tokio::test]
async fn the_breaker_opens_and_closes() {
    let api = scripted("api", |_| status(503)).await;
    let breaker = ", breaker: {min: 4, pause: 300ms}";
    let turnout = serving(&[api.address()], breaker).await;
    for _ in 0..4 {
        assert_eq!(turnout.get("/a").await.expect(503).origin(), "api");
    }
    let kept = turnout.get("/a").await.expect(503);
    assert_eq!(kept.problem(), "breaker_open");
    assert!(kept.header("retry-after").is_some());
    assert_eq!(api.count(), 4);
    log_says(&turnout, "its breaker opened").await;
    eventually("one request tries", async || {
        turnout.get("/a").await.expect(503);
        api.count() == 5
    })
    .await;
    assert_eq!(metric(&turnout, "turnout_upstream_breaker_open", "api").await, 1);
    api.behave(|_| status(200));
    eventually("it closes", async || turnout.get("/a").await.status == 200).await;
    assert_eq!(metric(&turnout, "turnout_upstream_breaker_open", "api").await, 0);
    for _ in 0..20 {
        turnout.get("/a").await.expect(200);
    }
}

#[tokio::test]
async fn stable_serves_while_the_candidates_breaker_is_open() {
    let (old, new) = (origin("old").await, scripted("new", |_| status(503)).await);
    let yaml = "routes:\n  a: {canonical: /a, stable: {upstream: old}, candidate: {upstream: new}, fallback: stable, start: {share: 100%}}\n";
    let turnout = Setup::new(yaml)
        .upstream("old", old.address())
        .upstream_as("new", &pool(&[new.address()], ", breaker: {min: 4, pause: 1h}"))
        .start()
        .await;
    for _ in 0..20 {
        assert_eq!(turnout.get("/a").await.expect(200).origin(), "old");
    }
    assert_eq!((new.count(), old.count()), (4, 20));
}

const CHECKED: &str =
    ", health: {path: /health, interval: 50ms, unhealthy_after: 1, healthy_after: 1, warm: 5}";

async fn swap(turnout: &Turnout, targets: &[&Origin]) {
    let targets: Vec<_> = targets
        .iter()
        .map(|target| json!({"address": target.address().to_string(), "weight": 1}))
        .collect();
    let body = json!({"targets": targets, "why": "w"});
    turnout.command("PUT", "/v1/upstreams/api/targets", body).await;
}

#[tokio::test]
async fn new_targets_are_checked_before_they_serve() {
    let old = origin("old").await;
    let turnout = serving(&[old.address()], CHECKED).await;
    old.was_asked(5).await;
    let new = scripted("new", |_| status(503)).await;
    swap(&turnout, &[&new]).await;
    // Checked more than once, and found wanting.
    new.was_asked(3).await;
    for _ in 0..20 {
        assert_eq!(turnout.get("/a").await.expect(200).origin(), "old");
    }
    assert_eq!(metric(&turnout, "turnout_upstream_standing_in", "api").await, 1);
    let asked = new.count();
    new.behave(|request| unwell(request, 200));
    eventually("they take over", async || turnout.get("/a").await.origin() == "new").await;
    let requests = new.requests();
    let checks = requests.iter().take_while(|request| request.path() == "/health").count();
    assert!(u64::try_from(checks).unwrap() >= asked + 5, "warmed by five answers in a row");
    let before = old.count();
    for _ in 0..20 {
        assert_eq!(turnout.get("/a").await.expect(200).origin(), "new");
    }
    let since = old.requests().split_off(usize::try_from(before).unwrap());
    assert!(since.iter().all(|request| request.path() == "/health"), "no request to the old one");
    log_says(&turnout, "new targets are well and take over").await;
    eventually("nothing stands in", async || {
        metric(&turnout, "turnout_upstream_standing_in", "api").await == 0
    })
    .await;
}

#[tokio::test]
async fn a_file_that_changes_targets_waits_for_them_too() {
    let (old, new) = (origin("old").await, origin("new").await);
    let setup = Setup::new(A).upstream_as("api", &pool(&[old.address()], CHECKED));
    let turnout = setup.start().await;
    old.was_asked(5).await;
    let gate = Gate::closed();
    new.behave({
        let gate = gate.clone();
        move |_| status(200).held_by(&gate)
    });
    turnout.setup().clone().upstream_as("api", &pool(&[new.address()], CHECKED)).write();
    new.was_asked(1).await;
    for _ in 0..20 {
        assert_eq!(turnout.get("/a").await.expect(200).origin(), "old");
    }
    gate.open();
    eventually("it takes over", async || turnout.get("/a").await.origin() == "new").await;
}

#[tokio::test]
async fn connections_of_the_old_definition_get_no_new_requests() {
    let api = origin("api").await;
    let turnout = serving(&[api.address()], "").await;
    let connection = async || {
        turnout.get("/a").await.expect(200);
        api.last().peer
    };
    let before = connection().await;
    assert_eq!(connection().await, before, "kept while nothing changes");
    let targets = json!([{"address": api.address().to_string(), "weight": 7}]);
    turnout
        .command("PUT", "/v1/upstreams/api/targets", json!({"targets": targets, "why": "w"}))
        .await;
    assert_ne!(connection().await, before);
}
