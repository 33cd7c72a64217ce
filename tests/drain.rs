//! How does it leave? Not ready at once, nothing in flight is cut, and no longer than need be.

use std::time::{Duration, Instant};

use crate::kit::{
    Client, Gate, Memory, Origin, RawConnection, RawOrigin, Setup, Turnout, eventually, get,
    origin, status,
};

const A: &str = "routes:\n  a: {canonical: /a, stable: {upstream: api}, candidate: {upstream: api}, websockets: true}\n";

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
async fn an_idle_connection_is_told_with_its_next_answer() {
    let (mut turnout, api) = serving("30s").await;
    let mut idle = RawConnection::open(turnout.proxy()).await;
    idle.write("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").await;
    idle.read_answer().await;
    let gate = Gate::closed();
    let held = in_flight(&turnout, &api, &gate).await;
    turnout.signal("TERM");
    eventually("new connections are refused", async || {
        tokio::net::TcpStream::connect(turnout.proxy()).await.is_err()
    })
    .await;
    // It is not closed while something else is in flight: its client may be sending right now.
    api.behave(|_| status(200));
    idle.write("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (head, _) = idle.read_answer().await;
    assert!(head.starts_with("http/1.1 200") && head.contains("connection: close"), "{head}");
    assert_eq!(idle.read_to_end().await, "");
    gate.open();
    held.await.unwrap().unwrap().expect(200);
    assert_eq!(turnout.ended().await.code(), Some(0));
}

#[tokio::test]
async fn load_balancers_have_time_to_see_that_it_is_not_ready() {
    let api = origin("api").await;
    let setup = Setup::new(A).upstream("api", api.address()).draining("30s");
    let mut turnout = setup.with_line("drain_delay: 2s").start().await;
    let asked = Instant::now();
    turnout.signal("TERM");
    eventually("it is no longer ready", async || {
        let answer = turnout.client.send(turnout.status(), get("/readyz")).await;
        answer.is_ok_and(|answer| answer.status == 503)
    })
    .await;
    // Whoever has not seen that yet is served, and sent elsewhere.
    let answer = Client::new().send(turnout.proxy(), get("/a")).await.unwrap().expect(200);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(turnout.ended().await.code(), Some(0));
    assert!(asked.elapsed() >= Duration::from_millis(1_900), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn an_upgraded_connection_lasts_as_long_as_the_drain() {
    let mut api = RawOrigin::listen().await;
    let setup = Setup::new(A).upstream("api", api.address());
    let mut turnout = setup.draining("2s").start().await;
    let mut client = RawConnection::open(turnout.proxy()).await;
    client
        .write("GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n")
        .await;
    let mut upstream = api.accept_asked("GET /a").await;
    upstream
        .write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        .await;
    assert!(client.read_until("\r\n\r\n").await.contains(" 101 "));
    turnout.signal("TERM");
    eventually("new connections are refused", async || {
        tokio::net::TcpStream::connect(turnout.proxy()).await.is_err()
    })
    .await;
    client.write("ping\n").await;
    upstream.read_until("ping\n").await;
    upstream.write("pong\n").await;
    client.read_until("pong\n").await;
    assert_eq!(client.read_to_end().await, "");
    assert_eq!(turnout.ended().await.code(), Some(0));
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
