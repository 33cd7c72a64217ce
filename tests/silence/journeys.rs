//! Which ways are there for a value to come in? Every path through the proxy and the control API, and every way to fail.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::marks::Marks;
use crate::kit::{Ask, RawConnection, RawOrigin, Turnout, ask};

/// Fields that clients send, with values of all kinds.
const FIELDS: [(&str, &str); 14] = [
    ("authorization", "Bearer {}"),
    ("cookie", "session={}; {}=1"),
    ("x-api-key", "{}"),
    ("x-custom", "{}"),
    ("user-agent", "Mozilla/5.0 ({})"),
    ("referer", "https://shop.example.org/{}?{}"),
    ("accept", "text/{}"),
    ("x-forwarded-for", "{}, 10.0.0.1"),
    ("forwarded", "for={}"),
    ("x-consumer-username", "{}"),
    ("traceparent", "00-{}-1"),
    ("tracestate", "a={}"),
    // A well-formed one is an id, and in the access log.
    ("x-request-id", "not an id {}"),
    ("idempotency-key", "{}"),
];

/// A request with a value in every part of it.
pub(super) fn full(marks: &mut Marks, method: &str, path: &str) -> Ask {
    let target = marks.fill("a path or query", &format!("{path}/{{}}/x?{{}}={{}}&tenant={{}}"));
    let fields = FIELDS.iter().fold(ask(method, &target), |asking, (name, template)| {
        asking.header(name, &marks.fill(name, template))
    });
    let named = marks.put("the name of a field");
    let asking = fields
        .header(&format!("x-{named}"), "1")
        .host(&marks.fill("a host", "{}.example.org"))
        .tenant(&marks.put("a tenant"));
    match method {
        "POST" | "PUT" => {
            let body = json!({marks.put("a body's key"): marks.put("a body"), "list": [marks.put("a body")]});
            asking.json(&body)
        }
        _ => asking,
    }
}

/// Every route, once per method; whatever comes of it.
pub(super) async fn through_every_route(turnout: &Turnout, marks: &mut Marks, routes: &[&str]) {
    for path in routes {
        for method in ["GET", "POST"] {
            // No answer at all is one of the ways to fail.
            drop(turnout.try_send(full(marks, method, path)).await);
        }
    }
}

/// Heads and bodies that are refused by the gate, by what comes after it, and by nobody.
const RAW: [&str; 44] = [
    "{}",
    "{}\r\n\r\n",
    "\0{}\r\n\r\n",
    "GET /{} HTTP/1.1\n{}: {}\n\n",
    "GET /{}?{}\r\n\r\n",
    "GET /{} {} HTTP/1.1\r\nHost: {}\r\n\r\n",
    "GET /{} HTTP/1.{}\r\nHost: {}\r\n\r\n",
    "GET /{} HTTP/3.0\r\nHost: {}\r\n\r\n",
    "{} /{} HTTP/1.1\r\nHost: {}\r\n\r\n",
    "TRACE /{} HTTP/1.1\r\nHost: {}\r\n\r\n",
    "CONNECT {}:443 HTTP/1.1\r\nHost: {}\r\n\r\n",
    "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n",
    "GET ftp://{}/{} HTTP/1.1\r\nHost: {}\r\n\r\n",
    "GET http://{}/{} HTTP/1.1\r\nHost: {}\r\n\r\n",
    "GET http://{}@h/{} HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /{}\"<> HTTP/1.1\r\nHost: {}\r\n\r\n",
    "GET /{}\u{e9} HTTP/1.1\r\nHost: {}\r\n\r\n",
    "GET /{} HTTP/1.1\r\nHost: {}\r\nHost: {}\r\n\r\n",
    "GET /{} HTTP/1.1\r\nHost: {}/{}\r\n\r\n",
    "GET /{} HTTP/1.1\r\nX: {}\r\n\r\n",
    "GET /{} HTTP/1.1\r\nHost: {}\r\n{}\r\n\r\n",
    "GET /{} HTTP/1.1\r\nHost: {}\r\n{} : {}\r\n\r\n",
    "GET /{} HTTP/1.1\r\nHost: {}\r\nA: {}\r\n {}\r\n\r\n",
    "GET /{} HTTP/1.1\r\nHost: {}\r\nA: {}\0{}\r\n\r\n",
    "GET /{} HTTP/1.1\r\nHost: {}\r\nTransfer_Encoding: {}\r\n\r\n",
    "GET /{} HTTP/1.1\r\nHost: {}\r\nX_Tenant_Id: {}\r\n\r\n",
    "GET /{} HTTP/1.1\r\nHost: {}\r\nConnection: authorization, {}\r\n\r\n",
    "GET /{} HTTP/1.1\r\nHost: {}\r\nExpect: {}\r\n\r\n",
    "GET /{} HTTP/1.1\r\nHost: {}\r\nUpgrade: {}\r\nUpgrade: {}\r\n\r\n",
    "GET /{} HTTP/1.1\r\nHost: {}\r\nContent-Length: 5\r\n\r\n{}",
    "POST /{} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{}",
    "POST /{} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "POST /{} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: {}\r\n\r\n{}",
    "POST /plain/{} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n{}\r\n{}\r\n",
    "POST /plain/{} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}{}\r\n0\r\n\r\n",
    "POST /plain/{} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n9;{}\n{}\r\n0\r\n\r\n",
    "POST /plain/{} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}\r\n0\r\nHost: {}\r\n\r\n",
    "POST /plain/{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n9;x={}\r\n{}\r\n0\r\nX-Sum: {}\r\n\r\n",
    "GET /plain/{}//{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
    "GET /plain/%2f{}/..;/%00{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
    "GET /plain/%zz{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
    "GET /plain/{} HTTP/1.0\r\nX-A: {}\r\n\r\n",
    "GET /plain/{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nVia: 1.1 turnout, 1.1 turnout, 1.1 turnout, 1.1 turnout ({})\r\n\r\n",
    "GET /plain/{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nX-Tenant-Id: {}\r\nX-Tenant-Id: {}\r\n\r\n",
];

