//! What do the two sides learn about each other? Forwarding headers and the route's edits.

use std::fmt::Write;
use std::net::IpAddr;

use http::Version;
use http::header::{HOST, HeaderMap, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::{OrErr, Result};
use rules::decide::ARM_HEADER;
use rules::route::HeaderEdits;
use rules::{Route, Snapshot};

use crate::alias;
use crate::exchange::{Exchange, Known};
use crate::field::Field;
use crate::flags;
use crate::hops;

const FORWARDED_FOR: Field = Field::new("x-forwarded-for", "X-Forwarded-For");
const FORWARDED_PROTO: Field = Field::new("x-forwarded-proto", "X-Forwarded-Proto");
const FORWARDED_HOST: Field = Field::new("x-forwarded-host", "X-Forwarded-Host");
const FORWARDED_PORT: Field = Field::new("x-forwarded-port", "X-Forwarded-Port");
/// An IPv6 address in full.
const LONGEST_ADDRESS: usize = 39;

/// The client's address: the last one in `X-Forwarded-For` that no trusted peer added, else the peer's own.
pub(crate) fn client_address(snapshot: &Snapshot, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    if !snapshot.trusts(peer) {
        return peer.to_canonical();
    }
    let fields: Vec<&str> = headers
        .get_all(&FORWARDED_FOR.name)
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
    known.ids.tell_arm(request)?;
    flags::tell(request, route, exchange)?;
    edit_request(request, &route.request_headers)?;
    if let Some(host) = &route.host_rewrite {
        request.insert_header(HOST, host.clone())?;
    } else if !request.headers.contains_key(HOST) {
        request.insert_header(HOST, &*known.host)?;
    }
    Ok(())
}

/// Appends the peer to `X-Forwarded-For`; says what the client asked for where no trusted peer has.
fn forward(request: &mut RequestHeader, known: &Known) -> Result<()> {
    if let Some(peer) = known.peer {
        let peer = peer.to_canonical();
        let mut chain = String::with_capacity(LONGEST_ADDRESS);
        let before = request.headers.get_all(&FORWARDED_FOR.name).iter();
        for field in before.filter_map(|field| field.to_str().ok()) {
            chain.push_str(field);
            chain.push_str(", ");
        }
        // Writing to a string does not fail.
        write!(chain, "{peer}").unwrap_or_default();
        request.insert_header(FORWARDED_FOR.written, chain)?;
    }
    let scheme = if known.https { "https" } else { "http" };
    FORWARDED_PROTO.insert_if_absent(request, || HeaderValue::from_static(scheme))?;
    let host = request.headers.get(HOST).filter(|host| host.as_bytes() == known.host.as_bytes());
    let host = host.cloned().map_or_else(|| header_value(&known.host), Ok)?;
    FORWARDED_HOST.insert_if_absent(request, || host)?;
    let name = rules::facts::host_name(&known.host);
    let port = match known.host.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')) {
        Some(port) => header_value(port)?,
        None => HeaderValue::from_static(if known.https { "443" } else { "80" }),
    };
    FORWARDED_PORT.insert_if_absent(request, || port)
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
    known.ids.tell_client(response)?;
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
        .or_err(pingora::prelude::ErrorType::InternalError, "what is told is no header value")
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let headers = [(FORWARDED_FOR.name, HeaderValue::from_static(chain))];
            let headers = HeaderMap::from_iter(headers);
            assert_eq!(client_address(&snapshot, address(peer), &headers), address(client));
        }
    }
}
