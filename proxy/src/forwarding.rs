//! What do the two sides learn about each other? Forwarding headers, the request's ids, and the route's edits.

use std::net::IpAddr;

use http::Version;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::{OrErr, Result};
use rules::decide::ARM_HEADER;
use rules::route::HeaderEdits;
use rules::{Route, Snapshot};
use uuid::Uuid;

use crate::alias;
use crate::exchange::{Exchange, Known};
use crate::flags;
use crate::hops;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Where a request's id may already stand: Kong's own, its correlation plugin's, and the two common ones.
const ID_HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("x-kong-request-id"),
    HeaderName::from_static("kong-request-id"),
    REQUEST_ID,
    CORRELATION_ID,
];

/// The request's id: the first well-formed one that it came with, else a fresh one.
pub(crate) fn request_id(headers: &HeaderMap) -> Box<str> {
    let known = ID_HEADERS.iter().find_map(|name| id(headers, name));
    known.map_or_else(|| Uuid::now_v7().simple().to_string().into(), Into::into)
}

/// What the client itself calls the request, where that is not what it is known by.
pub(crate) fn correlation_id(headers: &HeaderMap) -> Option<&str> {
    let own = id(headers, &CORRELATION_ID)?;
    ID_HEADERS.iter().find_map(|name| id(headers, name)).filter(|id| *id != own).and(Some(own))
}

/// The well-formed id in a header, if there is exactly one.
fn id<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut fields = headers.get_all(name).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    field.to_str().ok().filter(|id| is_request_id(id))
}

fn is_request_id(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'#' | b':');
    !text.is_empty() && text.len() <= 128 && text.bytes().all(fits)
}

/// The client's address: the last one in `X-Forwarded-For` that no trusted peer added, else the peer's own.
pub(crate) fn client_address(snapshot: &Snapshot, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    if !snapshot.trusts(peer) {
        return peer.to_canonical();
    }
    let fields: Vec<&str> = headers
        .get_all(&FORWARDED_FOR)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .collect();
    let mut client = peer;
    for hop in fields.iter().rev() {
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        client = address;
        if !snapshot.trusts(address) {
            break;
        }
    }
    client.to_canonical()
}

/// Makes a request's head fit for an arm: our forwarding headers and the request's ids, then the route's edits. What the
/// peer is not believed was removed when the request came in. `received` is the version that it came in.
pub(crate) fn prepare_request(
    request: &mut RequestHeader,
    received: Version,
    route: &Route,
    exchange: &Exchange,
) -> Result<()> {
    let Some(known) = &exchange.facts else { return Ok(()) };
    request.remove_header(&ARM_HEADER);
    request.remove_header("turnout-debug");
    forward(request, known)?;
    hops::sign_request(request, received)?;
    for name in &ID_HEADERS {
        if request.headers.contains_key(name) && id(&request.headers, name).is_none() {
            request.remove_header(name);
        }
    }
    insert_if_absent(request, REQUEST_ID, &known.request_id)?;
    insert_if_absent(request, CORRELATION_ID, &known.request_id)?;
    flags::tell(request, route, exchange)?;
    edit_request(request, &route.request_headers)?;
    if let Some(host) = &route.host_rewrite {
        request.insert_header(http::header::HOST, host.clone())?;
    } else if !request.headers.contains_key(http::header::HOST) {
        request.insert_header(http::header::HOST, &*known.host)?;
    }
    Ok(())
}

/// Appends the peer to `X-Forwarded-For`; says what the client asked for where no trusted peer has.
fn forward(request: &mut RequestHeader, known: &Known) -> Result<()> {
    if let Some(peer) = known.peer {
        let peer = peer.to_canonical();
        let before: Vec<&str> = request
            .headers
            .get_all(&FORWARDED_FOR)
            .iter()
            .filter_map(|field| field.to_str().ok())
            .collect();
        let chain = if before.is_empty() {
            peer.to_string()
        } else {
            format!("{}, {peer}", before.join(", "))
        };
        request.insert_header(FORWARDED_FOR, chain)?;
    }
    let scheme = if known.https { "https" } else { "http" };
    insert_if_absent(request, FORWARDED_PROTO, scheme)?;
    insert_if_absent(request, FORWARDED_HOST, &known.host)?;
    let default_port = if known.https { "443" } else { "80" };
    let name = rules::facts::host_name(&known.host);
    let port = known.host.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
    insert_if_absent(request, FORWARDED_PORT, port.unwrap_or(default_port))
}

