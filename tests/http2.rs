//! Do clients get the same service in HTTP/2 as in HTTP/1? Requests, streams, gRPC, and the same refusals.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame as BodyFrame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::kit::{
    Authority, Connection, End, FrameConnection, Memory, RawConnection, RawOrigin, Sent, Setup,
    TlsClient, Turnout, all, block, frame, get, head, http2_origin, kind, origin, post, sample,
};

const A: &str = "routes:\n  a: {canonical: /a, stable: {upstream: api}}\n";

async fn before(api: SocketAddr) -> Turnout {
    Setup::new(A).upstream("api", api).with_h2c().start().await
}

fn in_http2(api: SocketAddr) -> String {
    format!("{{targets: [{{address: \"{api}\"}}], http2: true}}")
}

#[tokio::test]
async fn requests_pass_to_services_of_both_versions_with_their_bodies() {
    let large = Bytes::from(vec![b'x'; 1_000_000]);
    let (old, new) = (origin("api").await, http2_origin().await);
    let routes = "routes:\n  a: {canonical: /a, stable: {upstream: old}}\n  b: {canonical: /b, stable: {upstream: new}}\n";
    let authority = Authority::new("ca");
    let setup = Setup::new(routes)
        .upstream("old", old.address())
        .upstream_as("new", &in_http2(new.address()))
        .with_tls("{certificates: [{cert: {file: a.pem}, key: {file: a.key}}]}");
    authority.certifies(&["a.example"]).write(setup.folder(), "a");
    let turnout = setup.with_h2c().start().await;
    let encrypted = TlsClient::trusting(&authority).open(turnout.tls(), "a.example").await.unwrap();
    for (mut client, host, proto) in
        [(Connection::h2c(turnout.h2c()).await, "h", "http"), (encrypted, "a.example", "https")]
    {
        assert!(client.is_http2());
        let answer = client.send(post("/a?x=1", large.clone())).await.unwrap().expect(200);
        assert_eq!(answer.origin(), "api");
        let seen = old.last();
        assert_eq!((&*seen.path_and_query, &seen.body), ("/a?x=1", &large));
        assert_eq!((&*all(&seen, "host"), &*all(&seen, "x-forwarded-proto")), (host, proto));
        let answer = client.send(post("/b?y=2", large.clone())).await.unwrap().expect(200);
        assert_eq!(
            (answer.header("x-version"), answer.header("x-target")),
            (Some("HTTP/2.0"), Some("/b?y=2"))
        );
        assert_eq!((answer.header("x-authority"), &answer.body), (Some(host), &large));
        let answer = client.send(get("/nowhere")).await.unwrap().expect(404);
        assert_eq!(answer.problem(), "no_route");
    }
}

#[tokio::test]
async fn many_streams_share_a_connection_and_none_is_mixed_up() {
    let api = origin("api").await;
    let turnout = before(api.address()).await;
    let client = Connection::h2c(turnout.h2c()).await;
    let mut answers = JoinSet::new();
    for n in 0..300 {
        let mut client = client.another();
        answers.spawn(async move {
            let body = format!("body {n} ").repeat(n % 40);
            let answer = client.send(post(&format!("/a?n={n}"), body.clone())).await.unwrap();
            let told = answer.expect(200).json();
            assert_eq!((&told["query"], &told["body"]), (&format!("n={n}").into(), &body.into()));
        });
    }
    answers.join_all().await;
    let connections = sample(&turnout.metrics().await, "turnout_connections", &[]).unwrap();
    assert_eq!(connections, 1.0);
    assert_eq!(api.count(), 300);
}

