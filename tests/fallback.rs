//! Does stable serve what the candidate fails to? Only where the route says so, and only what may be done twice.

use serde_json::Value;

use crate::kit::{
    Fault, Origin, Reply, Setup, Turnout, ask, dead_address, eventually_some, origin, post,
    scripted, status,
};

async fn live(candidate: std::net::SocketAddr, more: &str) -> (Turnout, Origin) {
    let old = origin("old").await;
    let yaml = format!(
        "routes:\n  a: {{canonical: /a, stable: {{upstream: old}}, candidate: {{upstream: new}}, start: {{share: 100%}}{more}}}\n"
    );
    let setup = Setup::new(&yaml).upstream("old", old.address()).upstream("new", candidate);
    (setup.start().await, old)
}

const FALLBACK: &str = ", fallback: stable";

async fn candidate_sli(turnout: &Turnout, requests: u64) -> Value {
    eventually_some("the requests are counted", async || {
        let arm = turnout.route("a").await["sli"]["candidate"].clone();
        (arm["requests"] == requests).then_some(arm)
    })
    .await
}

#[tokio::test]
async fn stable_serves_safe_requests_that_the_candidate_fails_to() {
    for code in [502, 503, 504] {
        let new = scripted("new", move |_| status(code)).await;
        let (turnout, old) = live(new.address(), FALLBACK).await;
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            assert_eq!(
                turnout.send(ask(method, "/a")).await.expect(200).origin(),
                "old",
                "{method} {code}"
            );
        }
        // A POST may have been done already.
        turnout.send(post("/a", "x")).await.expect(code);
        assert_eq!((old.count(), new.count()), (5, 6));
        let sli = candidate_sli(&turnout, 6).await;
        assert_eq!(sli["errors"], 6, "a broken candidate is seen all the same: {sli}");
        assert_eq!(sli["fallbacks"], 5, "{sli}");
    }
}

#[tokio::test]
async fn stable_serves_when_the_candidate_cannot_be_reached() {
    let closing = scripted("new", |_| Reply::fault(Fault::Close)).await;
    let resetting = scripted("new", |_| Reply::fault(Fault::Reset)).await;
    for address in [dead_address(), closing.address(), resetting.address()] {
        let (turnout, old) = live(address, FALLBACK).await;
        for _ in 0..5 {
            assert_eq!(turnout.get("/a").await.expect(200).origin(), "old");
        }
        let failed = turnout.send(post("/a", "x")).await;
        assert!(failed.status.is_server_error(), "{failed:?}");
        assert_eq!(old.count(), 5);
        let sli = candidate_sli(&turnout, 6).await;
        assert_eq!(
            (sli["errors"].as_u64(), sli["fallbacks"].as_u64()),
            (Some(6), Some(5)),
            "{sli}"
        );
    }
}

#[tokio::test]
async fn a_put_that_falls_back_brings_its_body() {
    let new = scripted("new", |_| status(503)).await;
    let (turnout, old) = live(new.address(), FALLBACK).await;
    let body = vec![b'x'; 50_000];
    turnout.send(ask("PUT", "/a").body(body.clone())).await.expect(200);
    assert_eq!(old.requests()[0].body, body);
}

#[tokio::test]
async fn other_answers_of_the_candidate_are_the_clients() {
    let new = scripted("new", |request| status(request.query().parse().unwrap())).await;
    let (turnout, old) = live(new.address(), FALLBACK).await;
    for code in [200, 400, 404, 500, 501] {
        turnout.get(&format!("/a?{code}")).await.expect(code);
    }
    assert_eq!(old.count(), 0);
}

#[tokio::test]
async fn without_fallback_the_failure_is_the_clients() {
    let new = scripted("new", |_| status(503)).await;
    let (turnout, old) = live(new.address(), "").await;
    turnout.get("/a").await.expect(503);
    assert_eq!(old.count(), 0);

    let (turnout, old) = live(dead_address(), "").await;
    let answer = turnout.get("/a").await;
    assert!(answer.status.is_server_error());
    assert_eq!(old.count(), 0);
}

#[tokio::test]
async fn a_stable_that_fails_too_is_an_error() {
    let new = scripted("new", |_| status(503)).await;
    let (turnout, old) = live(new.address(), FALLBACK).await;
    old.behave(|_| status(500));
    assert_eq!(turnout.get("/a").await.expect(500).origin(), "old");
    old.behave(|_| Reply::fault(Fault::Close));
    turnout.get("/a").await.expect(502);
}
