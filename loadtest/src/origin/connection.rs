//! How does one connection of an origin go? Requests are read whole, recorded, answered or failed.

use std::error::Error;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::ledger::{Ledger, Recorded};
use super::reply::{Fault, Reply};

/// The longest request body that is taken; a longer one ends the connection.
const BODY_BOUND_BYTES: usize = 64 * 1024 * 1024;

/// What a request meets at an origin.
pub(super) struct Script {
    pub(super) name: HeaderValue,
    pub(super) behaviour: RwLock<Behaviour>,
    pub(super) ledger: Ledger,
}

pub(super) type Behaviour = Arc<dyn Fn(&Recorded) -> Reply + Send + Sync>;

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, script: Arc<Script>) {
    let service = service_fn(move |request| Box::pin(answer(request, peer, Arc::clone(&script))));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .max_headers(256)
        .serve_connection(TokioIo::new(stream), service);
    // Without hyper's own shutdown the socket is still ours here, for a fault to end it as it likes.
    let end = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let resets = end.is_err_and(|error| {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<Broken>());
        matches!(cause, Some(Broken::Reset))
    });
    if resets {
        let stream = connection.into_parts().io.into_inner();
        // Failing leaves a FIN where a RST was asked for: nothing else can be done about it.
        drop(stream.set_zero_linger());
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    script: Arc<Script>,
) -> Result<Response<AnswerBody>, Broken> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BOUND_BYTES).collect().await.map_err(Broken::Body)?;
    let recorded = script.ledger.record(Recorded {
        number: 0,
        at: Instant::now(),
        peer,
        method: head.method,
        path_and_query: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: head.headers,
        body: body.to_bytes(),
    });
    let behaviour = {
        let current = script.behaviour.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&*current)
    };
    let reply = behaviour(&recorded);
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    if let Some(gate) = &reply.gate {
        gate.pass().await;
    }
    respond(reply, script.name.clone()).await
}

async fn respond(reply: Reply, name: HeaderValue) -> Result<Response<AnswerBody>, Broken> {
    let body = match reply.fault {
        Some(Fault::Reset) => return Err(Broken::Reset),
        Some(Fault::Close) => return Err(Broken::Close),
        Some(Fault::BlackHole) => std::future::pending().await,
        Some(Fault::Truncate) => Either::Right(Half::of(&reply.body)),
        None => Either::Left(Full::new(reply.body)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response.headers_mut().entry(HeaderName::from_static("x-origin")).or_insert(name);
    Ok(response)
}

type AnswerBody = Either<Full<Bytes>, Half>;

/// Why a connection ends before its answer.
#[derive(Debug)]
enum Broken {
    Reset,
    Close,
    Truncated,
    Body(Box<dyn Error + Send + Sync>),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reset => "reset as scripted",
            Self::Close => "closed as scripted",
            Self::Truncated => "cut off as scripted",
            Self::Body(_) => "the request body did not arrive",
        })
    }
}

impl Error for Broken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Body(cause) => Some(cause.as_ref()),
            Self::Reset | Self::Close | Self::Truncated => None,
        }
    }
}

/// A body that announces its full length, sends half of it and breaks.
struct Half {
    first: Option<Bytes>,
    announced: u64,
    flushed: bool,
}

impl Half {
    fn of(body: &Bytes) -> Self {
        let first = body.slice(..body.len() / 2);
        Self { first: Some(first), announced: body.len() as u64, flushed: false }
    }
}

impl Body for Half {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if !self.flushed {
            // Hyper flushes what it has before it asks again.
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Broken::Truncated)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
