//! Are answers that say how they went only at their end the same? Trailers of real HTTP/2, as gRPC uses them.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::kit::{Connection, Sent, Setup, Turnout, eventually_some, post};
use crate::shadow::{accounted, lines};

/// A service over HTTP/2 without TLS that answers every call with one message, and the fields given after it.
struct Service {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Service {
    async fn start(trailers: &'static [(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let answer = move |request| answered(request, trailers);
                tokio::spawn(http2.serve_connection(TokioIo::new(stream), service_fn(answer)));
            }
        });
        Self { address, accepting }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answered(
    request: Request<Incoming>,
    trailers: &'static [(&'static str, &'static str)],
) -> Result<Response<Sent>, Infallible> {
    request.into_body().collect().await.ok();
    let (mut sender, body) = Channel::<Bytes>::new(1);
    tokio::spawn(async move {
        let message = sender.send_data(Bytes::from_static(b"\0\0\0\0\x02ok")).await;
        let mut fields = HeaderMap::new();
        for (name, value) in trailers {
            fields.insert(*name, value.parse().unwrap());
        }
        // Whoever went away does not mind.
        message.and(sender.send_trailers(fields).await).ok();
    });
    Ok(Response::builder().header("content-type", "application/grpc").body(body.boxed()).unwrap())
}

/// A node between two such services, all calls copied, and one call made.
async fn called(old: &Service, new: &Service) -> Turnout {
    let route = "routes:\n  a: {canonical: /a.Echo, stable: {upstream: old}, candidate: {upstream: new}, \
                 shadow: {methods: [POST]}, start: {shadow: 100%}}\n";
    let in_http2 = |service: &Service| {
        format!("{{targets: [{{address: \"{}\"}}], http2: true}}", service.address)
    };
    let setup = Setup::new(route).upstream_as("old", &in_http2(old));
    let turnout = setup.upstream_as("new", &in_http2(new)).with_h2c().start().await;
    let mut client = Connection::h2c(turnout.h2c()).await;
    let call = post("/a.Echo/Say", "\0\0\0\0\x02hi").header("te", "trailers");
    let call = call.header("content-type", "application/grpc");
    let answer = client.send(call).await.unwrap().expect(200);
    assert_eq!(answer.trailers["grpc-status"], "0", "the client's own answer");
    eventually_some("the call has its outcome", async || {
        (accounted(&turnout.route("a").await["parity"]) == 1).then_some(())
    })
    .await;
    turnout
}

#[tokio::test]
async fn another_status_of_grpc_is_a_difference_in_the_trailer() {
    let old = Service::start(&[("grpc-status", "0"), ("x-cost", "3")]).await;
    let new = Service::start(&[("grpc-status", "13"), ("grpc-message", "boom")]).await;
    let turnout = called(&old, &new).await;
    assert_eq!(
        lines(&turnout).await,
        ["trailer grpc-message extra -", "trailer grpc-status value -", "trailer x-cost missing -"]
    );
}

#[tokio::test]
async fn the_same_trailers_are_a_match() {
    let old = Service::start(&[("grpc-status", "0"), ("x-cost", "3")]).await;
    let new = Service::start(&[("x-cost", "3"), ("grpc-status", "0")]).await;
    let turnout = called(&old, &new).await;
    assert_eq!(lines(&turnout).await, [] as [&str; 0]);
    assert_eq!(turnout.route("a").await["parity"]["matched"], 1);
}
