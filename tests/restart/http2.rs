//! How do clients of HTTP/2 hear that a process leaves? By GOAWAY, and what they have begun is finished.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::A;
use crate::kit::{Gate, Memory, Origin, Setup, Turnout, eventually, get, origin, status};

/// A server whose clients speak HTTP/2 without TLS.
async fn serving(more: &str) -> (Turnout, Origin) {
    let api = origin("api").await;
    let setup = Setup::new(A).upstream("api", api.address()).draining("20s");
    let text = setup.text();
    let text = format!("{more}{}", text.replacen("\"}]", "\", h2c: true}]", 1));
    std::fs::write(setup.file(), text).unwrap();
    let mut turnout = setup.spawn();
    turnout.ready().await;
    (turnout, api)
}

/// One connection of a client.
struct Connection {
    requests: SendRequest<Empty<Bytes>>,
    ends: JoinHandle<hyper::Result<()>>,
}

impl Connection {
    async fn open(turnout: &Turnout) -> Self {
        let stream = TokioIo::new(TcpStream::connect(turnout.proxy()).await.unwrap());
        let (requests, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
        Self { requests, ends: tokio::spawn(connection) }
    }

    /// A request under way; its status in the end.
    fn ask(&mut self) -> JoinHandle<hyper::Result<u16>> {
        let request = Request::get("http://h/a").body(Empty::new()).unwrap();
        let answer = self.requests.send_request(request);
        tokio::spawn(async move {
            let answer = answer.await?;
            let status = answer.status().as_u16();
            answer.into_body().collect().await?;
            Ok(status)
        })
    }
}

fn held(api: &Origin) -> Gate {
    let gate = Gate::closed();
    let behind = gate.clone();
    api.behave(move |_| status(200).held_by(&behind));
    gate
}

#[tokio::test]
async fn a_process_that_takes_over_finds_no_stream_lost() {
    let (mut old, api) = serving("").await;
    let mut idle = Connection::open(&old).await;
    assert_eq!(idle.ask().await.unwrap().unwrap(), 200);
    let gate = held(&api);
    let mut busy = Connection::open(&old).await;
    let answer = busy.ask();
    api.was_asked(2).await;
    let new = old.upgrade().await;
    idle.ends.await.unwrap().unwrap();
    assert!(!answer.is_finished() && !busy.ends.is_finished());
    gate.open();
    assert_eq!(answer.await.unwrap().unwrap(), 200);
    busy.ends.await.unwrap().unwrap();
    assert_eq!(old.ended().await.code(), Some(0));
    let mut next = Connection::open(&new).await;
    assert_eq!(next.ask().await.unwrap().unwrap(), 200);
}

#[tokio::test]
async fn a_connection_that_comes_while_it_is_not_ready_is_told_too() {
    let (mut turnout, api) = serving("drain_delay: 5s\n").await;
    turnout.signal("TERM");
    eventually("it is no longer ready", async || {
        let answer = turnout.client.send(turnout.status(), get("/readyz")).await;
        answer.is_ok_and(|answer| answer.status == 503)
    })
    .await;
    let mut late = Connection::open(&turnout).await;
    let answer = late.ask();
    late.ends.await.unwrap().unwrap();
    // It was taken or refused by GOAWAY; nothing in between.
    if let Ok(status) = answer.await.unwrap() {
        assert_eq!(status, 200);
    }
    assert!(api.count() <= 1);
    assert_eq!(turnout.ended().await.code(), Some(0));
}