#[tokio::test]
async fn a_listener_for_http2_serves_nothing_else() {
    let api = origin("api").await;
    let turnout = before(api.address()).await;
    let mut http1 = RawConnection::open(turnout.h2c()).await;
    http1.write("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let answer = http1.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 505 "), "{answer}");
    assert!(answer.contains("\"code\":\"version_not_served\""), "{answer}");
    let mut upgrade = RawConnection::open(turnout.proxy()).await;
    // Nor is it begun on the other one, whichever way it is asked for.
    upgrade.write("GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n").await;
    let (head, _body) = upgrade.read_answer().await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let mut known = RawConnection::open(turnout.proxy()).await;
    known.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let answer = known.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 505") || answer.starts_with("HTTP/1.1 400"), "{answer}");
    // Who only looks whether somebody listens is nobody's fault.
    drop(RawConnection::open(turnout.h2c()).await);
    Connection::h2c(turnout.h2c()).await.send(get("/a")).await.unwrap().expect(200);
    assert!(!turnout.output().contains("handshake error"));
}

/// A service of gRPC: every message comes back, and the status after them.
struct Grpc {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Grpc {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let echo = |request| std::future::ready(Self::echo(request));
                tokio::spawn(http2.serve_connection(TokioIo::new(stream), service_fn(echo)));
            }
        });
        Self { address, accepting }
    }

    fn echo(request: Request<Incoming>) -> Result<Response<Sent>, Infallible> {
        let answer = Response::builder().header("content-type", "application/grpc");
        if request.uri().path().ends_with("/Fail") {
            let answer = answer.header("grpc-status", "5").header("grpc-message", "nobody");
            return Ok(answer.body(Full::default().boxed()).unwrap());
        }
        let te = request.headers().get("te").cloned();
        let (mut sender, body) = Channel::<Bytes>::new(1);
        tokio::spawn(async move {
            let mut messages = request.into_body();
            while let Some(Ok(message)) = messages.frame().await {
                if let Ok(message) = message.into_data() {
                    sender.send_data(message).await.unwrap();
                }
            }
            let mut status = HeaderMap::new();
            status.insert("grpc-status", HeaderValue::from_static("0"));
            status.insert("x-te", te.unwrap_or(HeaderValue::from_static("none")));
            sender.send_trailers(status).await.unwrap();
        });
        Ok(answer.body(body.boxed()).unwrap())
    }
}

impl Drop for Grpc {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A message with its prefix: not compressed, and its length.
fn message(text: &str) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes.into()
}

async fn before_grpc() -> (Turnout, Grpc) {
    let grpc = Grpc::start().await;
    let routes = "routes:\n  a: {canonical: /a.Echo, stable: {upstream: api}}\n";
    let setup = Setup::new(routes).upstream_as("api", &in_http2(grpc.address));
    (setup.with_h2c().start().await, grpc)
}

#[tokio::test]
async fn a_call_of_grpc_gets_its_message_and_its_status() {
    let (turnout, _grpc) = before_grpc().await;
    let mut client = Connection::h2c(turnout.h2c()).await;
    let ask = |method: &str| {
        let ask = post(&format!("/a.Echo/{method}"), message("hello")).header("te", "trailers");
        ask.header("content-type", "application/grpc")
    };
    let answer = client.send(ask("Say")).await.unwrap().expect(200);
    assert_eq!(answer.header("content-type"), Some("application/grpc"));
    assert_eq!(answer.body, message("hello"));
    assert_eq!(answer.trailers["grpc-status"], "0");
    assert_eq!(answer.trailers["x-te"], "trailers");
    // A status may come instead of everything else.
    let failed = client.send(ask("Fail")).await.unwrap().expect(200);
    assert_eq!(
        (failed.header("grpc-status"), failed.header("grpc-message")),
        (Some("5"), Some("nobody"))
    );
}

