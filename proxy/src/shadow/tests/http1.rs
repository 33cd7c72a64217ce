//! Which connection does a copy go out on?

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::Builder;
use rules::exchange::NotComparable;

use super::DEADLINE;
use super::origin::{Origin, Reply, json};
use crate::shadow::connect::{Connector, Tcp};
use crate::shadow::http1::{Http1, Lease};

fn client(origin: &Origin, longest: Duration) -> Arc<Http1> {
    let tcp = Tcp { address: origin.address.parse().unwrap() };
    Http1::new(Connector { tcp, tls: None, timeout: DEADLINE }, Builder::new(), (longest, 1))
}

fn request() -> Request<Full<Bytes>> {
    Request::get("/a?b").body(Full::default()).unwrap()
}

/// Asks, and reads the whole answer.
async fn ask(client: &Arc<Http1>) -> Lease {
    let (answer, lease) = client.send(request()).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "{}");
    lease
}

#[tokio::test]
async fn a_connection_is_used_again_once_its_answer_has_been_read() {
    let mut origin = Origin::start(|_| json("{}")).await;
    let client = client(&origin, DEADLINE);
    for _ in 0..3 {
        ask(&client).await.end();
        let host = format!("GET /a?b HTTP/1.1\r\nhost: {}\r\n\r\n", origin.address);
        assert_eq!(origin.request().await, host, "where nobody says another");
    }
    assert_eq!(origin.connections(), 1);
    drop(ask(&client).await);
    let (one, other) = (ask(&client).await, ask(&client).await);
    assert_eq!(origin.connections(), 3, "one was not given back, and two are in use");
    one.end();
    other.end();
    let _both = (ask(&client).await, ask(&client).await);
    assert_eq!(origin.connections(), 4, "no more wait than may");
}

#[tokio::test]
async fn what_was_closed_meanwhile_is_no_copys_fault() {
    let closing = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let origin = Origin::start(move |_| Reply::Cut(closing.to_owned())).await;
    let client = client(&origin, DEADLINE);
    for asked in 1..=20 {
        ask(&client).await.end();
        assert_eq!(origin.connections(), asked);
    }
}

#[tokio::test]
async fn nothing_is_used_that_has_waited_for_too_long() {
    let origin = Origin::start(|_| json("{}")).await;
    let client = client(&origin, Duration::ZERO);
    for asked in 1..=3 {
        ask(&client).await.end();
        assert_eq!(origin.connections(), asked);
    }
    while client.holds_any() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_not_answered_is_told() {
    let origin = Origin::start(|_| Reply::Cut("HTTP/1.1 200".to_owned())).await;
    let lost = client(&origin, DEADLINE).send(request()).await.map(drop);
    assert_eq!(lost, Err(NotComparable::ShadowTruncated));
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let connector = Connector { tcp: Tcp { address }, tls: None, timeout: DEADLINE };
    let nobody = Http1::new(connector, Builder::new(), (DEADLINE, 1));
    assert_eq!(nobody.send(request()).await.map(drop), Err(NotComparable::ShadowConnect));
}
