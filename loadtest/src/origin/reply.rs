//! What does an origin answer? A status, headers, a body, a delay; or a fault.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{Gate, Recorded};

/// How an origin fails instead of answering in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset (TCP RST) once the request is read.
    Reset,
    /// The connection is closed (TCP FIN) without an answer.
    Close,
    /// The connection stays open and nothing ever comes.
    BlackHole,
    /// Head and half the body are sent under the full Content-Length, then the connection is closed.
    Truncate,
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: StatusCode,
    /// Header fields, beside `x-origin`, `date` and `content-length`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long the answer is held back once the request is complete.
    pub delay: Duration,
    /// A gate that the answer waits at, after the delay.
    pub gate: Option<Gate>,
    /// How the answer fails, after the delay.
    pub fault: Option<Fault>,
}

impl Reply {
    /// An empty answer with a status.
    #[must_use]
    pub fn status(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            delay: Duration::ZERO,
            gate: None,
            fault: None,
        }
    }

    /// 200 with a text.
    #[must_use]
    pub fn text(body: impl Into<Bytes>) -> Self {
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        Self { body: body.into(), ..Self::status(StatusCode::OK) }
            .with_header(header::CONTENT_TYPE, plain)
    }

    /// 200 with a JSON document.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        let json = HeaderValue::from_static("application/json");
        Self { body: body.to_string().into(), ..Self::status(StatusCode::OK) }
            .with_header(header::CONTENT_TYPE, json)
    }

    /// No answer, but a fault. [`Fault::Truncate`] wants a body: set one.
    #[must_use]
    pub fn fault(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::text("this answer is never complete") }
    }

    /// The same answer with another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same answer with one more header field.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// The same answer, later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The same answer, once a gate is open.
    #[must_use]
    pub fn held_by(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }
}

/// The behaviour that tells the client what arrived:
/// `{"method", "path", "query", "headers": {name: [values]}, "body"}`, the body as text.
#[must_use]
pub fn echo(request: &Recorded) -> Reply {
    let mut headers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in &request.headers {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.entry(name.as_str()).or_default().push(text);
    }
    Reply::json(&json!({
        "method": request.method.as_str(),
        "path": request.path(),
        "query": request.query(),
        "headers": headers,
        "body": String::from_utf8_lossy(&request.body),
    }))
}
