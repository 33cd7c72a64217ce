//! Does every shape of HTTP/1 pass? Chunked bodies, answers that never end, expectations, upgrades, old versions.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::kit::{Memory, Origin, RawConnection, RawOrigin, Setup, Turnout, all, origin};

const A: &str = "routes:\n  a: {canonical: /a, stable: {upstream: api}, candidate: {upstream: api}, start: {shadow: 100%}, shadow: {methods: [GET, POST]}, websockets: true}\n";

async fn before(api: std::net::SocketAddr) -> Turnout {
    Setup::new(A).upstream("api", api).start().await
}

async fn recorded() -> (Turnout, Origin) {
    let api = origin("api").await;
    (before(api.address()).await, api)
}

#[tokio::test]
async fn a_chunked_request_arrives_whole() {
    let (turnout, api) = recorded().await;
    let mut connection = RawConnection::open(turnout.proxy()).await;
    connection.write("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for chunk in ["5\r\nhello\r\n", "6;x=y\r\n world\r\n", "0\r\n\r\n"] {
        connection.write(chunk).await;
    }
    let (head, _body) = connection.read_answer().await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    // The request itself and its copy.
    api.was_asked(2).await;
    for request in api.requests() {
        assert_eq!(&*request.body, b"hello world");
    }
}

