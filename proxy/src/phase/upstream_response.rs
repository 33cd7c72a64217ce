//! What does the client get to see of the arm's answer? Its own path family's view; and a tee for the shadow.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use pingora::http::ResponseHeader;
use pingora::prelude::{Error, ErrorType, Result};
use pingora::proxy::Session;
use rules::sli::ErrorClass;

use crate::clock::ms_at;
use crate::exchange::Exchange;
use crate::location::{Sides, map_back};
use crate::{forwarding, framing, hops};

/// How many interim answers an arm may send before its answer: early hints and the like are few.
const MOST_INTERIM: u8 = 8;

/// The head as the arm sent it: decides whether stable steps in, and shows it to the shadow.
pub(crate) fn head(
    session: &mut Session,
    response: &ResponseHeader,
    exchange: &mut Exchange,
) -> Result<()> {
    exchange.answering = true;
    let now = Instant::now();
    if exchange.time_left(now).is_zero() {
        return Error::e_explain(ErrorType::HTTPStatus(504), "the exchange took too long");
    }
    if let Some(why) = framing::unclear(response) {
        return broken(why);
    }
    if is_interim(response.status) {
        exchange.interim = exchange.interim.saturating_add(1);
        if exchange.interim > MOST_INTERIM {
            return broken("too many interim answers");
        }
        return Ok(());
    }
    if response.status == StatusCode::SWITCHING_PROTOCOLS && !session.is_upgrade_req() {
        return broken("the arm switches protocols, and nobody asked for it");
    }
    if let Some(attempt) = &mut exchange.tried {
        attempt.answered(response.status.as_u16(), ms_at(now));
    }
    let gave_up = matches!(response.status.as_u16(), 502..=504);
    if gave_up && exchange.may_fall_back() && !session.as_ref().retry_buffer_truncated() {
        exchange.fall_back(ErrorClass::ServerError, Some(response.status.as_u16()));
        let mut error = Error::explain(ErrorType::HTTPStatus(502), "the candidate gave up");
        error.set_retry(true);
        return Err(error);
    }
    exchange.upgraded = response.status == StatusCode::SWITCHING_PROTOCOLS;
    if exchange.upgraded {
        // From here on both sides may be silent, as long as a connection may.
        let idle = exchange.snapshot.limits.times.idle;
        session.set_read_timeout(Some(idle));
        if let Some(connection) = &exchange.connection {
            connection.wait(idle);
        }
    }
    if !exchange.upgraded && framing::ends_with_head(&session.req_header().method, response) {
        exchange.note_answered();
    }
    if let Some(capture) = &mut exchange.capture {
        capture.response_head(response.status, &response.headers);
    }
    Ok(())
}

/// Whether another answer comes after the one with this status.
fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

/// An answer that cannot be passed on; its connection is not used again.
fn broken(why: &'static str) -> Result<()> {
    Error::e_explain(ErrorType::HTTPStatus(502), why).map_err(|error: Box<Error>| error.into_up())
}

/// A piece of the answer's body, as the arm sent it.
pub(crate) fn body(
    chunk: Option<&Bytes>,
    is_last: bool,
    exchange: &mut Exchange,
) -> Result<Option<Duration>> {
    if exchange.upgraded {
        return Ok(None);
    }
    if is_last {
        // What has come whole is passed on, however late.
        exchange.note_answered();
    } else if exchange.time_left(Instant::now()).is_zero() {
        return Error::e_explain(ErrorType::ReadTimedout, "the exchange took too long");
    }
    if let (Some(capture), Some(chunk)) = (&mut exchange.capture, chunk) {
        capture.response_chunk(chunk);
    }
    Ok(None)
}

/// The fields after the answer's body, as the arm sent them.
pub(crate) fn trailers(trailers: &HeaderMap, exchange: &mut Exchange) {
    if let Some(capture) = &mut exchange.capture {
        capture.response_trailers(trailers);
    }
}

/// Turns the arm's head into what the client expects.
pub(crate) fn to_client(
    session: &Session,
    response: &mut ResponseHeader,
    exchange: &Exchange,
) -> Result<()> {
    hops::remove_hop_by_hop(response);
    if framing::is_bodiless(response.status) {
        response.remove_header(&CONTENT_LENGTH);
    }
    if is_interim(response.status) {
        return Ok(());
    }
    let (Some((route, family)), Some(arm)) = (exchange.place(), exchange.serving()) else {
        return Ok(());
    };
    let target = route.family(family).and_then(|family| family.arm(arm));
    if let (Some(target), Some(upstream)) = (target, exchange.serving_upstream()) {
        let client = exchange.facts.as_ref().map_or("", |known| &*known.host);
        let sides = Sides { client, rewritten: route.host_rewrite.as_ref(), upstream };
        map_back(response, &target.rewrite, &sides)?;
    }
    forwarding::prepare_answer(response, session, route, exchange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::upstream_request::tests::late;

    #[test]
    fn an_answer_that_has_come_whole_is_passed_on_however_late() {
        let (mut exchange, chunk) = (late(), Bytes::from_static(b"a"));
        assert!(body(Some(&chunk), false, &mut exchange).is_err());
        assert!(body(Some(&chunk), true, &mut exchange).is_ok());
    }
}
