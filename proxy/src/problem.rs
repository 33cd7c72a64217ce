//! How does the proxy itself say no? One place for statuses and codes; problem+json (RFC 9457).

use std::borrow::Cow;

use http::header;
use pingora::http::ResponseHeader;
use pingora::prelude::Result;
use pingora::proxy::Session;
use rules::Route;
use rules::decide::RefusalCause;
use rules::sli::ErrorClass;
use rules::token::TokenProblem;
use rules::upstream::Overflow;

use crate::added::AddedLines;
use crate::exchange::Exchange;
use crate::forwarding;
use crate::gate::Refusal;

/// How long a client should wait before it tries again, in seconds.
const RETRY_AFTER_SECONDS: &str = "5";

/// An answer that the proxy gives instead of an arm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    status: u16,
    code: Cow<'static, str>,
    title: &'static str,
    retry: bool,
    /// How the client can prove who it is (RFC 9110 section 11.6.1).
    challenge: Option<&'static str>,
    /// Where the resource lives now.
    successor: Option<String>,
}

impl Problem {
    pub(crate) const NO_ROUTE: Self = Self::new(404, "no_route", "No route matches this request");
    pub(crate) const BAD_HOST: Self =
        Self::new(400, "bad_host", "The request needs exactly one Host");
    pub(crate) const BAD_PATH: Self =
        Self::new(400, "bad_path", "The request's path can be read in more than one way");
    pub(crate) const BAD_CONNECTION: Self = Self::new(
        400,
        "bad_connection",
        "The Connection field names a field that is not the connection's",
    );
    pub(crate) const LOOP_DETECTED: Self =
        Self::new(508, "loop_detected", "The request has come through here too often");
    pub(crate) const MISDIRECTED: Self =
        Self::new(421, "misdirected", "This host is not served on a connection to that one");
    pub(crate) const METHOD_NOT_SERVED: Self =
        Self::new(501, "method_not_served", "This method is not served");

    /// There is too much to do.
    pub(crate) fn overload() -> Self {
        Self::new(503, "overloaded", "There is too much to do for now").later()
    }

    const fn new(status: u16, code: &'static str, title: &'static str) -> Self {
        Self {
            status,
            code: Cow::Borrowed(code),
            title,
            retry: false,
            challenge: None,
            successor: None,
        }
    }

    fn later(self) -> Self {
        Self { retry: true, ..self }
    }

