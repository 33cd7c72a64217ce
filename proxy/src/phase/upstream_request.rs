//! What does the arm get to see? Its own path, our forwarding headers, the route's edits; and a tee for the shadow.

use std::sync::Arc;

use bytes::Bytes;
use http::uri::{PathAndQuery, Uri};
use pingora::http::RequestHeader;
use pingora::prelude::{Error, ErrorType, OrErr, Result};
use pingora::proxy::Session;
use rules::{Arm, Route};

use crate::exchange::Exchange;
use crate::forwarding;
use crate::shadow::{Original, ShadowSender};

/// Turns the client's head into what the serving arm expects.
pub(crate) fn head(
    shadow: &ShadowSender,
    session: &Session,
    request: &mut RequestHeader,
    exchange: &mut Exchange,
) -> Result<()> {
    let client = &session.req_header().uri;
    let (Some(route), Some(arm)) = (exchange.route().cloned(), exchange.serving()) else {
        return Error::e_explain(ErrorType::InternalError, "forwarded without a decision");
    };
    let path = path_on(exchange, &route, arm, client);
    if let Some(path) = path {
        request.set_uri(uri(&path)?);
    } else if client.authority().is_some() {
        request.set_uri(uri(client.path_and_query().map_or("/", PathAndQuery::as_str))?);
    }
    forwarding::prepare_request(request, &route, exchange)?;
    match &mut exchange.capture {
        Some(capture) => capture.request_restart(),
        None if exchange.attempts <= 1 && exchange.fell_back.is_none() => {
            capture(shadow, client, request, &route, exchange);
        }
        None => {}
    }
    Ok(())
}

/// The path and query for an arm, where it is not the client's own.
fn path_on(exchange: &Exchange, route: &Route, arm: Arm, client: &Uri) -> Option<String> {
    let path = exchange.decision()?.path_on(arm, route, client.path());
    if matches!(path, std::borrow::Cow::Borrowed(same) if same == client.path()) {
        return None;
    }
    Some(client.query().map_or_else(|| path.to_string(), |query| format!("{path}?{query}")))
}

fn uri(path_and_query: &str) -> Result<Uri> {
    path_and_query.parse().or_err(ErrorType::InternalError, "rewritten path is not a path")
}

/// Begins to keep the exchange for its comparison, where the decision asks for that.
fn capture(
    shadow: &ShadowSender,
    client: &Uri,
    request: &RequestHeader,
    route: &Arc<Route>,
    exchange: &mut Exchange,
) {
    let Some(arm) = exchange.decision().and_then(|decision| decision.shadow) else { return };
    let (Some(upstream), Some(serving)) = (exchange.upstream(arm), exchange.serving()) else {
        return;
    };
    let own = client.path_and_query().map_or("/", PathAndQuery::as_str);
    let original = Original {
        route: Arc::clone(route),
        upstream: Arc::clone(upstream),
        serving,
        method: request.method.clone(),
        path_and_query: path_on(exchange, route, arm, client).unwrap_or_else(|| own.to_owned()),
        headers: request.headers.clone(),
        exchange_id: exchange.facts.as_ref().map_or("-".into(), |known| known.request_id.clone()),
    };
    exchange.capture = shadow.begin(original).ok();
}

/// Hands a piece of the request's body to the shadow; the body itself goes through untouched.
pub(crate) fn body(
    chunk: Option<&Bytes>,
    end_of_stream: bool,
    exchange: &mut Exchange,
) -> Result<()> {
    if exchange.time_left().is_zero() {
        return Error::e_explain(ErrorType::HTTPStatus(504), "the exchange took too long");
    }
    if exchange.upgraded {
        return Ok(());
    }
    if let Some(capture) = &mut exchange.capture {
        if let Some(chunk) = chunk {
            capture.request_chunk(chunk);
        }
        if end_of_stream {
            capture.request_end();
        }
    }
    Ok(())
}
