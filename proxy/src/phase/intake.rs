//! What is this request, and what happens to it? Collects the facts once and decides once. (INV-3)

use std::borrow::Cow;
use std::time::Duration;

use http::{Method, Version};
use pingora::http::RequestHeader;
use pingora::prelude::{Error, ErrorType};
use pingora::proxy::Session;
use rules::decide::{Redirection, Refusal, decide_on};
use rules::limits::ClientLimits;
use rules::lookalike::Names;
use rules::normal::normal;
use rules::overload::Shed;
use rules::route::UnusualBodies;
use rules::token::Token;
use rules::{Facts, Route, Verdict};

use crate::added::AddedLines;
use crate::clock::now_unix;
use crate::exchange::{Exchange, Known, Subject};
use crate::gate::{self, Refusal as Refused};
use crate::handler::Handler;
use crate::ids::Ids;
use crate::problem::{self, Problem};
use crate::{connection, flags, forwarding, hops, identity, trace};

/// How long what is left of a body may take to come in once it has been answered.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// How long Pingora is to wait for the next request, where the gate sees to it.
const FOR_EVER: u64 = 0;
/// A time-out of nothing is none to Pingora.
const SHORTEST: Duration = Duration::from_millis(1);

/// Bounds what the client may take, for every request of a connection: Pingora drops the time-outs after the first. Nothing
/// that was meant for an earlier answer is left.
pub(crate) fn bound(session: &mut Session, limits: &ClientLimits) {
    let times = &limits.times;
    // What the client's version and Connection ask for stays: an HTTP/1.0 client waits for the end of the connection.
    if session.as_downstream().as_http1().is_some_and(|session| session.will_keepalive()) {
        let longest = if gate::IS_THERE { FOR_EVER } else { times.idle.as_secs().max(1) };
        session.set_keepalive(Some(longest));
    }
    session.set_read_timeout(Some(limits.body.after.clamp(SHORTEST, times.read)));
    session.set_write_timeout(Some(times.write));
    session.set_total_drain_timeout(Some(DRAIN_WITHIN));
    session.as_downstream_mut().set_pipelining_enabled(true);
    if let Some(lines) = AddedLines::of_client(session) {
        lines.clear();
    }
}

/// Decides; answers at once what no arm serves. Says whether the answer has been given.
pub(crate) async fn decide(
    handler: &Handler,
    session: &mut Session,
    exchange: &mut Exchange,
) -> pingora::Result<bool> {
    if handler.pressure.gives_up(Shed::Requests) {
        exchange.subject = Subject::Answered(None);
        problem::send(session, exchange, &Problem::overload()).await;
        return Ok(true);
    }
    let mut known = know(session, exchange);
    let tenants = exchange.snapshot.table.identity_headers();
    let admitted =
        judge_http2(handler, session).and_then(|()| admit(session, exchange, &mut known, tenants));
    identity::remove_claims(session.as_downstream_mut().req_header_mut(), known.trusted, tenants);
    let verdict = admitted.map(|()| verdict(handler, session, exchange, &known));
    if let Ok(verdict) = &verdict {
        flags::count(&exchange.snapshot, verdict, known.came_unix);
    }
    known.trace = trace::begin(session.as_downstream_mut().req_header_mut(), known.ids.made);
    exchange.facts = Some(Box::new(known));
    match verdict {
        Ok(Verdict::Forward(decision)) => {
            let place = (decision.route, decision.family);
            exchange.subject = Subject::Forwarded(Box::new(decision));
            let Some(refused) = exchange.route().and_then(|route| unwanted(session, route)) else {
                return Ok(false);
            };
            exchange.subject = Subject::Answered(Some(place));
            handler.counters.count_refused(refused);
            session.set_keepalive(None);
            problem::send(session, exchange, &Problem::refused(refused)).await;
        }
        Err(problem) => {
            exchange.subject = Subject::Answered(None);
            handler.counters.count_unrouted();
            problem::send(session, exchange, &problem).await;
        }
        Ok(Verdict::NoRoute) => {
            exchange.subject = Subject::Answered(None);
            handler.counters.count_unrouted();
            problem::send(session, exchange, &Problem::NO_ROUTE).await;
        }
        Ok(Verdict::Refuse(refusal)) => refuse(session, exchange, &refusal).await,
        Ok(Verdict::Redirect(to)) => redirect(session, exchange, &to).await?,
    }
    Ok(true)
}

