//! Who asks over one connection of its own, in HTTP/1 or HTTP/2?

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::client::{Answer, Ask, Stream};

/// How long the whole of an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A body that a test sends.
pub(crate) type Sent = BoxBody<Bytes, Infallible>;

/// One connection; of HTTP/2, clones share it.
pub(crate) struct Connection {
    sender: Sender,
    /// The scheme and the authority that requests name in HTTP/2.
    whom: String,
}

enum Sender {
    Http1(http1::SendRequest<Sent>),
    Http2(http2::SendRequest<Sent>),
}

impl Connection {
    /// HTTP/2 by prior knowledge, to the host `h`.
    pub(crate) async fn h2c(to: SocketAddr) -> Self {
        Self::http2(TcpStream::connect(to).await.unwrap(), "http://h").await.unwrap()
    }

    pub(crate) async fn http1(stream: impl Stream) -> Result<Self, String> {
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| format!("{error:?}"))?;
        tokio::spawn(connection);
        Ok(Self { sender: Sender::Http1(sender), whom: String::new() })
    }

    pub(crate) async fn http2(stream: impl Stream, whom: &str) -> Result<Self, String> {
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| format!("{error:?}"))?;
        tokio::spawn(connection);
        Ok(Self { sender: Sender::Http2(sender), whom: whom.to_owned() })
    }

    /// Whether it speaks HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Sends a request, for the host that it names itself in HTTP/1, and waits for the whole answer.
    pub(crate) async fn send(&mut self, ask: Ask) -> Result<Answer, String> {
        let request = ask.of(&self.whom)?.map(BodyExt::boxed);
        let exchange = async { Answer::read(self.begin(request).await?).await };
        let answer = tokio::time::timeout(ANSWER_WITHIN, exchange).await;
        answer.map_err(|_elapsed| format!("no answer within {ANSWER_WITHIN:?}"))?
    }

    /// Sends a request of any form and waits for the head of its answer.
    pub(crate) async fn begin(
        &mut self,
        request: Request<Sent>,
    ) -> Result<Response<Incoming>, String> {
        let answer = match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await.map_err(|error| format!("{error:?}"))?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                sender.ready().await.map_err(|error| format!("{error:?}"))?;
                sender.send_request(request).await
            }
        };
        answer.map_err(|error| format!("{error:?}"))
    }

    /// The same connection in HTTP/2, for a request at the same time.
    pub(crate) fn another(&self) -> Self {
        let Sender::Http2(sender) = &self.sender else { panic!("HTTP/1 takes one at a time") };
        Self { sender: Sender::Http2(sender.clone()), whom: self.whom.clone() }
    }

    /// Waits until the other side has ended it.
    pub(crate) async fn closed(&mut self) {
        let closed = super::within(ANSWER_WITHIN, async || {
            let closed = match &self.sender {
                Sender::Http1(sender) => sender.is_closed(),
                Sender::Http2(sender) => sender.is_closed(),
            };
            closed.then_some(())
        });
        closed.await.expect("the connection stays open");
    }
}