/// Each message comes back before the next is sent: nothing is held back on the way.
#[tokio::test]
async fn messages_of_grpc_stream_both_ways_before_the_status() {
    let (turnout, _grpc) = before_grpc().await;
    let mut client = Connection::h2c(turnout.h2c()).await;
    let (mut sender, body) = Channel::<Bytes>::new(1);
    sender.send_data(message("first")).await.unwrap();
    let request = Request::post("http://h/a.Echo/Chat")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body.boxed())
        .unwrap();
    let mut answer = client.begin(request).await.unwrap();
    let mut next = async || {
        let next = tokio::time::timeout(Duration::from_secs(20), answer.frame()).await;
        next.expect("nothing comes back").expect("it is over").unwrap()
    };
    assert_eq!(next().await.into_data().unwrap(), message("first"));
    for n in 0..20 {
        let text = message(&format!("message {n}"));
        sender.send_data(text.clone()).await.unwrap();
        assert_eq!(next().await.into_data().unwrap(), text);
    }
    drop(sender);
    let trailers: BodyFrame<Bytes> = next().await;
    assert_eq!(trailers.into_trailers().unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn copies_and_tenants_work_for_clients_of_http2() {
    let (old, new) = (origin("old").await, origin("new").await);
    let routes = "routes:\n  a: {canonical: /a, stable: {upstream: old}, candidate: {upstream: new}, tenant: {header: X-Tenant-Id}, \
                  shadow: {methods: [POST]}, start: {shadow: 100%}}\n";
    let setup = Setup::new(routes).upstream("old", old.address()).upstream("new", new.address());
    let turnout = setup.with_h2c().start().await;
    let mut client = Connection::h2c(turnout.h2c()).await;
    client.send(post("/a?x=1", "hello").tenant("acme")).await.unwrap().expect(200);
    new.was_asked(1).await;
    let copy = new.last();
    assert_eq!((&*copy.path_and_query, &*copy.body), ("/a?x=1", &b"hello"[..]));
    assert_eq!((all(&copy, "x-turnout-shadow"), all(&copy, "host")), ("1".into(), "h".into()));
    turnout.shift_tenant("a", "acme", "100%").await;
    let answer = client.send(post("/a", "hello").tenant("acme")).await.unwrap();
    assert_eq!(answer.origin(), "new");
    let answer = client.send(post("/a", "hello").tenant("other")).await.unwrap();
    assert_eq!(answer.origin(), "old");
}

/// The fields of a request to `/a` of a host `h`.
fn asked<'a>(
    method: &'a str,
    path: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let own = [(":method", method), (":scheme", "http"), (":authority", "h"), (":path", path)];
    [&own[..], more].concat()
}

/// What comes of a head: the code of its problem, else how its stream ends.
async fn outcome(turnout: &Turnout, fields: &[(&str, &str)], body: Option<&str>) -> String {
    let mut client = FrameConnection::open(turnout.h2c()).await;
    let flags = if body.is_some() { kind::END_HEADERS } else { kind::WHOLE };
    let mut bytes = head(1, flags, &block(fields));
    if let Some(body) = body {
        bytes.extend(frame(kind::DATA, kind::END_STREAM, 1, body));
    }
    client.write(&bytes).await.unwrap();
    let (end, told) = client.end_and_body_of(1).await;
    let code = told.split_once("\"code\":\"").and_then(|(_, rest)| rest.split_once('"'));
    code.map_or_else(|| format!("{end:?}"), |(code, _)| code.to_owned())
}

