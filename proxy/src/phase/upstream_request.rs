//! What does the arm get to see? Its own path, our forwarding headers, the route's edits; and a tee for the shadow.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{PathAndQuery, Uri};
use pingora::http::RequestHeader;
use pingora::prelude::{Error, ErrorType, OrErr, Result};
use pingora::protocols::Digest;
use pingora::proxy::Session;
use rules::compare::Home;
use rules::{Arm, Rewrite, Route};

use crate::additions::Additions;
use crate::clock::now_ms;
use crate::connection::rider;
use crate::exchange::Exchange;
use crate::forwarding;
use crate::shadow::{Capture, Original, ShadowSender, Twin, Whose};

/// There is a connection for the attempt under way.
pub(crate) fn connected(connection: Option<&Digest>, exchange: &mut Exchange) {
    if let Some(attempt) = &mut exchange.tried {
        attempt.connected();
    }
    exchange.connected(connection.and_then(rider).cloned());
}

/// Turns the client's head into what the serving arm expects.
pub(crate) fn head(
    shadow: &ShadowSender,
    session: &mut Session,
    request: &mut RequestHeader,
    exchange: &mut Exchange,
) -> Result<()> {
    let is_whole = session.as_downstream_mut().is_body_empty();
    let received = session.req_header();
    let client = &received.uri;
    let (Some(route), Some(arm)) = (exchange.route().cloned(), exchange.serving()) else {
        return Error::e_explain(ErrorType::InternalError, "forwarded without a decision");
    };
    let path = path_on(exchange, &route, arm, client);
    if let Some(path) = path {
        request.set_uri(uri(&path)?);
    } else if client.authority().is_some() || !request.raw_path().starts_with(b"/") {
        request.set_uri(uri(client.path_and_query().map_or("/", PathAndQuery::as_str))?);
    }
    let connection = exchange.connection.clone();
    let lines = connection.as_ref().map(|rider| &rider.lines);
    if let Some(lines) = lines {
        lines.clear();
    }
    let behind = forwarding::prepare_request(request, received.version, &route, exchange, lines)?;
    if !exchange.captured && exchange.fell_back.is_none() {
        let begun = capture(shadow, client, request, behind.as_ref(), &route, exchange);
        (exchange.capture, exchange.captured) = (begun, true);
    } else if let Some(capture) = &mut exchange.capture {
        capture.request_restart();
    }
    // To a service that speaks HTTP/2, Pingora shows no body at all where there is none.
    let over_http2 = exchange.serving_upstream().is_some_and(|upstream| upstream.http2);
    if let Some(capture) = exchange.capture.as_mut().filter(|_| is_whole && over_http2) {
        capture.request_end();
    }
    Ok(())
}

/// The path and query for an arm, where it is not the client's own.
fn path_on(exchange: &Exchange, route: &Route, arm: Arm, client: &Uri) -> Option<String> {
    let path = exchange.decision()?.path_on(arm, route, exchange.path(client.path()));
    if path == client.path() {
        return None;
    }
    Some(client.query().map_or_else(|| path.to_string(), |query| format!("{path}?{query}")))
}

fn uri(path_and_query: &str) -> Result<Uri> {
    path_and_query.parse().or_err(ErrorType::InternalError, "rewritten path is not a path")
}

/// Begins to keep the exchange for its comparison, where the decision asks for that. `behind` is what goes out behind the
/// head.
fn capture(
    shadow: &ShadowSender,
    client: &Uri,
    request: &RequestHeader,
    behind: Option<&Additions<'_>>,
    route: &Arc<Route>,
    exchange: &Exchange,
) -> Option<Box<Capture>> {
    let arm = exchange.decision()?.shadow?;
    let (upstream, serving) = (exchange.upstream(arm)?, exchange.serving()?);
    let mut headers = request.headers.clone();
    if let Some(behind) = behind {
        let added = behind.each(&request.headers, |field, value| {
            headers.append(field.name.clone(), forwarding::header_value(value)?);
            Ok(())
        });
        added.ok()?;
    }
    let own = client.path_and_query().map_or("/", PathAndQuery::as_str);
    let original = Original {
        route: Arc::clone(route),
        upstream: upstream.serving(now_ms()),
        serving,
        method: request.method.clone(),
        path_and_query: path_on(exchange, route, arm, client).unwrap_or_else(|| own.to_owned()),
        headers,
        whose: whose(exchange),
        homes: (home(exchange, route, serving, request), home(exchange, route, arm, request)),
        twin: twin(exchange, route, client, request),
        exchange_id: exchange.request_id().into(),
    };
    shadow.begin(original).ok()
}