fn insert_if_absent(request: &mut RequestHeader, name: HeaderName, value: &str) -> Result<()> {
    if request.headers.contains_key(&name) {
        return Ok(());
    }
    request.insert_header(name, value)
}

fn edit_request(request: &mut RequestHeader, edits: &HeaderEdits) -> Result<()> {
    for name in &edits.remove {
        request.remove_header(name);
    }
    for (name, value) in &edits.set {
        request.insert_header(name.clone(), value.clone())?;
    }
    for (name, value) in &edits.add {
        request.append_header(name.clone(), value.clone())?;
    }
    Ok(())
}

/// The route's edits of an answer.
pub(crate) fn edit_response(response: &mut ResponseHeader, edits: &HeaderEdits) -> Result<()> {
    for name in &edits.remove {
        response.remove_header(name);
    }
    for (name, value) in &edits.set {
        response.insert_header(name.clone(), value.clone())?;
    }
    for (name, value) in &edits.add {
        response.append_header(name.clone(), value.clone())?;
    }
    Ok(())
}

/// Marks every answer, the proxy's own included, with the request's ids; with the decision where a trusted peer asks.
pub(crate) fn mark_answer(
    response: &mut ResponseHeader,
    exchange: &Exchange,
    client_path: &str,
) -> Result<()> {
    alias::announce(response, exchange, client_path)?;
    let Some(known) = &exchange.facts else { return Ok(()) };
    response.insert_header(REQUEST_ID, &*known.request_id)?;
    let correlation_id = known.correlation_id.as_ref().unwrap_or(&known.request_id);
    response.insert_header(CORRELATION_ID, &**correlation_id)?;
    if known.debug {
        explain(response, exchange)?;
    }
    Ok(())
}

/// Says which arm served and why. Only a trusted peer who asks is told.
fn explain(response: &mut ResponseHeader, exchange: &Exchange) -> Result<()> {
    response.insert_header("x-turnout-revision", exchange.snapshot.revision.to_string())?;
    let elapsed = exchange.started.elapsed().as_secs_f64() * 1_000.0;
    response.append_header("server-timing", format!("turnout;dur={elapsed:.3}"))?;
    if let (Some(decision), Some(arm)) = (exchange.decision(), exchange.serving()) {
        response.insert_header(ARM_HEADER, arm.as_str())?;
        let reason = decision.reason.describe(&exchange.snapshot);
        let reason =
            if exchange.fell_back.is_some() { format!("{reason}, fallback") } else { reason };
        response.insert_header("x-turnout-reason", header_value(&reason)?)?;
    }
    Ok(())
}

fn header_value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text)
        .or_err(pingora::prelude::ErrorType::InternalError, "a reason is no header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_well_formed_id_is_kept_and_anything_else_replaced() {
        let kept = request_id(&headers(&[("x-request-id", "abc-1"), ("x-kong-request-id", "k7")]));
        assert_eq!(&*kept, "k7");
        let second = headers(&[("x-kong-request-id", "not one"), ("x-correlation-id", "c-1")]);
        assert_eq!(&*request_id(&second), "c-1");
        assert_eq!(correlation_id(&second), None);
        let both = headers(&[("x-kong-request-id", "k7"), ("x-correlation-id", "c-1")]);
        assert_eq!((&*request_id(&both), correlation_id(&both)), ("k7", Some("c-1")));
        let mut twice = headers(&[("x-request-id", "a")]);
        twice.append("x-request-id", HeaderValue::from_static("b"));
        assert_eq!(request_id(&twice).len(), 32);
        for bad in ["", "a b", "<script>"] {
            let fresh = request_id(&headers(&[("x-request-id", bad)]));
            assert_eq!(fresh.len(), 32, "{bad:?}");
        }
    }

    #[test]
    fn the_client_is_the_last_address_that_nobody_trusted_added() {
        let snapshot = Snapshot {
            trusted_proxies: ["10.0.0.0/8".parse().unwrap()].into(),
            ..Snapshot::default()
        };
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for (peer, chain, client) in [
            ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
            ("10.0.0.1", "203.0.113.9, 192.0.2.7, 10.1.1.1", "192.0.2.7"),
            ("10.0.0.1", "10.2.2.2", "10.2.2.2"),
            ("10.0.0.1", "nonsense", "10.0.0.1"),
            ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ] {
            let headers = headers(&[("x-forwarded-for", chain)]);
            assert_eq!(client_address(&snapshot, address(peer), &headers), address(client));
        }
    }
}