/// What a request has that the gate lets in where any route wants it, and that its own route does not.
fn unwanted(session: &mut Session, route: &Route) -> Option<Refused> {
    if session.is_upgrade_req() && !route.websockets {
        return Some(Refused::WebSocket);
    }
    has_unwanted_body(session, route).then_some(Refused::Body)
}

/// Whether a request has a body that its method gives no meaning.
fn has_unwanted_body(session: &mut Session, route: &Route) -> bool {
    let head = session.req_header();
    let unusual = matches!(head.method, Method::GET | Method::HEAD | Method::DELETE);
    if !unusual || route.unusual_bodies == UnusualBodies::Allow {
        return false;
    }
    !session.as_downstream_mut().is_body_empty()
}

fn know(session: &Session, exchange: &Exchange) -> Known {
    let head = session.req_header();
    let peer = session.client_addr().and_then(|address| address.as_inet()).map(|inet| inet.ip());
    let trusted = peer.is_some_and(|peer| exchange.snapshot.trusts(peer));
    Known {
        ids: Ids::of(&head.headers),
        trace: None,
        client: peer
            .map(|peer| forwarding::client_address(&exchange.snapshot, peer, &head.headers)),
        peer,
        trusted,
        debug: trusted && head.headers.get("turnout-debug").is_some_and(|value| value == "1"),
        https: session.digest().is_some_and(|digest| digest.ssl_digest.is_some()),
        method: head.method.clone(),
        host: authority(session).into(),
        normal_path: None,
        came_unix: now_unix(),
    }
}

/// The authority that the client asks for: HTTP/2's own, else the Host header.
fn authority(session: &Session) -> &str {
    let head = session.req_header();
    let host = || head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    head.uri.authority().map(http::uri::Authority::as_str).or_else(host).unwrap_or("")
}

/// Lets a request in that everybody reads alike, and learns the one spelling of its path. (INV-11)
fn admit(
    session: &Session,
    exchange: &Exchange,
    known: &mut Known,
    tenants: &Names,
) -> Result<(), Problem> {
    let head = session.req_header();
    let nameless = head.version == Version::HTTP_11 && known.host.is_empty();
    if nameless || head.headers.get_all(http::header::HOST).iter().count() > 1 {
        return Err(Problem::BAD_HOST);
    }
    if head.method == Method::TRACE || head.method == Method::CONNECT {
        return Err(Problem::METHOD_NOT_SERVED);
    }
    let name = connection::server_name(session);
    if name.is_some_and(|name| !exchange.snapshot.table.lead_alike(name, &known.host)) {
        return Err(Problem::MISDIRECTED);
    }
    if hops::connection_names_protected(&head.headers, tenants) {
        return Err(Problem::BAD_CONNECTION);
    }
    if hops::is_loop(&head.headers) {
        return Err(Problem::LOOP_DETECTED);
    }
    if let Cow::Owned(path) = normal_path(head)? {
        known.normal_path = Some(path.into());
    }
    Ok(())
}

/// What the gate sees to in HTTP/1, for a head that has been decoded already. (INV-11)
fn judge_http2(handler: &Handler, session: &mut Session) -> Result<(), Problem> {
    if !session.is_http2() {
        return Ok(());
    }
    let has_body = !session.as_downstream_mut().is_body_empty();
    let judged = gate::judge_decoded(session.req_header(), has_body, &handler.policies.current());
    judged.map_err(|refusal| {
        handler.counters.count_refused(refusal);
        Problem::refused(refusal)
    })
}

