//! What is left of a request when it is over? Counters, one access line, and the shadow's other half.

use std::time::Instant;

use http::Version;
use pingora::prelude::{Error, ErrorType};
use pingora::proxy::Session;
use rules::sli::{ErrorClass, Observation, Scheme, SeriesKey};
use rules::{Arm, Decision};

use crate::access_log::Line;
use crate::cause::class_of;
use crate::exchange::{Exchange, Fallback, Subject};
use crate::gate::Refusal;
use crate::handler::Handler;
use crate::problem::Problem;
use crate::shadow::PrimaryEnd;
use crate::trace::TRACEPARENT;

/// Status of a request whose client went away before there was an answer, as nginx logs it.
const CLIENT_CLOSED: u16 = 499;

/// Counts the exchange, writes its line and lets go of its capture.
pub(crate) fn finish(
    handler: &Handler,
    session: &Session,
    error: Option<&Error>,
    exchange: &mut Exchange,
) {
    let status = status(session, error);
    let failed = error.map(|error| exchange.failure.unwrap_or_else(|| class_of(error)));
    let class = failed.or((status >= 500).then_some(ErrorClass::ServerError));
    // What only counts as a failure is none of the target's: it has answered.
    let counted =
        class.or_else(|| counts_as_bad(exchange, status).then_some(ErrorClass::BadStatus));
    let key = series_key(session, exchange, status, counted);
    let now = Instant::now();
    match &exchange.subject {
        Subject::Forwarded(decision) => count(exchange, decision, key, now),
        Subject::Answered(_) | Subject::Undecided => count_answered(handler, exchange, key, now),
    }
    let answered = session.response_written().map(|head| head.status.as_u16());
    match class.filter(|_| error.is_some_and(is_own_deadline)) {
        Some(class) => exchange.excuse_attempt(class, now),
        None => exchange.end_attempt(answered.filter(|_| failed.is_none()), class, now),
    }
    if let Some(capture) = exchange.capture.take() {
        capture.finish(primary_end(exchange, failed));
    }
    if let Some(log) = &handler.access_log {
        log.write(&Line {
            exchange,
            method: key.method,
            version: key.version,
            scheme: key.scheme,
            status,
            class: counted,
            traceparent: traceparent(session, exchange),
            response_bytes: session.body_bytes_sent(),
            request_bytes: session.body_bytes_read(),
        });
    }
}

/// The context of the trace that began here, or that the request came with.
fn traceparent<'r>(session: &'r Session, exchange: &'r Exchange) -> Option<&'r str> {
    let begun = exchange.facts.as_ref().and_then(|known| known.trace.as_deref());
    let given = || session.req_header().headers.get(&TRACEPARENT.name)?.to_str().ok();
    begun.or_else(given)
}

/// What the client was answered with. Where the gate refused the rest of a request, it answers that as soon as Pingora has
/// let go of the connection.
fn status(session: &Session, error: Option<&Error>) -> u16 {
    let written = session.response_written().map(|head| head.status.as_u16());
    let refused = || Refusal::behind(error?.root_cause()).map(Problem::refused);
    written.or_else(|| Some(refused()?.status())).unwrap_or(CLIENT_CLOSED)
}

/// Whether the time of the exchange as a whole was up. That may be the client's doing: a target that does not answer is a
/// time-out of its own.
fn is_own_deadline(error: &Error) -> bool {
    matches!(error.etype(), ErrorType::HTTPStatus(504))
}

fn series_key(
    session: &Session,
    exchange: &Exchange,
    status: u16,
    class: Option<ErrorClass>,
) -> SeriesKey {
    let head = session.req_header();
    let https = exchange.facts.as_ref().is_some_and(|known| known.https);
    let scheme = if https { Scheme::Https } else { Scheme::Http };
    let version = if session.is_http2() { Version::HTTP_2 } else { head.version };
    SeriesKey::new(&head.method, status, class, scheme, version)
}

/// An answer that the proxy itself gave is no arm's; an alias that it answered on was used all the same.
fn count_answered(handler: &Handler, exchange: &Exchange, key: SeriesKey, now: Instant) {
    handler.counters.answered.record(key, exchange.took(now));
    if let Some((route, family)) = exchange.place() {
        route.counters.record_alias(family, None, exchange.unix_at(now));
    }
}

/// Whether the route counts an arm's answer with this status as a failure.
fn counts_as_bad(exchange: &Exchange, status: u16) -> bool {
    let forwarded = matches!(exchange.subject, Subject::Forwarded(_));
    forwarded && exchange.route().is_some_and(|route| route.bad_statuses.contains(&status))
}

fn count(exchange: &Exchange, decision: &Decision, key: SeriesKey, now: Instant) {
    let Some(route) = exchange.route() else { return };
    let duration = exchange.took(now);
    let overridden = decision.reason.pick == rules::decide::Pick::Override;
    let seen = Observation {
        arm: exchange.serving().unwrap_or(decision.arm),
        cohort: decision.cohort,
        family: decision.family,
        tenant: decision.tenant.as_ref(),
        bucket: decision.tenant_bucket,
        own: decision.own.as_deref(),
        key,
        duration,
        overridden,
        now_unix: exchange.unix_at(now),
    };
    let seen_as = decision.seen_as.filter(|_| seen.arm == Arm::Candidate);
    let counted = exchange.snapshot.rollouts.get(&decision.route);
    if let (Some(tenant), Some(counted)) = (seen_as, counted) {
        counted.note_tenant(tenant, decision.cohort);
    }
    match exchange.fell_back {
        None => route.counters.record(&seen),
        Some(Fallback { class, after }) => {
            route.counters.record_fallback(&seen, (decision.arm, class), after);
        }
    }
}

fn primary_end(exchange: &Exchange, failed: Option<ErrorClass>) -> PrimaryEnd {
    match failed {
        _ if exchange.upgraded => PrimaryEnd::Upgrade,
        None => PrimaryEnd::Complete,
        Some(ErrorClass::Timeout) => PrimaryEnd::Timeout,
        Some(ErrorClass::ClientAbort) => PrimaryEnd::ClientAbort,
        Some(
            ErrorClass::Connect
            | ErrorClass::Transport
            | ErrorClass::ServerError
            | ErrorClass::BadStatus,
        ) => PrimaryEnd::Connect,
    }
}
