//! What does the proxy remember of one request, from its first byte to its line in the log?

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Version};
use rules::route::{FamilyId, RouteId};
use rules::sli::{ErrorClass, Scheme, SeriesKey};
use rules::upstream::Target;
use rules::{Arm, Decision, Route, Snapshot, Upstream};

use crate::shadow::{Capture, PrimaryEnd};

/// One request and what became of it: Pingora's per-request context. Kept small, since it is part of a large future.
pub(crate) struct Exchange {
    pub(crate) started: Instant,
    /// The snapshot this request is served by, from its beginning to its end. (INV-3)
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) facts: Option<Box<Known>>,
    pub(crate) subject: Subject,
    /// The targets tried on the serving arm: none, the first, or the first and another.
    pub(crate) tried: Option<Target>,
    pub(crate) attempts: u8,
    /// Whether another target of the serving arm was tried already.
    pub(crate) retried: bool,
    /// When the attempt that is under way began.
    pub(crate) attempt: Option<Instant>,
    /// Set when stable serves what the candidate failed to.
    pub(crate) fell_back: Option<Fallback>,
    pub(crate) failure: Option<ErrorClass>,
    pub(crate) upgraded: bool,
    /// How many interim answers the arm has sent.
    pub(crate) interim: u8,
    pub(crate) capture: Option<Box<Capture>>,
    /// Whether the exchange has been offered to the shadow: once, whatever became of it.
    pub(crate) captured: bool,
    _in_flight: InFlight,
}

/// How the candidate failed before stable took over.
#[derive(Clone, Copy)]
pub(crate) struct Fallback {
    pub(crate) class: ErrorClass,
    /// How long the client had waited by then.
    pub(crate) after: Duration,
}

/// What a request was found to be about.
pub(crate) enum Subject {
    /// Nothing has been decided.
    Undecided,
    /// It was answered by the proxy itself, on a route or on none.
    Answered(Option<(RouteId, FamilyId)>),
    /// An arm serves it.
    Forwarded(Box<Decision>),
}

/// What was found out about a request when it came in, for later phases.
pub(crate) struct Known {
    pub(crate) request_id: Box<str>,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) trusted: bool,
    /// Whether a trusted peer asks for the debug headers.
    pub(crate) debug: bool,
    pub(crate) https: bool,
    pub(crate) method: Method,
    /// The authority as the client wrote it.
    pub(crate) host: Box<str>,
    /// The path in normal form, where the client wrote it in another one.
    pub(crate) normal_path: Option<Box<str>>,
    /// What the client itself calls the request, where that is not its id.
    pub(crate) correlation_id: Option<Box<str>>,
}

impl Exchange {
    pub(crate) fn new(snapshot: Arc<Snapshot>, in_flight: &Arc<AtomicUsize>) -> Self {
        Self {
            started: Instant::now(),
            snapshot,
            facts: None,
            subject: Subject::Undecided,
            tried: None,
            attempts: 0,
            retried: false,
            attempt: None,
            fell_back: None,
            failure: None,
            upgraded: false,
            interim: 0,
            capture: None,
            captured: false,
            _in_flight: InFlight::enter(in_flight),
        }
    }

    pub(crate) fn decision(&self) -> Option<&Decision> {
        match &self.subject {
            Subject::Forwarded(decision) => Some(decision),
            Subject::Undecided | Subject::Answered(_) => None,
        }
    }

    /// The route and path family, where they are known.
    pub(crate) fn place(&self) -> Option<(&Arc<Route>, FamilyId)> {
        let (route, family) = match &self.subject {
            Subject::Forwarded(decision) => (decision.route, decision.family),
            Subject::Answered(place) => (*place)?,
            Subject::Undecided => return None,
        };
        Some((self.snapshot.table.route(route)?, family))
    }

    pub(crate) fn route(&self) -> Option<&Arc<Route>> {
        self.place().map(|(route, _)| route)
    }

    /// The request's path, as it is matched and forwarded: in normal form. `written` is how the client wrote it.
    pub(crate) fn path<'p>(&'p self, written: &'p str) -> &'p str {
        self.facts.as_ref().and_then(|known| known.normal_path.as_deref()).unwrap_or(written)
    }

    /// The arm that serves the request now: the decision's, or stable after a fallback.
    pub(crate) fn serving(&self) -> Option<Arm> {
        let decided = self.decision()?.arm;
        Some(if self.fell_back.is_some() { Arm::Stable } else { decided })
    }

    /// The upstream of an arm, for this request's path family.
    pub(crate) fn upstream(&self, arm: Arm) -> Option<&Arc<Upstream>> {
        let (route, family) = self.place()?;
        self.snapshot.upstream(route.family(family)?.arm(arm)?.upstream)
    }

    /// How long the exchange may still take; zero when its time is up.
    pub(crate) fn time_left(&self) -> Duration {
        let total = self.route().map_or(Duration::MAX, |route| route.timeouts.total);
        total.saturating_sub(self.started.elapsed())
    }

    /// Counts the attempt that is under way, which ends now, with the status that its target gave, or with none.
    pub(crate) fn end_attempt(&mut self, status: Option<u16>, error: Option<ErrorClass>) {
        let (Some(begun), Some(target)) = (self.attempt.take(), &self.tried) else { return };
        let Some(known) = &self.facts else { return };
        let upstream = self.serving().and_then(|arm| self.upstream(arm));
        let tls = upstream.is_some_and(|upstream| upstream.tls.is_some());
        let http2 = upstream.is_some_and(|upstream| upstream.http2);
        let scheme = if tls { Scheme::Https } else { Scheme::Http };
        let version = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        let key = SeriesKey::new(&known.method, status.unwrap_or(0), error, scheme, version);
        target.state.record(key, begun.elapsed());
    }

    /// Stable takes over what the candidate failed to serve.
    pub(crate) fn fall_back(&mut self, class: ErrorClass, status: Option<u16>) {
        self.end_attempt(status, Some(class));
        self.fell_back = Some(Fallback { class, after: self.started.elapsed() });
        self.tried = None;
        self.retried = false;
        // A copy went to stable, which now serves the client too: there is nothing to compare.
        if let Some(capture) = self.capture.take() {
            capture.finish(PrimaryEnd::Connect);
        }
    }

    /// Whether stable may still serve what the candidate fails to: nothing has reached the client, and doing it twice
    /// does no harm.
    pub(crate) fn may_fall_back(&self) -> bool {
        self.serving() == Some(Arm::Candidate)
            && self.route().is_some_and(|route| route.fallback_to_stable)
            && self.facts.as_ref().is_some_and(|known| known.method.is_idempotent())
    }
}

/// Counts a request as in flight until it is dropped, however it ends.
struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn enter(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
