//! May clients take more than they should? Connections, sizes and time, as the file says and changes.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt;
use http_body_util::channel::Channel;

use crate::kit::{
    Connection, End, Fault, FrameConnection, Origin, RawConnection, RawOrigin, Reply, Setup,
    Turnout, block, eventually, faulty, frame, get, head, kind, origin, sample, scripted,
};

const A: &str = "routes:\n  a: {canonical: /a, stable: {upstream: api}}\n";
const GET: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
/// How long somebody waits who sends something piece by piece.
const PIECE_BY_PIECE: Duration = Duration::from_millis(20);
/// More than all buffers on the way hold together.
const LARGE: usize = 30_000_000;

async fn before(api: SocketAddr, limits: &str) -> Turnout {
    Setup::new(&format!("{limits}\n{A}")).upstream("api", api).with_h2c().start().await
}

async fn limited(limits: &str) -> (Turnout, Origin) {
    let api = origin("api").await;
    (before(api.address(), limits).await, api)
}

async fn count(turnout: &Turnout, name: &str, label: &str) -> f64 {
    sample(&turnout.metrics().await, name, &[label]).unwrap_or_else(|| panic!("no {name} {label}"))
}

async fn refused(turnout: &Turnout, reason: &str) -> f64 {
    count(turnout, "turnout_refused_requests_total", &format!("reason=\"{reason}\"")).await
}

async fn turned_away(turnout: &Turnout, reason: &str) -> f64 {
    count(turnout, "turnout_refused_connections_total", &format!("reason=\"{reason}\"")).await
}

/// A connection from an address of this machine that was let in, or not.
async fn let_in(turnout: &Turnout, last: u8) -> Option<RawConnection> {
    let mut client = RawConnection::from_address([127, 0, 0, last], turnout.proxy()).await;
    // Whoever is turned away may be so before anything is written.
    client.try_write(GET).await.unwrap_or_default();
    let status = client.status().await?;
    assert_eq!(status, 200);
    Some(client)
}

#[tokio::test]
async fn an_address_gets_so_many_connections_and_trusted_ones_as_many_as_they_like() {
    let (turnout, _api) = limited("limits: {connections_per_address: 2}").await;
    let first = let_in(&turnout, 2).await.unwrap();
    let _second = let_in(&turnout, 2).await.unwrap();
    for turned in 1..=3 {
        assert!(let_in(&turnout, 2).await.is_none());
        assert_eq!(turned_away(&turnout, "address").await, f64::from(turned));
    }
    let _other = let_in(&turnout, 3).await.unwrap();
    let mut trusted = Vec::new();
    for _ in 0..6 {
        trusted.push(let_in(&turnout, 1).await.unwrap());
    }
    drop(first);
    eventually("the place is free again", async || let_in(&turnout, 2).await.is_some()).await;
}

#[tokio::test]
async fn all_together_get_so_many_connections() {
    let (turnout, _api) = limited("limits: {connections: 4}").await;
    let mut open = Vec::new();
    for last in [1, 1, 2, 3] {
        open.push(let_in(&turnout, last).await.unwrap());
    }
    for last in [1, 4] {
        assert!(let_in(&turnout, last).await.is_none());
    }
    assert_eq!(turned_away(&turnout, "full").await, 2.0);
    assert_eq!(count(&turnout, "turnout_connections", "").await, 4.0);
    open.clear();
    eventually("there is room again", async || let_in(&turnout, 4).await.is_some()).await;
}

