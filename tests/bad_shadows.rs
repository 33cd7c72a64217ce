//! Does a bad shadow hurt anybody? Dead, slow, silent, resetting ones; bounds and the breaker.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::kit::{
    Fault, Reply, Setup, dead_address, eventually, eventually_some, origin, scripted, status,
};
use crate::shadow::accounted;

/// A route with a shadow that is `bad` beside the same route without one, asked in turns.
async fn with_bad_shadow(bad: std::net::SocketAddr, outcomes: &[&str]) {
    let old = scripted("old", |_| Reply::json(&json!({"a": 1}))).await;
    let yaml = r#"
routes:
  with: {canonical: /with, stable: {upstream: old}, candidate: {upstream: bad}, start: {shadow: 100%}, shadow: {timeout: 300ms}}
  without: {canonical: /without, stable: {upstream: old}}
"#;
    let turnout = Setup::new(yaml)
        .upstream("old", old.address())
        .upstream_with("bad", bad, "{connect: 300ms}")
        .start()
        .await;
    let mut waits = [Vec::new(), Vec::new()];
    for _ in 0..300 {
        for (path, waits) in ["/with", "/without"].into_iter().zip(&mut waits) {
            let asked = Instant::now();
            let answer = turnout.get(path).await.expect(200);
            waits.push(asked.elapsed());
            assert_eq!(answer.origin(), "old");
            assert_eq!(answer.json(), json!({"a": 1}));
        }
    }
    let [with, without] = waits.map(|mut waits| {
        waits.sort();
        waits[waits.len() * 99 / 100]
    });
    // The order of magnitude, with a floor for what a busy machine adds to either.
    let bound = (without * 10).max(Duration::from_millis(100));
    assert!(with <= bound, "p99 {with:?} with the shadow, {without:?} without");

    let parity = eventually_some("every exchange has its outcome", async || {
        let parity = turnout.route("with").await["parity"].clone();
        (accounted(&parity) == 300).then_some(parity)
    })
    .await;
    assert_eq!(parity["compared"], 0, "{parity}");
    for (reason, count) in parity["not_comparable"].as_object().unwrap() {
        assert!(*count == 0 || outcomes.contains(&reason.as_str()), "{parity}");
    }
}

#[tokio::test]
async fn a_dead_shadow_hurts_nobody() {
    with_bad_shadow(dead_address(), &["shadow_connect", "shed"]).await;
}

#[tokio::test]
async fn a_slow_shadow_hurts_nobody() {
    let slow = scripted("bad", |_| status(200).after(Duration::from_secs(3))).await;
    with_bad_shadow(slow.address(), &["shadow_timeout", "shed"]).await;
}

#[tokio::test]
async fn a_black_holed_shadow_hurts_nobody() {
    let hole = scripted("bad", |_| Reply::fault(Fault::BlackHole)).await;
    with_bad_shadow(hole.address(), &["shadow_timeout", "shed"]).await;
}

#[tokio::test]
async fn a_resetting_shadow_hurts_nobody() {
    let bad = scripted("bad", |_| Reply::fault(Fault::Reset)).await;
    with_bad_shadow(bad.address(), &["shadow_connect", "shadow_truncated", "shed"]).await;
}

#[tokio::test]
async fn a_shadow_that_breaks_off_hurts_nobody() {
    let bad = scripted("bad", |_| Reply::fault(Fault::Truncate)).await;
    with_bad_shadow(bad.address(), &["shadow_truncated", "shed"]).await;
}

#[tokio::test]
async fn a_shadow_whose_name_cannot_be_resolved_hurts_nobody() {
    let old = origin("old").await;
    let yaml = "routes:\n  a: {canonical: /a, stable: {upstream: old}, candidate: {upstream: gone}, start: {shadow: 100%}}\n";
    let turnout = Setup::new(yaml)
        .upstream("old", old.address())
        .upstream_as("gone", "{targets: [{address: \"no-such-host.invalid:80\"}]}")
        .start()
        .await;
    for _ in 0..20 {
        assert_eq!(turnout.get("/a").await.expect(200).origin(), "old");
    }
    eventually("every exchange has its outcome", async || {
        accounted(&turnout.route("a").await["parity"]) == 20
    })
    .await;
}

#[tokio::test]
async fn what_is_over_the_bounds_is_shed_and_counted() {
    let (old, slow) = (
        origin("old").await,
        scripted("slow", |_| status(200).after(Duration::from_secs(2))).await,
    );
    let yaml = "shadow: {max_in_flight: 2}\nroutes:\n  a: {canonical: /a, stable: {upstream: old}, candidate: {upstream: slow}, start: {shadow: 100%}, shadow: {timeout: 5s}}\n";
    let turnout = Setup::new(yaml)
        .upstream("old", old.address())
        .upstream("slow", slow.address())
        .start()
        .await;
    for _ in 0..30 {
        turnout.get("/a").await.expect(200);
    }
    eventually("copies over the bound are shed", async || {
        turnout.route("a").await["shadowed"]["shed"].as_u64().unwrap() >= 20
    })
    .await;
    assert!(slow.count() <= 10, "{} copies were sent", slow.count());
    assert!(
        turnout
            .metrics()
            .await
            .contains("turnout_shadow_requests_total{route=\"a\",result=\"shed\"}")
    );
}

#[tokio::test]
async fn a_failing_shadow_opens_the_breaker_and_closes_it_when_it_is_back() {
    let (old, new) = (origin("old").await, scripted("new", |_| Reply::fault(Fault::Close)).await);
    let yaml = "routes:\n  a: {canonical: /a, stable: {upstream: old}, candidate: {upstream: new}, start: {shadow: 100%}}\n";
    let turnout = Setup::new(yaml)
        .upstream("old", old.address())
        .upstream("new", new.address())
        .start()
        .await;
    eventually("the breaker opens", async || {
        turnout.get("/a").await.expect(200);
        turnout.route("a").await["shadowed"]["breaker_open"].as_u64().unwrap() > 0
    })
    .await;
    new.behave(|_| status(200));
    let answered = turnout.route("a").await["shadowed"]["answered"].as_u64().unwrap();
    eventually("copies are answered again", async || {
        turnout.get("/a").await.expect(200);
        turnout.route("a").await["shadowed"]["answered"].as_u64().unwrap() > answered
    })
    .await;
}