/// Where stable is asked a second time, for a share of safe requests.
fn twin(
    exchange: &Exchange,
    route: &Arc<Route>,
    client: &Uri,
    request: &RequestHeader,
) -> Option<Twin> {
    let policy = route.noise.as_ref()?;
    if !policy.samples(&request.method, exchange.request_id()) {
        return None;
    }
    let upstream = match policy.upstream {
        Some(id) => exchange.snapshot.upstream(id)?,
        None => exchange.upstream(Arm::Stable)?,
    };
    let own = client.path_and_query().map_or("/", PathAndQuery::as_str);
    let path = path_on(exchange, route, Arm::Stable, client);
    let mut home = home(exchange, route, Arm::Stable, request);
    home.upstreams.push(Arc::clone(upstream));
    Some(Twin {
        upstream: upstream.serving(now_ms()),
        path_and_query: path.unwrap_or_else(|| own.to_owned()),
        home,
    })
}

fn whose(exchange: &Exchange) -> Whose {
    let decision = exchange.decision();
    let cohort = decision.and_then(|decision| exchange.snapshot.cohort(decision.cohort?));
    Whose {
        cohort: cohort.map(|cohort| cohort.name.clone()),
        tenant: decision.and_then(|decision| decision.tenant_print),
        own: decision.and_then(|decision| decision.own.clone()),
    }
}

/// What an arm calls itself: the Host that it is asked for, its targets' addresses, and its path.
fn home(exchange: &Exchange, route: &Route, arm: Arm, request: &RequestHeader) -> Home {
    let family = exchange.place().and_then(|(_, family)| route.family(family));
    Home {
        host: request.headers.get(HOST).cloned(),
        upstreams: exchange.upstream(arm).cloned().into_iter().collect(),
        back: family
            .and_then(|family| family.arm(arm))
            .map_or(Rewrite::Keep, |at| at.rewrite.back()),
    }
}

/// Hands a piece of the request's body to the shadow; the body itself goes through untouched.
pub(crate) fn body(
    chunk: Option<&Bytes>,
    end_of_stream: bool,
    exchange: &mut Exchange,
) -> Result<()> {
    // Another protocol's connection lasts as long as its sides want: the route's time was for the answer to the upgrade.
    if exchange.upgraded {
        return Ok(());
    }
    let is_more = chunk.is_some() || !end_of_stream;
    if is_more && exchange.time_left(Instant::now()).is_zero() {
        return Error::e_explain(ErrorType::HTTPStatus(504), "the exchange took too long");
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::exchange::Subject;
    use config::{Live, Source};
    use rules::{Facts, Revision, Verdict};
    use std::sync::atomic::AtomicUsize;
    use std::time::{Duration, Instant};

    /// An exchange whose time was up an hour ago.
    pub(in crate::phase) fn late() -> Exchange {
        let text = "upstreams: {api: {targets: [{address: '127.0.0.1:1'}]}}\n\
                    routes: {a: {canonical: /a, stable: {upstream: api}}}";
        let base = std::path::Path::new(".");
        let source = Source { text, name: "turnout.yaml", base, env: &|_| None };
        let document = Arc::new(config::read(&source).unwrap());
        let compiled = config::compile(&document, &Live::default(), Revision(1), None, 0).unwrap();
        let facts = Facts {
            method: &http::Method::GET,
            host: "h",
            path: "/a",
            query: "",
            headers: &http::HeaderMap::new(),
            client: [127, 0, 0, 1].into(),
            trusted: false,
            token: rules::token::Token::Missing,
            request_id: "x",
            now_unix: 0,
        };
        let Verdict::Forward(decision) = rules::decide(&compiled.snapshot, &facts) else {
            panic!("it is forwarded")
        };
        let mut exchange = Exchange::new(compiled.snapshot, &Arc::new(AtomicUsize::new(0)));
        exchange.subject = Subject::Forwarded(Box::new(decision));
        exchange.started = Instant::now().checked_sub(Duration::from_secs(3_600)).unwrap();
        exchange
    }

    #[test]
    fn an_upgraded_connection_may_outlive_the_routes_time() {
        let mut exchange = late();
        let chunk = Bytes::from_static(b"a message");
        assert!(body(Some(&chunk), false, &mut exchange).is_err());
        exchange.upgraded = true;
        assert!(body(Some(&chunk), false, &mut exchange).is_ok());
    }
}
