//! Which target serves the request? One of the serving arm, where its upstream takes the request.

use std::time::Instant;

use pingora::prelude::{Error, ErrorType, HttpPeer, Result};
use rules::sli::ErrorClass;
use rules::upstream::Attempt;

use crate::clock::ms_at;
use crate::exchange::Exchange;
use crate::peers::{Peers, at_most};

/// Picks a target of the serving arm that has not failed this request yet.
pub(crate) fn choose(peers: &Peers, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
    let unavailable = || Error::explain(ErrorType::HTTPStatus(503), "no target to serve it");
    let arm = exchange.serving().ok_or_else(unavailable)?;
    let upstream = exchange.upstream(arm).ok_or_else(unavailable)?;
    let now = Instant::now();
    let left = exchange.time_left(now);
    let read = exchange.route().and_then(|route| route.timeouts.read);
    let failed = exchange.tried.as_ref().and_then(Attempt::target);
    match upstream.attempt(ms_at(now), failed) {
        Ok((attempt, address)) => {
            let target = attempt.target().ok_or_else(unavailable)?;
            let read = read.unwrap_or(attempt.upstream().timeouts.read);
            let peer = peers.peer(attempt.upstream(), target, address, read, left);
            exchange.begin_attempt(attempt, at_most(read, left), now);
            Ok(Box::new(peer))
        }
        Err(_) if exchange.may_fall_back() => {
            exchange.fall_back(ErrorClass::Connect, None);
            choose(peers, exchange)
        }
        Err(refused) => {
            exchange.refused = Some(refused);
            exchange.failure = Some(ErrorClass::Connect);
            Err(unavailable())
        }
    }
}
