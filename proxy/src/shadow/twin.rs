//! When is stable asked a second time? For a share of safe requests, to learn where it is not steady itself.
//!
//! The second request is a copy like others: bounded, broken off and counted like them, and nobody's answer.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Method};
use rules::compare::Home;
use rules::sli::ShadowResult;
use rules::{Route, Upstream};
use tokio::time::timeout;

use super::body::KeptBody;
use super::breaker::Permit;
use super::call::{self, ShadowAnswer};
use super::destinations::{Destination, Destinations};
use super::exchange::is_answered;
use super::ledger::{Claim, Ledger, Slot};
use super::request::{Head, head_bytes};
use super::ticket::Ticket;

/// Where stable is asked a second time.
#[derive(Debug)]
pub struct Twin {
    /// Stable's upstream, or another one with the same service.
    pub upstream: Arc<Upstream>,
    /// The path and query, rewritten for stable.
    pub path_and_query: String,
    /// What stable calls itself there.
    pub home: Home,
}

/// All that it takes to ask stable a second time.
#[derive(Debug)]
pub(super) struct PendingTwin {
    twin: Twin,
    permit: Permit,
    destination: Arc<Destination>,
    head: Head,
    _slot: Slot,
}

/// Stable's second answer, and what it calls itself.
#[derive(Debug)]
pub(super) struct TwinAnswer {
    pub(super) answer: ShadowAnswer,
    pub(super) home: Home,
}

/// Makes ready to ask, where there is room for that.
pub(super) fn pending(
    twin: Twin,
    (method, headers): (&Method, &HeaderMap),
    route: &Route,
    (ledger, destinations): (&Arc<Ledger>, &Destinations),
) -> Option<PendingTwin> {
    let made = || {
        let slot = ledger.slot().ok_or(ShadowResult::Shed)?;
        let claim: Claim = ledger.claim(head_bytes(headers)).ok_or(ShadowResult::Shed)?;
        let now = Instant::now();
        let destination = destinations.of(&twin.upstream, now);
        let permit = destination.breaker.permit(now).ok_or(ShadowResult::BreakerOpen)?;
        Ok((slot, claim, destination, permit))
    };
    let (slot, claim, destination, permit) =
        made().inspect_err(|result| route.counters.record_twin(*result)).ok()?;
    let head = Head {
        method: method.clone(),
        path_and_query: twin.path_and_query.clone(),
        headers: headers.clone(),
        _claim: claim,
    };
    Some(PendingTwin { twin, permit, destination, head, _slot: slot })
}

impl PendingTwin {
    /// Asks, and waits for the answer as long as for any copy's; none where there is none to learn from.
    pub(super) async fn ask(self, ticket: &Ticket) -> Option<TwinAnswer> {
        let Self { twin, permit, destination, head, _slot } = self;
        let nothing = KeptBody::new(&ticket.ledger, 0);
        let call = call::send(&destination, &twin.upstream, head, nothing, ticket);
        let answer = timeout(ticket.route.shadow.timeout, Box::pin(call)).await.ok();
        let is_whole = answer.as_ref().is_some_and(is_answered);
        if is_whole {
            permit.succeeded();
            ticket.route.counters.record_twin(ShadowResult::Answered);
        } else {
            permit.failed(Instant::now());
            ticket.route.counters.record_twin(ShadowResult::Failed);
        }
        Some(TwinAnswer { answer: answer?.ok()?, home: twin.home })
    }
}