/// Ends a request whose body comes so slowly that it only holds a connection to the service.
pub(crate) fn watch_body(session: &mut Session, exchange: &Exchange) -> pingora::Result<()> {
    if exchange.upgraded {
        return Ok(());
    }
    let limits = &exchange.snapshot.limits;
    let came = u64::try_from(session.body_bytes_read()).unwrap_or(u64::MAX);
    let Some(patience) = limits.body.patience(came, exchange.started.elapsed()) else {
        let error = Error::explain(ErrorType::HTTPStatus(408), "the body comes too slowly");
        return Err(error.into_down());
    };
    // Who sends nothing more is not seen here again.
    session.set_read_timeout(Some(patience.clamp(SHORTEST, limits.times.read)));
    Ok(())
}

/// The path of a request in normal form. A target in absolute form counts by its path: its authority is the Host, which
/// Pingora makes sure of. `*` is the whole server (RFC 9112 section 3.2.4).
fn normal_path(head: &RequestHeader) -> Result<Cow<'_, str>, Problem> {
    let target = head.raw_path();
    let is_absolute = |scheme: &[u8]| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    match target {
        b"*" if head.method == Method::OPTIONS => return Ok(Cow::Borrowed("*")),
        [b'/', ..] => {}
        _ if is_absolute(b"http://") || is_absolute(b"https://") => {}
        _ => return Err(Problem::BAD_PATH),
    }
    if !head.raw_path_is_utf8() {
        return Err(Problem::BAD_PATH);
    }
    normal(head.uri.path()).map_err(|_unclear| Problem::BAD_PATH)
}

fn verdict(handler: &Handler, session: &Session, exchange: &Exchange, known: &Known) -> Verdict {
    let (head, snapshot) = (session.req_header(), &exchange.snapshot);
    let mut facts = Facts {
        method: &head.method,
        host: &known.host,
        path: known.normal_path.as_deref().unwrap_or(head.uri.path()),
        query: head.uri.query().unwrap_or(""),
        headers: &head.headers,
        client: known.client.unwrap_or([0, 0, 0, 0].into()),
        trusted: known.trusted,
        token: Token::Missing,
        request_id: known.ids.request.as_str(),
        now_unix: known.came_unix,
    };
    let found = snapshot.table.find(&facts);
    let asked = found.and_then(|(route, ..)| route.token);
    let judged = asked
        .map(|rule| handler.issuers.judge(snapshot, rule.issuer, &head.headers, facts.now_unix));
    facts.token = match &judged {
        Some(Ok(Some(verified))) => Token::Verified(&verified.claims),
        Some(Err(problem)) => Token::Refused(*problem),
        Some(Ok(None)) | None => Token::Missing,
    };
    decide_on(snapshot, &facts, found)
}

async fn refuse(session: &mut Session, exchange: &mut Exchange, refusal: &Refusal) {
    exchange.subject = Subject::Answered(Some((refusal.route, refusal.family)));
    let successor = exchange.place().and_then(|(route, family)| {
        let to_canonical = &route.family(family)?.to_canonical;
        Some(to_canonical.apply(exchange.path(session.req_header().uri.path())).into_owned())
    });
    let route = exchange.place().map(|(route, _)| &**route);
    let problem = Problem::of(refusal.cause, route, successor);
    problem::send(session, exchange, &problem).await;
}

async fn redirect(
    session: &mut Session,
    exchange: &mut Exchange,
    to: &Redirection,
) -> pingora::Result<()> {
    exchange.subject = Subject::Answered(Some((to.route, to.family)));
    let mut response = pingora::http::ResponseHeader::build(to.status, Some(4))?;
    response.insert_header(http::header::LOCATION, &*to.location)?;
    response.insert_header(http::header::CONTENT_LENGTH, "0")?;
    forwarding::mark_answer(&mut response, exchange, session.req_header().uri.path())?;
    session.write_response_header(Box::new(response), true).await
}