    fn proven_by(self, challenge: &'static str) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    /// The problem of a refusal on a route. `successor` is the path that took an alias's place.
    pub(crate) fn of(
        cause: RefusalCause,
        route: Option<&Route>,
        successor: Option<String>,
    ) -> Self {
        match cause {
            RefusalCause::FlagRequired(..) => {
                let gate = route.and_then(|route| route.requires_flag.as_ref());
                let code = gate.map_or("flag_required", |gate| &*gate.code).to_owned();
                let status = gate.map_or(403, |gate| gate.status);
                let title = "The tenant has no access to this";
                Self { code: Cow::Owned(code), ..Self::new(status, "flag_required", title) }
            }
            RefusalCause::TenantMissing => {
                Self::new(400, "tenant_missing", "The request names no tenant")
            }
            RefusalCause::TenantInvalid => {
                Self::new(400, "tenant_invalid", "The request's tenant cannot be told")
            }
            RefusalCause::TenantDisagreement => {
                Self::new(403, "tenant_disagreement", "The token names another tenant")
            }
            RefusalCause::TokenMissing => {
                Self::new(401, "token_missing", "The request needs a token").proven_by("Bearer")
            }
            RefusalCause::TokenRefused(TokenProblem::NoKeys) => {
                Self::new(503, "token_keys_missing", "No token can be verified for now").later()
            }
            // What exactly is wrong helps those who try; the metric tells operators.
            RefusalCause::TokenRefused(_) => {
                Self::new(401, "token_invalid", "The request's token proves nothing")
                    .proven_by("Bearer error=\"invalid_token\"")
            }
            RefusalCause::TenantReadOnly => {
                Self::new(503, "tenant_read_only", "The tenant is read-only for now").later()
            }
            RefusalCause::TenantBlocked => {
                Self::new(503, "tenant_blocked", "The tenant is locked for now").later()
            }
            RefusalCause::EncodedSlash => Self::BAD_PATH,
            RefusalCause::AliasGone => Self {
                successor,
                ..Self::new(410, "alias_gone", "This path is gone; its successor is named")
            },
        }
    }

    /// The problem of an arm that failed; none where nobody is left to hear it.
    pub(crate) fn of_failure(class: ErrorClass, status: Option<u16>) -> Option<Self> {
        let problem = match (class, status) {
            (ErrorClass::ClientAbort, _) => return None,
            (ErrorClass::Timeout, _) => {
                Self::new(504, "upstream_timeout", "The service took too long")
            }
            (ErrorClass::Connect, Some(503)) => {
                Self::new(503, "no_target", "No target of the service is there").later()
            }
            (ErrorClass::Connect, _) => {
                Self::new(502, "upstream_unreachable", "The service cannot be reached")
            }
            (ErrorClass::Transport | ErrorClass::ServerError | ErrorClass::BadStatus, _) => {
                Self::new(502, "upstream_broken", "The service's answer broke off")
            }
        };
        Some(problem)
    }

    /// The problem of an upstream that takes no more for now.
    pub(crate) fn overloaded(reason: Overflow) -> Self {
        let (code, title) = match reason {
            Overflow::Connections | Overflow::Pending => {
                ("overloaded", "The service has all the requests that it can take")
            }
            Overflow::Breaker => {
                ("breaker_open", "The service fails and is left alone for a while")
            }
        };
        Self::new(503, code, title).later()
    }

    /// The problem of bytes that the gate did not let through.
    pub(crate) const fn refused(refusal: Refusal) -> Self {
        let (status, title) = match refusal {
            Refusal::RequestLine => (400, "The request line cannot be read"),
            Refusal::Version => (505, "This version of HTTP is not served"),
            Refusal::Method => return Self::METHOD_NOT_SERVED,
            Refusal::Target => (400, "The request's target cannot be read"),
            Refusal::TargetTooLong => (414, "The request's target is too long"),
            Refusal::Field => (400, "A field of the request cannot be read"),
            Refusal::LookAlike => (400, "A field's name could be taken for another"),
            Refusal::FieldsTooLarge => (431, "The request has too many or too large fields"),
            Refusal::Host => return Self::BAD_HOST,
            Refusal::ContentLength => (400, "The request's length cannot be told"),
            Refusal::TransferEncoding => (400, "The request's transfer encoding is not served"),
            Refusal::Expectation => (417, "The request's expectation cannot be met"),
            Refusal::Connection => (400, "The connection's options name a field that must stay"),
            Refusal::Upgrade => (400, "The request asks for more than one upgrade"),
            Refusal::WebSocket => (403, "This route serves no WebSockets"),
            Refusal::Body => (400, "This method takes no body"),
            Refusal::Chunk => (400, "The request's chunks cannot be read"),
            Refusal::Trailer => (400, "A trailer of the request cannot be read"),
            Refusal::TrailersTooLarge => (431, "The request's trailers are too large"),
            Refusal::HeadTimeout => (408, "The request took too long to come"),
            Refusal::SlowBody => (408, "The request's body comes too slowly"),
            Refusal::Flood => (429, "The connection is kept busy for nothing"),
        };
        Self::new(status, refusal.code(), title)
    }

    /// A request that is not HTTP as it should be.
    pub(crate) const fn bad_request(status: u16) -> Self {
        Self::new(status, "bad_request", "The request cannot be read")
    }

    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn body(&self, request_id: &str) -> String {
        let mut body = serde_json::json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "request_id": request_id,
            // Kong's own member, so that its clients keep working.
            "message": self.title,
        });
        if let (Some(successor), Some(fields)) = (&self.successor, body.as_object_mut()) {
            fields.insert("successor".to_owned(), successor.as_str().into());
        }
        body.to_string()
    }
}

/// Answers with a problem. A client that is gone by now is no error.
pub(crate) async fn send(session: &mut Session, exchange: &Exchange, problem: &Problem) {
    let body = problem.body(exchange.request_id());
    // What was meant for an arm's answer is not this one's.
    if let Some(lines) = AddedLines::of_client(session) {
        lines.clear();
    }
    let sent = async {
        let path = session.req_header().uri.path();
        let head = head(problem, exchange, path, body.len())?;
        session.write_response_header(Box::new(head), false).await?;
        session.write_response_body(Some(body.into()), true).await
    };
    if let Err(error) = sent.await {
        tracing::debug!(error = %error.etype().as_str(), "a problem could not be sent");
    }
}

fn head(
    problem: &Problem,
    exchange: &Exchange,
    client_path: &str,
    length: usize,
) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build(problem.status, Some(8))?;
    head.insert_header(header::CONTENT_TYPE, "application/problem+json")?;
    head.insert_header(header::CONTENT_LENGTH, length)?;
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    if problem.retry {
        head.insert_header(header::RETRY_AFTER, RETRY_AFTER_SECONDS)?;
    }
    if let Some(challenge) = problem.challenge {
        head.insert_header(header::WWW_AUTHENTICATE, challenge)?;
    }
    forwarding::mark_answer(&mut head, exchange, client_path)?;
    Ok(head)
}