#[tokio::test]
async fn sizes_are_those_of_the_file_and_change_with_it() {
    let (turnout, api) = limited("").await;
    let mut open = RawConnection::open(turnout.proxy()).await;
    let target = format!("GET /a?{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(200));
    let fields = format!("GET /a HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(20));
    let bytes = format!("GET /a HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "x".repeat(300));
    let chunked = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let trailers = format!("{chunked}1\r\nx\r\n0\r\nA: {}\r\n\r\n", "x".repeat(100));
    let extension = format!("{chunked}1;a={}\r\nx\r\n0\r\n\r\n", "x".repeat(100));
    let all = [
        (&target, 414, "target_too_long"),
        (&fields, 431, "fields_too_large"),
        (&bytes, 431, "fields_too_large"),
        (&trailers, 431, "trailers_too_large"),
        (&extension, 400, "bad_chunk"),
    ];
    for (request, ..) in all {
        open.write(request).await;
        assert_eq!(open.status().await, Some(200), "{request}");
    }
    let smaller = "limits: {target: 100B, fields: 10, field_bytes: 200B, trailers: 50B, chunk_extension: 50B}";
    turnout.setup().rewritten(&format!("{smaller}\n{A}")).write();
    eventually("the file is taken", async || turnout.revision().await == 2).await;
    let came = api.count();
    // The one that is open already follows as well; what is refused ends it.
    let mut open = Some(open);
    for (request, status, code) in all {
        let mut client = match open.take() {
            Some(open) => open,
            None => RawConnection::open(turnout.proxy()).await,
        };
        client.write(request).await;
        let (head, body) = client.read_answer().await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{request}: {head}");
        assert!(body.contains(&format!("\"code\":\"{code}\"")), "{request}: {body}");
    }
    assert_eq!(api.count(), came);
    assert_eq!(refused(&turnout, "fields_too_large").await, 2.0);
    turnout.get("/a").await.expect(200);
}

#[tokio::test]
async fn a_head_must_be_complete_in_time() {
    let (turnout, api) = limited("timeouts: {head: 300ms}").await;
    for begun in ["G", "GET /a HTTP/1.1\r\nHost: h\r\nA"] {
        let mut client = RawConnection::open(turnout.proxy()).await;
        client.write(begun).await;
        let (head, body) = client.read_answer().await;
        assert!(head.starts_with("http/1.1 408") && head.contains("connection: close"), "{head}");
        assert!(body.contains("\"code\":\"head_timeout\""), "{body}");
        assert_eq!(client.read_to_end().await, "");
    }
    // Neither do bytes now and then help, nor that a request went well before.
    let mut client = RawConnection::open(turnout.proxy()).await;
    client.write(GET).await;
    assert_eq!(client.status().await, Some(200));
    client.write("GET /a HTTP/1.1\r\nHost: h\r\nA: ").await;
    let answer = client.ended_while_sending("b", PIECE_BY_PIECE).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(refused(&turnout, "head_timeout").await, 3.0);
    // Who speaks HTTP/2 has as long, for the first words and for each head.
    let silent = RawConnection::open(turnout.h2c()).await;
    silent.read_to_end().await;
    let mut half = FrameConnection::open(turnout.h2c()).await;
    half.write(&frame(kind::HEADERS, kind::END_STREAM, 1, [])).await.unwrap();
    assert_eq!(half.end_of(1).await, End::GoAway(1));
    assert_eq!(refused(&turnout, "head_timeout").await, 5.0);
    assert_eq!(api.count(), 1);
}

#[tokio::test]
async fn a_body_must_not_come_too_slowly() {
    let mut api = RawOrigin::listen().await;
    let limits = "limits: {body_rate: 1KiB}\ntimeouts: {body: 500ms}";
    let turnout = before(api.address(), limits).await;
    let begin = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";
    for silent in [false, true] {
        let mut client = RawConnection::open(turnout.proxy()).await;
        client.write(begin).await;
        let mut upstream = api.accept_asked("POST /a").await;
        let answer = if silent {
            client.read_to_end().await
        } else {
            client.ended_while_sending("x", PIECE_BY_PIECE).await
        };
        assert!(answer.starts_with("HTTP/1.1 408"), "silent: {silent}: {answer}");
        assert!(answer.contains("\"code\":\"slow_body\""), "{answer}");
        // The service is not left waiting for the rest.
        upstream.read_until_closed().await;
    }
    assert_eq!(refused(&turnout, "slow_body").await, 2.0);
    // Who is quick enough may take longer than that.
    let mut client = RawConnection::open(turnout.proxy()).await;
    client.write(begin).await;
    let mut upstream = api.accept_asked("POST /a").await;
    client.write(vec![b'x'; 99_000]).await;
    upstream.read_exactly(99_000).await;
    client.write(vec![b'x'; 1_000]).await;
    upstream.read_exactly(1_000).await;
    upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.status().await, Some(200));
}

#[tokio::test]
async fn a_body_in_http2_must_not_come_too_slowly_either() {
    let mut api = RawOrigin::listen().await;
    let limits = "limits: {body_rate: 1KiB}\ntimeouts: {body: 500ms, total: 2s}";
    let turnout = before(api.address(), limits).await;
    let mut client = Connection::h2c(turnout.h2c()).await;
    let (mut sender, body) = Channel::<bytes::Bytes>::new(1);
    let request = get("/a").of("http://h").unwrap().map(|_| body.boxed());
    let (mut head, body) = request.into_parts();
    head.method = http::Method::POST;
    let asking = tokio::spawn(async move {
        client.begin(http::Request::from_parts(head, body)).await.map(|answer| answer.status())
    });
    sender.send_data("x".into()).await.unwrap();
    let mut upstream = api.accept_asked("POST /a").await;
    let sending = tokio::spawn(async move {
        while sender.send_data("x".into()).await.is_ok() {
            tokio::time::sleep(PIECE_BY_PIECE).await;
        }
    });
    let answer = asking.await.unwrap();
    assert_eq!(answer.map(|status| status.as_u16()), Ok(408));
    upstream.read_until_closed().await;
    sending.abort();
    assert_eq!(refused(&turnout, "slow_body").await, 1.0);
}

async fn idle(turnout: &Turnout) {
    eventually("nothing is in flight", async || {
        count(turnout, "http_server_active_requests", "").await == 0.0
    })
    .await;
}

#[tokio::test]
async fn who_does_not_take_its_answer_is_cut_off() {
    let api = scripted("api", |_| Reply::text(vec![b'x'; LARGE])).await;
    let turnout = before(api.address(), "timeouts: {write: 300ms}").await;
    let mut client = RawConnection::open(turnout.proxy()).await;
    client.write(GET).await;
    client.read_until("\r\n\r\n").await;
    idle(&turnout).await;
    assert!(client.read_until_closed().await < LARGE);
    // In HTTP/2 windows say so.
    let mut client = FrameConnection::open_with(turnout.h2c(), &[0, 4, 0, 0, 0, 0]).await;
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/a")];
    client.write(&head(1, kind::WHOLE, &block(&fields))).await.unwrap();
    assert!(matches!(client.end_of(1).await, End::Reset(_)));
    idle(&turnout).await;
}

#[tokio::test]
async fn who_asks_for_nothing_is_closed_after_a_while() {
    let (turnout, api) = limited("timeouts: {idle: 1s}").await;
    let mut used = RawConnection::open(turnout.proxy()).await;
    used.write(GET).await;
    assert_eq!(used.status().await, Some(200));
    assert_eq!(used.read_to_end().await, "");
    assert_eq!(RawConnection::open(turnout.proxy()).await.read_to_end().await, "");
    let mut http2 = Connection::h2c(turnout.h2c()).await;
    http2.send(get("/a")).await.unwrap().expect(200);
    http2.closed().await;
    assert_eq!(api.count(), 2);
}

#[tokio::test]
async fn a_request_must_be_over_in_time() {
    let api = faulty("api", Fault::BlackHole).await;
    let turnout = before(api.address(), "timeouts: {total: 300ms}").await;
    let answer = turnout.get("/a").await.expect(504);
    assert_eq!(answer.problem(), "upstream_timeout");
    let mut http2 = Connection::h2c(turnout.h2c()).await;
    assert_eq!(http2.send(get("/a")).await.unwrap().expect(504).problem(), "upstream_timeout");
    idle(&turnout).await;
}