#[tokio::test]
async fn heads_are_refused_as_in_http1_and_reach_nobody() {
    let api = origin("api").await;
    let routes =
        "routes:\n  a: {canonical: /a, stable: {upstream: api}, tenant: {header: X-Tenant-Id}}\n";
    let turnout = Setup::new(routes).upstream("api", api.address()).with_h2c().start().await;
    let long = format!("/a?{}", "x".repeat(9_000));
    let large = "x".repeat(33_000);
    let reset = format!("{:?}", End::Reset(1));
    let (many, reset) = (vec![("a", "b"); 101], &*reset);
    for (fields, body, expected) in [
        (asked("GET", "/a", &[("transfer_encoding", "chunked")]), None, "look_alike_field"),
        (asked("GET", "/a", &[("x_tenant_id", "acme")]), None, "look_alike_field"),
        (asked("GET", "/a", &[("x.tenant.id", "acme")]), None, "look_alike_field"),
        (asked("GET", "/a|b", &[]), None, "bad_target"),
        (asked("GET", "/a\\b", &[]), None, "bad_target"),
        (asked("GET", &long, &[]), None, "target_too_long"),
        (asked("GET", "/a//b", &[]), None, "bad_path"),
        (asked("GET", "/a/%2e%2e%5cb", &[]), None, "bad_path"),
        (asked("GET", "/a", &many), None, "fields_too_large"),
        (asked("GET", "/a", &[("x-large", &large)]), None, "fields_too_large"),
        (asked("GET", "/a", &[("expect", "miracles")]), None, "bad_expectation"),
        (asked("GET", "/a", &[]), Some("body"), "body_not_allowed"),
        (asked("DELETE", "/a", &[]), Some("body"), "body_not_allowed"),
        (asked("TRACE", "/a", &[]), None, "method_not_served"),
        (asked("BREW", "/a", &[]), None, "method_not_served"),
        (asked("POST", "/a", &[("content-length", "4,4")]), Some("body"), reset),
        // What HTTP/2 itself forbids is told in its own way. (RFC 9113, section 8.1.1)
        (asked("POST", "/a", &[("content-length", "5")]), Some("body"), reset),
        (asked("POST", "/a", &[("content-length", "5")]), None, reset),
        (
            asked("POST", "/a", &[("content-length", "4"), ("content-length", "5")]),
            Some("body"),
            reset,
        ),
        (asked("GET", "/a", &[("transfer-encoding", "chunked")]), None, reset),
        (asked("GET", "/a", &[("connection", "x-tenant-id")]), None, reset),
        (asked("GET", "/a", &[("upgrade", "websocket")]), None, reset),
        (asked("GET", "/a", &[("te", "gzip")]), None, reset),
        (asked("GET", "/a b", &[]), None, reset),
        (asked("GET", "/a\r\nx: y", &[]), None, reset),
        (asked("GET", "http://h/a", &[]), None, reset),
        (asked("GET", "/a", &[("host", "other")]), None, "Answered"),
    ] {
        assert_eq!(outcome(&turnout, &fields, body).await, expected, "{fields:?}");
    }
    assert_eq!(api.count(), 0);
    let refused =
        sample(&turnout.metrics().await, "turnout_refused_requests_total", &["look_alike"]);
    assert_eq!(refused, Some(3.0));
    assert_eq!(outcome(&turnout, &asked("GET", "/a", &[]), None).await, "Answered");
    assert_eq!(api.count(), 1);
}

#[tokio::test]
async fn a_websocket_is_opened_over_tls() {
    let mut api = RawOrigin::listen().await;
    let authority = Authority::new("ca");
    let setup = Setup::new(&A.replace("stable:", "websockets: true, stable:"))
        .upstream("api", api.address())
        .with_tls("{certificates: [{cert: {file: a.pem}, key: {file: a.key}}]}");
    authority.certifies(&["a.example"]).write(setup.folder(), "a");
    let turnout = setup.with_h2c().start().await;
    let client = TlsClient::trusting(&authority).speaking("http/1.1");
    let stream = client.connect(turnout.tls(), Some("a.example")).await.unwrap();
    let mut client = RawConnection::of(stream);
    client
        .write("GET /a HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n")
        .await;
    let mut upstream = api.accept_asked("GET /a").await;
    let switch =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    upstream.write(switch).await;
    let head = client.read_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    for n in 0..3 {
        client.write(format!("ping {n}\n")).await;
        upstream.read_until(&format!("ping {n}\n")).await;
        upstream.write(format!("pong {n}\n")).await;
        client.read_until(&format!("pong {n}\n")).await;
    }
}