/// Bytes that a client writes itself, to any of the ports; half of them are left hanging in the middle.
pub(super) async fn in_raw_bytes(turnout: &Turnout, ports: [SocketAddr; 2], marks: &mut Marks) {
    for template in RAW {
        let bytes = marks.fill("raw bytes", template);
        let whole = bytes.as_bytes();
        for (port, bytes) in [
            (ports[0], whole),
            (ports[1], whole),
            (turnout.proxy(), whole),
            (turnout.control(), whole),
            (turnout.status(), whole),
            (turnout.proxy(), &whole[..whole.len() * 2 / 3]),
        ] {
            let mut client = TcpStream::connect(port).await.unwrap();
            // It may be refused before all of it is sent, and then the rest is nobody's.
            client.write_all(bytes).await.unwrap_or_default();
            client.shutdown().await.unwrap_or_default();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap_or_default();
        }
    }
}

/// The same in HTTP/2: good requests to every route, and heads that are refused once they are decoded.
pub(super) async fn over_http2(port: SocketAddr, marks: &mut Marks, routes: &[&str]) {
    let stream = TokioIo::new(TcpStream::connect(port).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    for path in routes {
        for (name, template) in [
            ("x-custom", "{}"),
            ("authorization", "Bearer {}"),
            ("cookie", "a={}"),
            ("x_tenant_id", "{}"),
            ("te", "{}"),
            ("expect", "{}"),
        ] {
            let uri =
                marks.fill("a URI in HTTP/2", &format!("http://{{}}.example.org{path}/{{}}?{{}}"));
            let body = Full::new(Bytes::from(marks.put("a body in HTTP/2")));
            let request =
                Request::post(uri).header(name, marks.fill("a field in HTTP/2", template));
            // No answer at all is one of the ways to fail.
            let answered = sender.send_request(request.body(body).unwrap()).await;
            if let Ok(answer) = answered {
                drop(answer.into_body().collect().await);
            }
        }
    }
    connection.abort();
    let mut client = TcpStream::connect(port).await.unwrap();
    let frames = marks.fill("frames", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\u{9}{}{}{}");
    client.write_all(frames.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    client.read_to_end(&mut Vec::new()).await.unwrap_or_default();
}

/// Names that are asked for when TLS begins, by a client that trusts nobody.
pub(super) async fn over_tls(port: SocketAddr, marks: &mut Marks) {
    for _ in 0..10 {
        let name = marks.fill("a name in TLS", "{}.example.org").try_into().unwrap();
        let trusting_nobody =
            ClientConfig::builder().with_root_certificates(RootCertStore::empty());
        let mut tls =
            ClientConnection::new(Arc::new(trusting_nobody.with_no_client_auth()), name).unwrap();
        let mut hello = Vec::new();
        tls.write_tls(&mut hello).unwrap();
        let mut client = TcpStream::connect(port).await.unwrap();
        client.write_all(&hello).await.unwrap();
        client.write_all(marks.put("bytes after a hello").as_bytes()).await.unwrap_or_default();
        client.shutdown().await.unwrap_or_default();
        client.read_to_end(&mut Vec::new()).await.unwrap_or_default();
    }
}

/// Answers of an upstream that are broken, or broken off, with values in them.
const ANSWERS: [&str; 16] = [
    "{}\r\n\r\n",
    "HTTP/1.1 {} OK\r\n\r\n",
    "HTTP/9.9 200 {}\r\n\r\n",
    "HTTP/1.1 200 {}\r\nX-{}: {}\r\nConnection: close\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\n{}\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: {}\0{}\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\nSet-Cookie: {}\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\nX-A: {}\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-A: {}\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: {}\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}\r\n{}",
    "HTTP/1.1 204 {}\r\nContent-Length: 9\r\n\r\n{}",
    "HTTP/1.1 101 {}\r\nUpgrade: {}\r\n\r\n{}",
    "HTTP/1.1 103 {}\r\nLink: {}\r\n\r\nHTTP/1.1 500 {}\r\nContent-Length: 9\r\n\r\n{}",
    "HTTP/1.1 302 Found\r\nLocation: http://{}/{}?{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
];

pub(super) async fn from_a_broken_upstream(
    turnout: &Turnout,
    marks: &mut Marks,
    raw: &mut RawOrigin,
) {
    for template in ANSWERS {
        let request = marks.fill(
            "a request to a broken upstream",
            "POST /raw/{}?{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nX-A: {}\r\nContent-Length: 9\r\n\r\n{}",
        );
        let mut client = RawConnection::open(turnout.proxy()).await;
        client.write(request).await;
        let mut arm = raw.accept_asked("POST /raw").await;
        arm.write(marks.fill("a broken answer", template)).await;
        drop(arm);
        client.read_to_end().await;
    }
}

/// Messages over an upgraded connection, both ways, and its sudden end.
pub(super) async fn over_an_upgrade(turnout: &Turnout, marks: &mut Marks, raw: &mut RawOrigin) {
    let request = marks.fill(
        "an upgrade",
        "GET /raw/{}?{} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {}\r\nSec-WebSocket-Protocol: {}\r\n\r\n",
    );
    let mut client = RawConnection::open(turnout.proxy()).await;
    client.write(request).await;
    let mut arm = raw.accept_asked("GET /raw").await;
    let agreed = "HTTP/1.1 101 {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-A: {}\r\n\r\n";
    arm.write(marks.fill("an upgrade", agreed)).await;
    client.read_until("\r\n\r\n").await;
    for _ in 0..5 {
        let (ping, pong) = (marks.put("a message"), marks.put("a message"));
        client.write(&ping).await;
        arm.read_until(&ping).await;
        arm.write(&pong).await;
        client.read_until(&pong).await;
    }
    drop(arm);
    client.read_to_end().await;
}

/// What operators may get wrong. None of it becomes a command, so none of it is anybody's to see.
pub(super) async fn to_the_control_api(turnout: &Turnout, marks: &mut Marks) {
    let shift = "/v1/routes/plain/shift";
    for (method, path, body) in [
        ("POST", shift, "{\"share\": \"{}\", \"why\": \"{}\"}"),
        ("POST", shift, "{\"share\": \"5%\", \"{}\": \"{}\", \"why\": \"{}\"}"),
        ("POST", shift, "{\"share\": \"5%\", \"cohort\": \"{}\", \"why\": \"{}\"}"),
        ("POST", shift, "{\"share\": \"5%\", \"tenant\": \"{} {}\", \"why\": \"{}\"}"),
        ("POST", shift, "{}"),
        ("POST", "/v1/routes/{}/shift", "{\"share\": \"5%\", \"why\": \"{}\"}"),
        ("POST", "/v1/routes/{}/rollback", "{\"why\": \"{}\"}"),
        ("POST", "/v1/revisions/{}/restore", "{\"why\": \"{}\"}"),
        ("POST", "/v1/revisions/999999/restore", "{\"why\": \"{}\"}"),
        ("PUT", "/v1/upstreams/{}/targets", "{\"targets\": [], \"why\": \"{}\"}"),
        (
            "PUT",
            "/v1/upstreams/old/targets",
            "{\"targets\": [{\"address\": \"{}\"}], \"why\": \"{}\"}",
        ),
        ("PUT", "/v1/tenants/{}%20{}/lock", "{\"mode\": \"blocked\", \"why\": \"{}\"}"),
        ("PUT", "/v1/tenants/acme/lock", "{\"mode\": \"{}\", \"why\": \"{}\"}"),
        ("POST", "/v1/config?why={}", "{}: {}\nroutes: {{}: {canonical: \"{}\"}}\n"),
        ("POST", "/v1/config?why={}", "upstreams: {a: {targets: [{address: \"{}\"}]}}\nroutes: {}"),
        ("POST", "/v1/config?why={}", "a: [\"{}\", {"),
        ("GET", "/v1/{}?{}={}", ""),
        ("GET", "/v1/routes/{}", ""),
        ("GET", "/v1/routes/plain/signatures?{}={}", ""),
        ("GET", "/v1/revisions?limit={}", ""),
        ("{}", "/v1/status", ""),
    ] {
        let method = if method == "{}" { "PURGE" } else { method };
        let path = marks.fill("a path of the API", path);
        let body = marks.fill("a body to the API", body);
        let kind = if path.contains("config") { "application/yaml" } else { "application/json" };
        let mut asking = ask(method, &path).header("content-type", kind).body(body);
        for (name, template) in [
            ("authorization", "Bearer {}"),
            ("cookie", "token={}"),
            ("x-turnout-actor", "{}"),
            ("idempotency-key", "{}"),
            ("if-none-match", "\"{}\""),
            ("x-custom", "{}"),
        ] {
            asking = asking.header(name, &marks.fill("a header to the API", template));
        }
        let answer = turnout.control_send(asking).await;
        let is_view = method == "GET" && answer.status == 200;
        assert!(is_view || answer.status.is_client_error(), "{method} {path}: {answer:?}");
    }
}
