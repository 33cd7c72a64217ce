//! What happens to connections that the old process has? Each goes on to its end, and no longer than the drain.

use std::time::{Duration, Instant};

use super::{A, serving};
use crate::kit::{
    Client, Gate, Memory, RawConnection, RawOrigin, Setup, eventually, get, status, within,
};

#[tokio::test]
async fn an_idle_connection_ends_with_its_next_answer() {
    let (mut old, _api) = serving("20s").await;
    let mut idle = RawConnection::open(old.proxy()).await;
    idle.write("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (head, _) = idle.read_answer().await;
    assert!(!head.contains("connection: close"), "{head}");
    let new = old.upgrade().await;
    // Longer than a connection that came at the last moment is waited for in any case.
    let left = within(Duration::from_secs(2), async || old.has_ended()).await;
    assert!(left.is_none(), "it left while a client might send on a connection of it");
    idle.write("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (head, body) = idle.read_answer().await;
    assert!(head.starts_with("http/1.1 200") && head.contains("connection: close"), "{head}");
    assert_eq!((&*body, &*idle.read_to_end().await), ("ok", ""));
    assert_eq!(old.ended().await.code(), Some(0));
    new.get("/a").await.expect(200);
}

#[tokio::test]
async fn kept_connections_of_operators_and_probes_end_with_their_next_answer() {
    let (old, _api) = serving("20s").await;
    let mut kept = Vec::new();
    for (address, path) in [(old.control(), "/v1/status"), (old.status(), "/readyz")] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut connection = RawConnection::open(address).await;
        connection.write(&request).await;
        let (head, _) = connection.read_answer().await;
        assert!(head.starts_with("http/1.1 200") && !head.contains("connection: close"), "{head}");
        kept.push((connection, request));
    }
    let _new = old.upgrade().await;
    eventually("it is told", async || old.output().contains("another process has taken over"))
        .await;
    for (mut connection, request) in kept {
        connection.write(&request).await;
        let (head, body) = connection.read_answer().await;
        assert!(head.starts_with("http/1.1 200") && head.contains("connection: close"), "{head}");
        assert!(body.contains("handed_over"), "{body}");
        assert_eq!(connection.read_to_end().await, "");
    }
    for _ in 0..20 {
        let answer = Client::new().send(old.control(), get("/v1/status")).await.unwrap();
        assert_eq!(answer.json()["phase"], "serving", "the old process still takes connections");
    }
}

#[tokio::test]
async fn what_is_in_flight_is_finished_by_the_process_that_began_it() {
    let (mut old, api) = serving("20s").await;
    let gate = Gate::closed();
    api.behave({
        let gate = gate.clone();
        move |_| status(200).held_by(&gate)
    });
    let (client, proxy) = (Client::new(), old.proxy());
    let held = tokio::spawn(async move { client.send(proxy, get("/a")).await });
    api.was_asked(1).await;
    let new = old.upgrade().await;
    assert!(old.has_ended().is_none());
    gate.open();
    assert_eq!(held.await.unwrap().unwrap().expect(200).origin(), "api");
    assert_eq!(old.ended().await.code(), Some(0));
    new.get("/a").await.expect(200);
}

#[tokio::test]
async fn an_upgraded_connection_goes_on_until_it_ends() {
    let mut api = RawOrigin::listen().await;
    let mut old = Setup::new(A).upstream("api", api.address()).draining("20s").start().await;
    let mut client = RawConnection::open(old.proxy()).await;
    client
        .write("GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n")
        .await;
    let mut upstream = api.accept_asked("GET /a").await;
    upstream
        .write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        .await;
    client.read_until("\r\n\r\n").await;
    let _new = old.upgrade().await;
    for n in 0..3 {
        client.write(format!("ping {n}\n")).await;
        upstream.read_until(&format!("ping {n}\n")).await;
        upstream.write(format!("pong {n}\n")).await;
        client.read_until(&format!("pong {n}\n")).await;
    }
    assert!(old.has_ended().is_none());
    drop(client);
    upstream.read_to_end().await;
    assert_eq!(old.ended().await.code(), Some(0));
}

#[tokio::test]
async fn an_upgraded_connection_is_cut_off_when_the_drain_is_over() {
    let mut api = RawOrigin::listen().await;
    let mut old = Setup::new(A).upstream("api", api.address()).draining("1s").start().await;
    let mut client = RawConnection::open(old.proxy()).await;
    client
        .write("GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n")
        .await;
    let mut upstream = api.accept_asked("GET /a").await;
    upstream
        .write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        .await;
    client.read_until("\r\n\r\n").await;
    let _new = old.upgrade().await;
    assert_eq!(client.read_to_end().await, "");
    assert_eq!(old.ended().await.code(), Some(0));
    old.output().complete().await;
    assert!(old.output().contains("\"cut_off\":1"), "{}", old.output().text());
}

#[tokio::test]
async fn a_signal_to_the_old_process_ends_only_that_one() {
    let (mut old, _api) = serving("20s").await;
    let _idle = {
        let mut idle = RawConnection::open(old.proxy()).await;
        idle.write("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").await;
        idle.read_answer().await;
        idle
    };
    let new = old.upgrade().await;
    let asked = Instant::now();
    old.signal("TERM");
    assert_eq!(old.ended().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    new.get("/a").await.expect(200);
    assert_eq!(new.view("/v1/status").await["phase"], "serving");
}
