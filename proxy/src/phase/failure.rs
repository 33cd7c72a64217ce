//! What does a failure mean? For another try, for the client, and for the counters.

use std::time::Instant;

use http::StatusCode;
use pingora::prelude::{Error, ErrorType};
use pingora::proxy::{FailToProxy, Session};
use pingora::{ErrorSource, RetryType};
use rules::sli::ErrorClass;
use rules::upstream::Refused;

use crate::cause::class_of;
use crate::exchange::Exchange;
use crate::gate::Refusal;
use crate::metrics::ProxyCounters;
use crate::problem::{self, Problem};

/// No connection came about: another target of the same arm is tried once, then stable where the route says so.
///
/// Safe for every method, since nothing has been sent.
pub(crate) fn connecting(exchange: &mut Exchange, mut error: Box<Error>) -> Box<Error> {
    let class = match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => ErrorClass::Timeout,
        _ => ErrorClass::Connect,
    };
    if let Some(retry) = exchange.may_retry(false) {
        exchange.end_attempt(None, Some(class), Instant::now());
        exchange.retry = Some(retry);
        error.set_retry(true);
    } else if may_fall_back(exchange) {
        exchange.fall_back(class, None);
        error.set_retry(true);
    } else {
        exchange.failure = Some(ErrorClass::Connect);
        error.set_retry(false);
    }
    error
}

/// Something broke after the connection stood.
pub(crate) fn proxying(
    session: &Session,
    exchange: &mut Exchange,
    mut error: Box<Error>,
) -> Box<Error> {
    let asked_for = matches!(error.retry, RetryType::Decided(true));
    if asked_for {
        // Stable was chosen to step in when the candidate's answer was seen.
        return error;
    }
    // An error that is left undecided would be a panic.
    error.set_retry(false);
    let from_upstream = *error.esource() == ErrorSource::Upstream;
    let replayable = !session.as_ref().retry_buffer_truncated();
    if !from_upstream || session.response_written().is_some() {
        return error;
    }
    let class = class_of(&error);
    let over_http2 = exchange.serving_upstream().is_some_and(|upstream| upstream.http2);
    // The target closed a connection that had been idle, just when it was used again: nobody's fault.
    let is_stale = exchange.is_reused()
        && class == ErrorClass::Transport
        && !exchange.answering
        && !over_http2;
    let may_resend = replayable && !exchange.answering && is_harmless_twice(session);
    let retry = if may_resend { exchange.may_retry(is_stale) } else { None };
    if is_stale {
        exchange.excuse_attempt(class, Instant::now());
    } else {
        exchange.end_attempt(None, Some(class), Instant::now());
    }
    if let Some(retry) = retry {
        exchange.retry = Some(retry);
        error.set_retry(true);
    } else if replayable && may_fall_back(exchange) {
        exchange.fall_back(class, None);
        error.set_retry(true);
    }
    error
}

/// Whether a request may be sent twice: its method says so (RFC 9110 section 9.2.2), or its client, by a key under which
/// the service does it once only.
fn is_harmless_twice(session: &Session) -> bool {
    let head = session.req_header();
    head.method.is_idempotent() || head.headers.contains_key("idempotency-key")
}

fn may_fall_back(exchange: &Exchange) -> bool {
    exchange.may_fall_back() && !exchange.time_left(Instant::now()).is_zero()
}

/// The last word on a request that failed: a problem, unless the answer has begun or nobody is there.
pub(crate) async fn answer(
    counters: &ProxyCounters,
    session: &mut Session,
    exchange: &mut Exchange,
    error: &Error,
) -> FailToProxy {
    let class = exchange.failure.unwrap_or_else(|| class_of(error));
    exchange.failure = Some(class);
    let explicit = match error.etype() {
        ErrorType::HTTPStatus(status) => Some(*status),
        _ => None,
    };
    let problem = match (error.esource(), explicit) {
        (ErrorSource::Downstream, _) if is_slow(error.etype()) && !exchange.upgraded => {
            counters.count_refused(Refusal::SlowBody);
            Some(Problem::refused(Refusal::SlowBody))
        }
        (ErrorSource::Downstream, Some(status)) => Some(Problem::bad_request(status)),
        (ErrorSource::Downstream, None) if is_malformed(error.etype()) => {
            Some(Problem::bad_request(StatusCode::BAD_REQUEST.as_u16()))
        }
        (ErrorSource::Downstream, None) => None,
        _ => match exchange.refused {
            Some(Refused::Overflow(reason)) => Some(Problem::overloaded(reason)),
            Some(Refused::NoTarget) | None => Problem::of_failure(class, explicit),
        },
    };
    let unsent = problem.filter(|_| !has_begun(session));
    let Some(problem) = unsent else {
        return FailToProxy { error_code: 0, can_reuse_downstream: false };
    };
    // What is left of the request or of the answer may still be on the wire, so the connection is not used again.
    session.set_keepalive(None);
    problem::send(session, exchange, &problem).await;
    FailToProxy { error_code: problem.status(), can_reuse_downstream: false }
}

/// Whether the client has seen anything of the answer itself; interim answers leave it open.
fn has_begun(session: &Session) -> bool {
    session.response_written().is_some_and(|head| {
        !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS
    })
}

/// Whether the rest of a body did not come in time.
fn is_slow(kind: &ErrorType) -> bool {
    matches!(kind, ErrorType::HTTPStatus(408) | ErrorType::ReadTimedout)
}

fn is_malformed(kind: &ErrorType) -> bool {
    matches!(kind, ErrorType::InvalidHTTPHeader | ErrorType::H1Error | ErrorType::H2Error)
}
