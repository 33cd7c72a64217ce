//! One request and what came of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;

use super::plan::Protocol;
use super::wire::wire;

/// A request to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// Header fields. `host` may be among them; else it is the target's address.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Call {
    /// A request without headers or body.
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// A GET.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// The same with one more header field.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with a body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn to_request(&self, base: &str) -> Result<Request<Full<Bytes>>, http::Error> {
        let uri = format!("{base}{}", self.path);
        let mut request = Request::builder().method(&self.method).uri(uri);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone()))
    }
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Failure {
    /// The call is no valid request.
    Unsendable,
    /// No connection, or it broke before the head of the answer.
    Connection,
    /// The answer broke off.
    Truncated,
    /// It took longer than the plan allows.
    Timeout,
}

/// What came of one request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Which request of this load, from 0.
    pub number: u64,
    /// What was sent.
    pub call: Call,
    /// The status, or why there is none.
    pub status: Result<StatusCode, Failure>,
    /// The answer's headers; empty without an answer.
    pub headers: HeaderMap,
    /// The answer's body; empty without an answer.
    pub body: Bytes,
    /// From the moment the request was due (open loop) or sent (closed loop) to the end of the answer.
    pub latency: Duration,
    /// When it was sent.
    pub sent: Instant,
}

impl Answer {
    /// A header's first value, when it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Who answered, as told by `x-origin`.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.header("x-origin")
    }

    /// Whether it was answered with a status below 400.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status.is_ok_and(|status| status.as_u16() < 400)
    }
}

/// Sends one request over a connection of its own and waits for what comes of it, at most `within`.
pub async fn ask(target: SocketAddr, call: Call, within: Duration) -> Answer {
    let sent = Instant::now();
    let outcome = match wire(Protocol::Http1, None) {
        Ok(wire) => wire.send(target, &call, within).await,
        Err(_) => Failure::Unsendable.into(),
    };
    outcome.answering(0, call, sent, sent.elapsed())
}

/// Head and body of an answer, or why there are none.
pub(super) struct Outcome {
    pub(super) status: Result<StatusCode, Failure>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Outcome {
    pub(super) fn answering(
        self,
        number: u64,
        call: Call,
        sent: Instant,
        latency: Duration,
    ) -> Answer {
        let Self { status, headers, body } = self;
        Answer { number, call, status, headers, body, latency, sent }
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self { status: Err(failure), headers: HeaderMap::new(), body: Bytes::new() }
    }
}
