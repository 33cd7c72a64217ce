//! What do the two sides learn about each other? What the proxy adds, and the route's edits.

use std::net::IpAddr;

use http::Version;
use http::header::{HOST, HeaderMap, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::{OrErr, Result};
use pingora::proxy::Session;
use rules::decide::ARM_HEADER;
use rules::route::HeaderEdits;
use rules::{Route, Snapshot};

use crate::added::AddedLines;
use crate::additions::{Additions, FORWARDED_FOR};
use crate::alias;
use crate::exchange::Exchange;
use crate::field::{Field, NO_VALUE};
use crate::{flags, hops};

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

/// Makes a request's head fit for an arm: what the proxy adds to it, then the route's edits. What the peer is not believed
/// was removed when the request came in. `received` is the version that it came in, and `lines` take what goes out behind
/// the head.
///
/// Tells the additions where they go out there, and are not in the head.
pub(crate) fn prepare_request<'e>(
    request: &mut RequestHeader,
    received: Version,
    route: &Route,
    exchange: &'e Exchange,
    lines: Option<&AddedLines>,
) -> Result<Option<Additions<'e>>> {
    let Some(known) = &exchange.facts else { return Ok(None) };
    if known.trusted {
        // Nobody else could say these.
        request.remove_header(&ARM_HEADER);
        request.remove_header("turnout-debug");
    }
    let additions = Additions::new(&request.headers, received, known);
    additions.make_room(request);
    let is_left_alone = route.request_headers.is_empty() && route.flag_headers.is_empty();
    let behind = lines.filter(|_| is_left_alone);
    if let Some(lines) = behind {
        let mut lines = lines.writer();
        additions.each(&request.headers, |field, value| lines.add(field, value))?;
    } else {
        let mut fields = Vec::new();
        additions.each(&request.headers, |field, value| {
            fields.push((field.written, header_value(value)?));
            Ok(())
        })?;
        for (name, value) in fields {
            request.append_header(name, value)?;
        }
    }
    flags::tell(request, route, exchange)?;
    edit_request(request, &route.request_headers)?;
    if let Some(host) = &route.host_rewrite {
        request.insert_header(HOST, host.clone())?;
    } else if !request.headers.contains_key(HOST) {
        request.insert_header(HOST, &*known.host)?;
    }
    Ok(behind.is_some().then_some(additions))
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

/// Makes an arm's answer fit for the client: through whom it came, the route's edits, and the request's ids.
pub(crate) fn prepare_answer(
    response: &mut ResponseHeader,
    session: &Session,
    route: &Route,
    exchange: &Exchange,
) -> Result<()> {
    let path = session.req_header().uri.path();
    let (via, edits) = (hops::signature(response.version), &route.response_headers);
    let lines = AddedLines::of_client(session).filter(|_| edits.is_empty());
    let Some(lines) = lines else {
        response.append_header(hops::SIGNATURE.written, HeaderValue::from_static(via))?;
        edit_response(response, edits)?;
        return mark_answer(response, exchange, path);
    };
    explain(response, exchange, path)?;
    let mut lines = lines.writer();
    lines.add(&hops::SIGNATURE, via)?;
    for (field, id) in told_ids(exchange) {
        response.remove_header(&field.name);
        lines.add(field, id.to_str().unwrap_or("-"))?;
    }
    Ok(())
}

fn edit_response(response: &mut ResponseHeader, edits: &HeaderEdits) -> Result<()> {
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

/// Marks an answer, the proxy's own included, with the request's ids; with the decision where a trusted peer asks.
pub(crate) fn mark_answer(
    response: &mut ResponseHeader,
    exchange: &Exchange,
    client_path: &str,
) -> Result<()> {
    for (field, id) in told_ids(exchange) {
        response.insert_header(field.written, id.clone())?;
    }
    explain(response, exchange, client_path)
}

fn told_ids(exchange: &Exchange) -> impl Iterator<Item = (&'static Field, &HeaderValue)> {
    exchange.facts.as_ref().map(|known| known.ids.told()).into_iter().flatten()
}

/// Says that an alias is one, and where a trusted peer asks, which arm served and why.
fn explain(response: &mut ResponseHeader, exchange: &Exchange, client_path: &str) -> Result<()> {
    alias::announce(response, exchange, client_path)?;
    if !exchange.facts.as_ref().is_some_and(|known| known.debug) {
        return Ok(());
    }
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

pub(crate) fn header_value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).or_err(pingora::prelude::ErrorType::InternalError, NO_VALUE)
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
            let headers = [(FORWARDED_FOR.name.clone(), HeaderValue::from_static(chain))];
            let headers = HeaderMap::from_iter(headers);
            assert_eq!(client_address(&snapshot, address(peer), &headers), address(client));
        }
    }
}
