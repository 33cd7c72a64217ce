//! How does it leave? Not ready at once, nothing in flight is cut, and no longer than need be.

use std::time::{Duration, Instant};

use crate::kit::{Client, Gate, Memory, Origin, Setup, Turnout, eventually, get, origin, status};

const A: &str =
    "routes:\n  a: {canonical: /a, stable: {upstream: api}, candidate: {upstream: api}}\n";

async fn serving(drain: &'static str) -> (Turnout, Origin) {
    let api = origin("api").await;
    (Setup::new(A).upstream("api", api.address()).draining(drain).start().await, api)
}

/// A request that stays in flight until the gate opens.
async fn in_flight(
    turnout: &Turnout,
    api: &Origin,
    gate: &Gate,
) -> tokio::task::JoinHandle<Result<crate::kit::Answer, String>> {
    let gate = gate.clone();
    api.behave(move |_| status(200).held_by(&gate));
    let (client, proxy, before) = (Client::new(), turnout.proxy(), api.count());
    let request = tokio::spawn(async move { client.send(proxy, get("/a")).await });
    api.was_asked(before + 1).await;
    request
}

#[tokio::test]
async fn an_idle_node_leaves_at_once() {
    for signal in ["TERM", "INT"] {
        let (mut turnout, _api) = serving("30s").await;
        // A connection that is kept and idle is no reason to stay.
        turnout.get("/a").await.expect(200);
        let asked = Instant::now();
        turnout.signal(signal);
        assert_eq!(turnout.ended().await.code(), Some(0), "{signal}");
        assert!(asked.elapsed() < Duration::from_secs(3), "{signal}: {:?}", asked.elapsed());
    }
}

#[tokio::test]
async fn what_is_in_flight_is_finished_and_nothing_new_is_taken() {
    let (mut turnout, api) = serving("30s").await;
    let gate = Gate::closed();
    let held = in_flight(&turnout, &api, &gate).await;
    turnout.signal("TERM");
    eventually("it is no longer ready", async || {
        let answer = turnout.client.send(turnout.status(), get("/readyz")).await;
        answer.is_ok_and(|answer| answer.status == 503)
    })
    .await;
    eventually("new connections are refused", async || {
        tokio::net::TcpStream::connect(turnout.proxy()).await.is_err()
    })
    .await;
    assert!(turnout.has_ended().is_none(), "it left while a request was in flight");
    gate.open();
    let answer = held.await.unwrap().unwrap();
    assert_eq!((answer.status.as_u16(), answer.origin()), (200, "api"));
    let answered = Instant::now();
    assert_eq!(turnout.ended().await.code(), Some(0));
    assert!(answered.elapsed() < Duration::from_secs(3), "{:?}", answered.elapsed());
    turnout.output().complete().await;
    let id = answer.header("x-request-id").unwrap();
    assert!(turnout.output().contains(id), "the last request is not in the access log");
}

#[tokio::test]
async fn the_drain_has_an_end() {
    let (mut turnout, api) = serving("1s").await;
    let gate = Gate::closed();
    let held = in_flight(&turnout, &api, &gate).await;
    let asked = Instant::now();
    turnout.signal("TERM");
    assert_eq!(turnout.ended().await.code(), Some(0));
    assert!(asked.elapsed() >= Duration::from_millis(900), "{:?}", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    assert!(held.await.unwrap().is_err());
}

#[tokio::test]
async fn who_asks_twice_does_not_want_to_wait() {
    let (mut turnout, api) = serving("30s").await;
    let gate = Gate::closed();
    let held = in_flight(&turnout, &api, &gate).await;
    turnout.signal("INT");
    eventually("it is no longer ready", async || {
        let answer = turnout.client.send(turnout.status(), get("/readyz")).await;
        answer.is_ok_and(|answer| answer.status == 503)
    })
    .await;
    let asked = Instant::now();
    turnout.signal("INT");
    turnout.ended().await;
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert!(held.await.unwrap().is_err());
}

#[tokio::test]
async fn liveness_stays_while_it_drains() {
    let (turnout, api) = serving("30s").await;
    let gate = Gate::closed();
    let held = in_flight(&turnout, &api, &gate).await;
    turnout.signal("TERM");
    eventually("it is no longer ready", async || {
        turnout
            .client
            .send(turnout.status(), get("/readyz"))
            .await
            .is_ok_and(|answer| answer.status == 503)
    })
    .await;
    turnout.client.send(turnout.status(), get("/livez")).await.unwrap().expect(200);
    gate.open();
    held.await.unwrap().unwrap().expect(200);
}

#[tokio::test]
async fn a_node_that_left_can_be_started_again_in_its_place() {
    let (mut turnout, _api) = serving("10s").await;
    turnout.shift("a", "5%").await;
    turnout.signal("TERM");
    turnout.ended().await;
    let again = turnout.setup().clone().start().await;
    assert_eq!(again.route("a").await["share"], "5%");
}
