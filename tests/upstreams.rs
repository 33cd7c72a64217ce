//! Which target is asked? By weight, by health, and another one where the first cannot be had.

use std::collections::HashSet;
use std::sync::Mutex;

use serde_json::json;

use crate::kit::{
    Fault, Memory, Origin, Reply, Setup, Turnout, dead_address, eventually, get, http2_origin,
    origin, post, scripted, status,
};

const A: &str = "routes:\n  a: {canonical: /a, stable: {upstream: api}}\n";

async fn two_targets(more: &str) -> (Turnout, Origin, Origin) {
    let (one, two) = (origin("one").await, origin("two").await);
    let upstream = format!(
        "{{targets: [{{address: \"{}\"}}, {{address: \"{}\"}}]{more}}}",
        one.address(),
        two.address()
    );
    (Setup::new(A).upstream_as("api", &upstream).start().await, one, two)
}

#[tokio::test]
async fn targets_are_asked_by_their_weights() {
    let (turnout, one, two) = two_targets("").await;
    for (weights, expected) in [([1, 1], [100, 100]), ([3, 1], [150, 50]), ([0, 1], [0, 200])] {
        let before = [one.count(), two.count()];
        let targets = json!([
            {"address": one.address().to_string(), "weight": weights[0]},
            {"address": two.address().to_string(), "weight": weights[1]},
        ]);
        turnout
            .command("PUT", "/v1/upstreams/api/targets", json!({"targets": targets, "why": "w"}))
            .await;
        for _ in 0..200 {
            turnout.get("/a").await.expect(200);
        }
        let asked = [one.count() - before[0], two.count() - before[1]];
        assert!(asked[0].abs_diff(expected[0]) <= 2, "{weights:?}: {asked:?}");
        assert_eq!(asked[0] + asked[1], 200);
    }
}

#[tokio::test]
async fn unhealthy_targets_are_left_out_until_they_are_well() {
    let health = ", health: {path: /health, interval: 50ms, timeout: 1s, healthy_after: 1, unhealthy_after: 2}";
    let (turnout, good, sick) = two_targets(health).await;
    let healthy = async || {
        let targets = turnout.view("/v1/status").await["upstreams"][0]["targets"].clone();
        targets.as_array().unwrap().iter().filter(|target| target["healthy"] == true).count()
    };
    sick.behave(|_| status(500));
    eventually("the sick one is seen", async || healthy().await == 1).await;
    for _ in 0..20 {
        assert_eq!(turnout.get("/a").await.expect(200).origin(), "one");
    }
    // Where none is well, trying beats refusing.
    good.behave(|request| if request.path() == "/health" { status(500) } else { status(200) });
    eventually("both are seen", async || healthy().await == 0).await;
    sick.behave(|request| if request.path() == "/health" { status(500) } else { status(200) });
    turnout.get("/a").await.expect(200);

    for target in [&good, &sick] {
        target.behave(|_| status(200));
    }
    eventually("they are well again", async || healthy().await == 2).await;
    eventually("and asked again", async || turnout.get("/a").await.origin() == "two").await;
}

#[tokio::test]
async fn one_dead_target_of_two_is_not_seen_by_clients() {
    let alive = origin("alive").await;
    let targets = format!(
        "{{targets: [{{address: \"{}\"}}, {{address: \"{}\"}}]}}",
        dead_address(),
        alive.address()
    );
    let turnout = Setup::new(A).upstream_as("api", &targets).start().await;
    for n in 0..40 {
        // Nothing was sent to the dead one, so even a POST may try the other.
        let ask = if n % 2 == 0 { get("/a") } else { post("/a", "x") };
        turnout.send(ask).await.expect(200);
    }
    assert_eq!(alive.count(), 40);
}

/// An upstream that drops each connection at its second request, as servers do whose keepalive ends just then.
#[tokio::test]
async fn a_connection_that_went_stale_is_not_the_clients_problem() {
    let known = Mutex::new(HashSet::new());
    let stale = scripted("api", move |request| {
        let first = known.lock().unwrap().insert(request.peer);
        if first { status(200) } else { Reply::fault(Fault::Reset) }
    })
    .await;
    let turnout = Setup::new(A).upstream("api", stale.address()).start().await;
    for _ in 0..10 {
        turnout.get("/a").await.expect(200);
    }
}

#[tokio::test]
async fn targets_are_found_by_name() {
    let api = origin("api").await;
    let upstream = format!("{{targets: [{{address: \"localhost:{}\"}}]}}", api.address().port());
    let turnout = Setup::new(A).upstream_as("api", &upstream).start().await;
    // Ready means that names have been looked up.
    turnout.get("/a").await.expect(200);
}

#[tokio::test]
async fn an_upstream_can_be_spoken_to_in_http_2() {
    let api = http2_origin().await;
    let upstream = format!("{{targets: [{{address: \"{}\"}}], http2: true}}", api.address());
    let turnout = Setup::new(A).upstream_as("api", &upstream).start().await;
    for body in [Vec::new(), b"hello".to_vec(), vec![b'x'; 300_000]] {
        let answer =
            turnout.send(post("/a/x?y=1", body.clone()).host("api.example.org")).await.expect(200);
        assert_eq!(answer.header("x-version"), Some("HTTP/2.0"));
        assert_eq!(answer.header("x-target"), Some("/a/x?y=1"));
        assert_eq!(answer.header("x-authority"), Some("api.example.org"));
        assert!(answer.body == body);
    }
}

#[tokio::test]
async fn an_upstream_that_is_swapped_keeps_nothing_of_the_old_targets() {
    let (turnout, one, two) = two_targets("").await;
    for _ in 0..4 {
        turnout.get("/a").await.expect(200);
    }
    let only = json!([{"address": two.address().to_string(), "weight": 1}]);
    turnout.command("PUT", "/v1/upstreams/api/targets", json!({"targets": only, "why": "w"})).await;
    one.stop().await;
    for _ in 0..20 {
        assert_eq!(turnout.get("/a").await.expect(200).origin(), "two");
    }
    two.was_asked(22).await;
    let upstreams = turnout.view("/v1/upstreams").await;
    assert_eq!(upstreams[0]["targets"].as_array().unwrap().len(), 1, "{upstreams}");
}
