//! What do a request's phases tell of an exchange? Copied along as it passes, never in its way. (INV-8)

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};
use rules::compare::{Comparison, Home};
use rules::exchange::NotComparable;
use rules::route::{Arm, Route};
use rules::sli::{ShadowResult, TenantCounters};
use rules::{CohortName, Upstream};
use tokio::sync::oneshot;

use super::body::{AnswerBody, KeptBody};
use super::breaker::Permit;
use super::destinations::Destination;
use super::lanes::Onramp;
use super::ledger::{Claim, Ledger};
use super::request::{Head, head_bytes};
use super::ticket::{Judged, Statuses, Ticket};
use super::twin::{PendingTwin, Twin};

/// A request that is to be copied, as its primary is sent.
#[derive(Debug)]
pub struct Original {
    /// The route.
    pub route: Arc<Route>,
    /// The upstream of the arm that gets the copy.
    pub upstream: Arc<Upstream>,
    /// The arm that answers the client.
    pub serving: Arm,
    /// The method.
    pub method: Method,
    /// The path and query, rewritten for the arm that gets the copy.
    pub path_and_query: String,
    /// The headers that the primary is sent with, Host among them.
    pub headers: HeaderMap,
    /// Whose request it is.
    pub whose: Whose,
    /// Where stable is asked a second time, if it is.
    pub twin: Option<Twin>,
    /// What each arm calls itself: the serving one, and the one that gets the copy.
    pub homes: (Home, Home),
    /// The request's id, by which people find its line in the access log.
    pub exchange_id: Box<str>,
}

/// Whose request is copied, as far as reports tell it.
#[derive(Debug, Clone, Default)]
pub struct Whose {
    /// The cohort that decided about it.
    pub cohort: Option<CohortName>,
    /// A print of the tenant's id.
    pub tenant: Option<u64>,
    /// Where the tenant's exchanges are counted by themselves, because of a rollout of its own.
    pub own: Option<Arc<TenantCounters>>,
}

/// How the primary ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrimaryEnd {
    /// With a whole answer.
    Complete,
    /// It took too long.
    Timeout,
    /// No connection, or it broke.
    Connect,
    /// The client went away.
    ClientAbort,
    /// It became another protocol.
    Upgrade,
    /// Its answer never ends.
    Stream,
}

impl PrimaryEnd {
    const fn fault(self) -> Option<NotComparable> {
        match self {
            Self::Complete => None,
            Self::Timeout => Some(NotComparable::PrimaryTimeout),
            Self::Connect => Some(NotComparable::PrimaryConnect),
            Self::ClientAbort => Some(NotComparable::ClientAbort),
            Self::Upgrade => Some(NotComparable::Upgrade),
            Self::Stream => Some(NotComparable::Stream),
        }
    }
}

/// One exchange while its primary is under way.
///
/// The phases call it as things pass by; none of the calls waits. Dropped without [`Capture::finish`], the exchange
/// counts as aborted by the client when its copy was sent, and as shed when not.
#[derive(Debug)]
pub struct Capture {
    stage: Stage,
    answer: Option<Primary>,
    ledger: Arc<Ledger>,
    max_body_bytes: usize,
}

#[derive(Debug)]
enum Stage {
    /// The request is coming in.
    Request(Box<Pending>, Onramp),
    /// The copy is under way, and waits for the primary's answer.
    Sent(oneshot::Sender<Result<Primary, NotComparable>>),
    /// There is nothing left to do here.
    Over,
}

/// All that it takes to send the copy, once the request is complete.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) ticket: Ticket,
    pub(super) permit: Permit,
    pub(super) destination: Arc<Destination>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) serving: Arm,
    pub(super) method: Method,
    pub(super) homes: (Home, Home),
    pub(super) head: Head,
    pub(super) body: KeptBody,
    pub(super) twin: Option<PendingTwin>,
}

/// The primary's answer, as far as it has come in.
#[derive(Debug)]
pub(super) struct Primary {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: AnswerBody,
    /// The fields after the body, and the claim that pays for them.
    pub(super) trailers: Option<(HeaderMap, Claim)>,
    _head_claim: Claim,
}

impl Capture {
    pub(super) fn new(pending: Pending, onramp: Onramp) -> Self {
        let ledger = Arc::clone(&pending.ticket.ledger);
        let max_body_bytes = pending.ticket.route.shadow.max_body_bytes;
        let stage = Stage::Request(Box::new(pending), onramp);
        Self { stage, answer: None, ledger, max_body_bytes }
    }