#[tokio::test]
async fn a_body_that_waits_for_permission_is_asked_for() {
    let (turnout, api) = recorded().await;
    let mut connection = RawConnection::open(turnout.proxy()).await;
    connection
        .write("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        .await;
    let interim = connection.read_until("\r\n\r\n").await;
    assert!(interim.starts_with("HTTP/1.1 100"), "{interim}");
    connection.write("hello").await;
    let (head, _body) = connection.read_answer().await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(&*api.requests()[0].body, b"hello");
}

#[tokio::test]
async fn an_old_client_gets_its_answer_and_the_end() {
    let (turnout, api) = recorded().await;
    let mut connection = RawConnection::open(turnout.proxy()).await;
    connection.write("GET /a?x=1 HTTP/1.0\r\n\r\n").await;
    let answer = connection.read_to_end().await;
    assert!(answer.contains(" 200 "), "{answer}");
    assert_eq!(api.requests()[0].path_and_query, "/a?x=1");
}

#[tokio::test]
async fn a_whole_url_is_asked_for_by_its_path() {
    let (turnout, api) = recorded().await;
    let mut connection = RawConnection::open(turnout.proxy()).await;
    connection
        .write("GET http://shop.example.org/a?x=1 HTTP/1.1\r\nHost: shop.example.org\r\n\r\n")
        .await;
    let (head, _body) = connection.read_answer().await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let seen = &api.requests()[0];
    assert_eq!((&*seen.path_and_query, &*all(seen, "host")), ("/a?x=1", "shop.example.org"));
}

#[tokio::test]
async fn requests_that_two_readers_could_read_differently_are_refused() {
    let (turnout, api) = recorded().await;
    for request in [
        "GET /a HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "TRACE /a HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "nonsense\r\n\r\n",
    ] {
        let mut connection = RawConnection::open(turnout.proxy()).await;
        connection.write(request).await;
        let (head, body) = connection.read_answer().await;
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!((400..502).contains(&status), "{request:?}: {head}{body}");
    }
    assert_eq!(api.count(), 0);
}

/// The client reads each piece before the upstream sends the next: nothing is held back on the way.
#[tokio::test]
async fn an_answer_without_end_passes_as_it_comes() {
    let mut api = RawOrigin::listen().await;
    let turnout = before(api.address()).await;
    let mut client = RawConnection::open(turnout.proxy()).await;
    client.write("GET /a HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n").await;
    let mut upstream = api.accept_asked("GET /a").await;
    upstream.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.read_until("\r\n\r\n").await;
    for n in 0..5 {
        upstream.write(format!("8\r\ndata: {n}\n\r\n")).await;
        client.read_until(&format!("data: {n}\n")).await;
    }
    upstream.write("0\r\n\r\n").await;
    client.read_until("0\r\n\r\n").await;
    crate::kit::eventually("it is not taken for an answer to compare", async || {
        turnout.route("a").await["parity"]["not_comparable"]["stream"] == 1
    })
    .await;
}

#[tokio::test]
async fn a_route_that_serves_no_websockets_says_so() {
    let api = RawOrigin::listen().await;
    let yaml = "routes: {a: {canonical: /a, stable: {upstream: api}}}\n";
    let turnout = Setup::new(yaml).upstream("api", api.address()).start().await;
    let mut api = api;
    let mut connection = RawConnection::open(turnout.proxy()).await;
    connection
        .write("GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n")
        .await;
    let answer = connection.read_to_end().await;
    assert!(answer.contains(" 403 ") && answer.contains("websocket_not_served"), "{answer}");
    assert!(!api.was_asked_again().await, "it reached the service");
}

#[tokio::test]
async fn an_upgraded_connection_passes_both_ways_and_is_never_copied() {
    let mut api = RawOrigin::listen().await;
    let turnout = before(api.address()).await;
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
    let head = client.read_until("\r\n\r\n").await.to_lowercase();
    assert!(head.starts_with("http/1.1 101") && head.contains("upgrade: websocket"), "{head}");
    for n in 0..3 {
        client.write(format!("ping {n}\n")).await;
        upstream.read_until(&format!("ping {n}\n")).await;
        upstream.write(format!("pong {n}\n")).await;
        client.read_until(&format!("pong {n}\n")).await;
    }
    drop(client);
    upstream.read_to_end().await;
    assert!(!api.was_asked_again().await, "a copy of an upgraded connection");
}

/// How long an answer may be waited for says nothing of what a WebSocket's sides have to say.
#[tokio::test]
async fn an_upgraded_connection_may_be_silent() {
    const READ: Duration = Duration::from_millis(200);
    let mut api = RawOrigin::listen().await;
    let setup = Setup::new(A).upstream_with("api", api.address(), "{read: 200ms}");
    let turnout = setup.start().await;
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
    client.read_until("\r\n\r\n").await;
    tokio::time::sleep(READ * 4).await;
    upstream.write("at last\n").await;
    client.read_until("at last\n").await;
    client.write("indeed\n").await;
    upstream.read_until("indeed\n").await;
}

#[tokio::test]
async fn a_large_body_passes_before_it_is_complete() {
    let mut api = RawOrigin::listen().await;
    let turnout = before(api.address()).await;
    let mut client = RawConnection::open(turnout.proxy()).await;
    client.write("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n").await;
    client.write(vec![b'x'; 1_000_000]).await;
    let mut upstream = api.accept_asked("POST /a").await;
    upstream.read_exactly(1_000_000).await;
    client.write(vec![b'x'; 1_000_000]).await;
    upstream.read_exactly(1_000_000).await;
    upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let (_head, body) = client.read_answer().await;
    assert_eq!(body, "ok");
}

/// The head waits for what comes along with it: the target is woken once.
#[tokio::test]
async fn a_small_request_reaches_its_target_in_one_piece() {
    let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let all = "routes: {all: {canonical: /, stable: {upstream: api}}}";
    let turnout = Setup::new(all).upstream("api", api.local_addr().unwrap()).start().await;
    for length in [0, 10, 6_000] {
        let body = "x".repeat(length);
        let mut client = RawConnection::open(turnout.proxy()).await;
        let head = format!("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
        client.write(head + &body).await;
        let (mut upstream, _) = api.accept().await.unwrap();
        let mut piece = vec![0; 16_384];
        let read = upstream.read(&mut piece).await.unwrap();
        let text = String::from_utf8_lossy(&piece[..read]).into_owned();
        assert!(text.starts_with("POST /a HTTP/1.1\r\n"), "{text}");
        assert!(text.ends_with(&format!("\r\n\r\n{body}")), "{length}: {text}");
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        upstream.write_all(answer.as_bytes()).await.unwrap();
        let (_head, body) = client.read_answer().await;
        assert_eq!(body, "ok");
    }
}

/// The upstream answers before the upload is complete: the client hears it.
#[tokio::test]
async fn an_early_answer_is_passed_on() {
    let mut api = RawOrigin::listen().await;
    let turnout = before(api.address()).await;
    let mut client = RawConnection::open(turnout.proxy()).await;
    client.write("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc").await;
    let mut upstream = api.accept_asked("POST /a").await;
    upstream
        .write(
            "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig",
        )
        .await;
    let (head, body) = client.read_answer().await;
    assert!(head.starts_with("http/1.1 413"), "{head}");
    assert_eq!(body, "big");
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_and_keeps_its_length() {
    let mut api = RawOrigin::listen().await;
    let turnout = before(api.address()).await;
    let mut client = RawConnection::open(turnout.proxy()).await;
    client.write("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut upstream = api.accept_asked("HEAD /a").await;
    upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nX-A: 1\r\n\r\n").await;
    let head = client.read_until("\r\n\r\n").await.to_lowercase();
    assert!(head.contains("content-length: 1234") && head.contains("x-a: 1"), "{head}");
    // Not a byte of a body: the next answer begins right here.
    client.write("GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (next, _body) = client.read_answer().await;
    assert!(next.starts_with("http/1.1 404"), "{next}");
}
