//! Which target serves the request? The next healthy one of the serving arm.

use std::time::Instant;

use pingora::prelude::{Error, ErrorType, HttpPeer, Result};
use rules::sli::ErrorClass;

use crate::exchange::Exchange;
use crate::peers::Peers;

/// Picks a target of the serving arm that has not failed this request yet.
pub(crate) fn choose(peers: &Peers, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
    let unavailable = || Error::explain(ErrorType::HTTPStatus(503), "no target to serve it");
    let arm = exchange.serving().ok_or_else(unavailable)?;
    let upstream = exchange.upstream(arm).ok_or_else(unavailable)?;
    let left = exchange.time_left();
    let read = exchange.route().and_then(|route| route.timeouts.read);
    let Some((target, address)) = upstream.pick(exchange.tried.as_ref()) else {
        if exchange.may_fall_back() {
            exchange.fall_back(ErrorClass::Connect, None);
            return choose(peers, exchange);
        }
        exchange.failure = Some(ErrorClass::Connect);
        return Err(unavailable());
    };
    let target = target.clone();
    let peer = peers.peer(upstream, &target, address, read, left);
    exchange.tried = Some(target);
    exchange.attempt = Some(Instant::now());
    exchange.attempts = exchange.attempts.saturating_add(1);
    Ok(Box::new(peer))
}