    /// A piece of the request's body goes out to the primary.
    pub fn request_chunk(&mut self, chunk: &Bytes) {
        let Stage::Request(pending, _) = &mut self.stage else { return };
        if let Err(refused) = pending.body.push(chunk) {
            self.let_go(refused.into());
        }
    }

    /// The request is sent to the primary once more, from its start.
    pub fn request_restart(&mut self) {
        if let Stage::Request(pending, _) = &mut self.stage {
            pending.body.clear();
        }
    }

    /// The request is complete: the copy is sent now, beside the primary. Only the first call does so.
    pub fn request_end(&mut self) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Request(pending, onramp) => {
                let (sender, primary) = oneshot::channel();
                let departed = onramp.depart(Instant::now(), pending, primary);
                if departed { Stage::Sent(sender) } else { Stage::Over }
            }
            other => other,
        };
    }

    /// The primary's answer begins. One that never ends, or becomes another protocol, is let go at once.
    pub fn response_head(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.answer = None;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return self.let_go(NotComparable::Upgrade);
        }
        if status.is_informational() || matches!(self.stage, Stage::Over) {
            return;
        }
        if is_event_stream(headers) {
            return self.let_go(NotComparable::Stream);
        }
        let Some(_head_claim) = self.ledger.claim(head_bytes(headers)) else {
            return self.let_go(NotComparable::Shed);
        };
        let body = AnswerBody::new(&self.ledger, self.max_body_bytes);
        let headers = headers.clone();
        self.answer = Some(Primary { status, headers, body, trailers: None, _head_claim });
    }

    /// A piece of the primary's answer comes in.
    pub fn response_chunk(&mut self, chunk: &Bytes) {
        if let Some(Err(refused)) = self.answer.as_mut().map(|answer| answer.body.push(chunk)) {
            self.let_go(refused.into());
        }
    }

    /// The primary's answer ends in these fields.
    pub fn response_trailers(&mut self, trailers: &HeaderMap) {
        let Some(answer) = &mut self.answer else { return };
        let Some(claim) = self.ledger.claim(head_bytes(trailers)) else {
            return self.let_go(NotComparable::Shed);
        };
        answer.trailers = Some((trailers.clone(), claim));
    }

    /// The primary is done; comparing begins as soon as the copy is answered too.
    ///
    /// Where the primary was answered before its request was complete, no copy was sent, which counts as shed.
    pub fn finish(mut self: Box<Self>, end: PrimaryEnd) {
        if let Some(fault) = end.fault() {
            return self.let_go(fault);
        }
        if matches!(self.stage, Stage::Request(..)) {
            return self.let_go(NotComparable::Shed);
        }
        let answer = self.answer.take().ok_or(NotComparable::PrimaryConnect);
        self.hand_over(answer);
    }

    /// Ends the capture without an answer to compare, and frees what was kept.
    fn let_go(&mut self, reason: NotComparable) {
        self.answer = None;
        self.hand_over(Err(reason));
    }

    fn hand_over(&mut self, answer: Result<Primary, NotComparable>) {
        match (std::mem::replace(&mut self.stage, Stage::Over), answer) {
            // Where nobody waits for it, the exchange is settled: it was taken up too late, or the sender has stopped.
            (Stage::Sent(primary), answer) => drop(primary.send(answer)),
            (Stage::Request(pending, _), Err(reason)) => pending.settle_unsent(reason),
            (Stage::Request(..), Ok(_)) | (Stage::Over, _) => {}
        }
    }
}

impl Pending {
    pub(super) fn settle_unsent(self, reason: NotComparable) {
        let Self { ticket, permit, body, .. } = self;
        drop((permit, body));
        match reason {
            NotComparable::Shed => ticket.route.counters.record_shadow(ShadowResult::Shed),
            NotComparable::Oversize => ticket.route.counters.record_shadow(ShadowResult::Oversize),
            _ => {}
        }
        let judged = Judged::without_samples(Comparison::impossible(reason));
        ticket.settle(judged, Statuses::default());
    }
}

/// Whether an answer is an event stream, which has no end to wait for.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let stream = b"text/event-stream";
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().get(..stream.len()));
    media.is_some_and(|media| media.eq_ignore_ascii_case(stream))
}
