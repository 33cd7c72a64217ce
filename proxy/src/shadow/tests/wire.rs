//! What arrives at the other arm: its path, its headers, its protocol.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rules::exchange::{NotComparable, Outcome};
use rules::route::ShadowCredentials;
use rules::upstream::UpstreamTls;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;

use super::origin::{Origin, json};
use super::{Bench, answer, headers};
use crate::shadow::Original;
use crate::shadow::lanes::LANES;

fn post(bench: &Bench) -> Original {
    let mut original = bench.original();
    original.method = Method::POST;
    original.headers = headers(&[
        ("host", "api.example.org"),
        ("authorization", "Bearer secret"),
        ("cookie", "sid=1"),
        ("idempotency-key", "key-1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("content-length", "999"),
        ("transfer-encoding", "chunked"),
        ("connection", "keep-alive, X-Hop"),
        ("keep-alive", "timeout=5"),
        ("x-hop", "1"),
        ("expect", "100-continue"),
        ("te", "trailers"),
    ]);
    original
}

async fn arrived(bench: &mut Bench, origin: &mut Origin) -> String {
    let mut capture = bench.sender.begin(post(bench)).unwrap();
    for chunk in ["{\"to\":", "\"+1\"}"] {
        capture.request_chunk(&Bytes::from_static(chunk.as_bytes()));
    }
    capture.request_end();
    answer(capture, "{}");
    assert_eq!(bench.report().await.comparison.outcome, Outcome::Match);
    origin.request().await
}

#[tokio::test]
async fn a_copy_carries_what_it_should_and_no_more() {
    let mut origin = Origin::start(|_| json("{}")).await;
    let mut bench = Bench::new(&origin.address);
    let request = arrived(&mut bench, &mut origin).await;
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /v1/sms?page=2 HTTP/1.1"));
    let mut fields: Vec<&str> = lines.collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "authorization: Bearer secret",
            "content-length: 11",
            "cookie: sid=1",
            "host: api.example.org",
            "idempotency-key: key-1",
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "x-turnout-shadow: 1",
        ]
    );
    assert_eq!(body, "{\"to\":\"+1\"}");
}

#[tokio::test]
async fn credentials_stay_behind_where_the_route_says_so() {
    let mut origin = Origin::start(|_| json("{}")).await;
    let mut bench =
        Bench::new(&origin.address).policy(|policy| policy.credentials = ShadowCredentials::Strip);
    let request = arrived(&mut bench, &mut origin).await;
    assert!(!request.contains("secret") && !request.contains("sid=1"), "{request}");
    assert!(request.contains("idempotency-key: key-1"));
}

#[tokio::test]
async fn a_get_has_no_body_and_connections_are_used_again() {
    let mut origin = Origin::start(|_| json("{}")).await;
    let mut bench = Bench::new(&origin.address);
    for _ in 0..3 * LANES {
        bench.exchange("{}").await;
        assert!(!origin.request().await.contains("content-length"));
    }
    assert!(origin.connections() <= LANES, "{}", origin.connections());
}

/// What an HTTP/2 origin saw: the authority, and whether there was a Host beside it.
type Seen = Arc<Mutex<Vec<(String, bool)>>>;

async fn http2_origin() -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = Seen::default();
    let known = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = Arc::clone(&known);
            let service = service_fn(move |request: Request<Incoming>| {
                let authority = request.uri().authority().unwrap().to_string();
                let has_host = request.headers().contains_key("host");
                seen.lock().unwrap().push((authority, has_host));
                let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
                *response.headers_mut() = headers(&[("content-type", "application/json")]);
                async { Ok::<_, std::convert::Infallible>(response) }
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, seen)
}

#[tokio::test]
async fn http2_names_the_host_in_its_authority() {
    let (address, seen) = http2_origin().await;
    let mut bench = Bench::new(&address).upstream(|definition| definition.http2 = true);
    assert!(bench.exchange("{}").await.comparison.outcome.is_compared());
    assert_eq!(*seen.lock().unwrap(), [("api.example.org".to_owned(), false)]);
}

/// An origin that speaks TLS under the name `candidate.internal`, and its certificate.
fn tls_origin() -> (String, Vec<u8>) {
    use std::io::{Read, Write};
    let certified = rcgen::generate_simple_self_signed(["candidate.internal".to_owned()]).unwrap();
    let certificate = certified.cert.der().clone();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            let mut request = Vec::new();
            let mut buffer = [0; 1_024];
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(count @ 1..) => request.extend_from_slice(&buffer[..count]),
                    _ => break,
                }
            }
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                          connection: close\r\ncontent-length: 2\r\n\r\n{}";
            drop(stream.write_all(answer.as_bytes()));
            drop(stream.flush());
        }
    });
    (address, certificate.to_vec())
}

#[tokio::test]
async fn certificates_are_verified_as_the_upstream_says() {
    let (address, certificate) = tls_origin();
    let (_, other) = tls_origin();
    let roots = |root: &Vec<u8>| Some(Arc::new(vec![root.clone()]));
    let name = |name: &str| Some(Box::from(name));
    let verified = NotComparable::ShadowConnect;
    for (server_name, roots, skip_verify, expected) in [
        (name("candidate.internal"), roots(&certificate), false, Outcome::Match),
        (name("other.internal"), roots(&certificate), false, Outcome::NotComparable(verified)),
        (None, roots(&certificate), false, Outcome::NotComparable(verified)),
        (name("candidate.internal"), roots(&other), false, Outcome::NotComparable(verified)),
        (name("candidate.internal"), None, false, Outcome::NotComparable(verified)),
        (None, None, true, Outcome::Match),
    ] {
        let tls = UpstreamTls { server_name, roots, client: None, skip_verify };
        let case = format!("{:?} {skip_verify}", tls.server_name);
        let mut bench = Bench::new(&address).upstream(|definition| definition.tls = Some(tls));
        assert_eq!(bench.exchange("{}").await.comparison.outcome, expected, "{case}");
    }
}
