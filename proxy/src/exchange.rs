//! What does the proxy remember of one request, from its first byte to its line in the log?

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Version};
use rules::route::{FamilyId, RouteId};
use rules::sli::{ErrorClass, Scheme, SeriesKey};
use rules::upstream::{Attempt, Outcome, Refused, Retry, RetryResult};
use rules::{Arm, Decision, Route, Snapshot, Upstream};

use crate::clock::{ms_at, now_unix};
use crate::connection::Rider;
use crate::ids::Ids;
use crate::shadow::{Capture, PrimaryEnd};

/// One request and what became of it: Pingora's per-request context. Kept small, since it is part of a large future.
pub(crate) struct Exchange {
    pub(crate) started: Instant,
    /// The snapshot this request is served by, from its beginning to its end. (INV-3)
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) facts: Option<Box<Known>>,
    pub(crate) subject: Subject,
    /// The last attempt on the serving arm, under way or over.
    pub(crate) tried: Option<Attempt>,
    /// When it began.
    begun: Instant,
    /// Whether its target has sent anything of an answer.
    pub(crate) answering: bool,
    /// On both arms.
    pub(crate) attempts: u8,
    /// Held since the serving arm was tried once more.
    pub(crate) retry: Option<Retry>,
    /// Why the upstream of the serving arm took no request.
    pub(crate) refused: Option<Refused>,
    /// Set when stable serves what another arm failed to.
    pub(crate) fell_back: Option<Fallback>,
    pub(crate) failure: Option<ErrorClass>,
    pub(crate) upgraded: bool,
    /// What rides along with the connection that the attempt has got; none in HTTP/2.
    pub(crate) connection: Option<Arc<Rider>>,
    /// How long the target may let a read wait.
    patience: Duration,
    /// How many interim answers the arm has sent.
    pub(crate) interim: u8,
    pub(crate) capture: Option<Box<Capture>>,
    /// Whether the exchange has been offered to the shadow: once, whatever became of it.
    pub(crate) captured: bool,
    _in_flight: InFlight,
}

/// How another arm failed before stable took over.
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
    pub(crate) ids: Ids,
    /// The context of the trace that began here; none where the request came with one.
    pub(crate) trace: Option<Box<str>>,
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
    /// When the request came, in seconds since 1970.
    pub(crate) came_unix: i64,
}

impl Exchange {
    pub(crate) fn new(snapshot: Arc<Snapshot>, in_flight: &Arc<AtomicUsize>) -> Self {
        let started = Instant::now();
        Self {
            started,
            snapshot,
            facts: None,
            subject: Subject::Undecided,
            tried: None,
            begun: started,
            answering: false,
            attempts: 0,
            retry: None,
            refused: None,
            fell_back: None,
            failure: None,
            upgraded: false,
            connection: None,
            patience: Duration::MAX,
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

    /// What the request is called; `-` before that is known.
    pub(crate) fn request_id(&self) -> &str {
        self.facts.as_ref().map_or("-", |known| known.ids.request.as_str())
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

    /// How long the exchange has taken.
    pub(crate) fn took(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// A moment of the exchange, in seconds since 1970.
    pub(crate) fn unix_at(&self, moment: Instant) -> i64 {
        let took = i64::try_from(self.took(moment).as_secs()).unwrap_or(i64::MAX);
        self.facts.as_ref().map_or_else(now_unix, |known| known.came_unix.saturating_add(took))
    }

    /// How long the exchange may still take; zero when its time is up.
    pub(crate) fn time_left(&self, now: Instant) -> Duration {
        let total = self.route().map_or(Duration::MAX, |route| route.timeouts.total);
        total.saturating_sub(self.took(now))
    }

    /// Begins an attempt, whose target may let a read wait so long.
    pub(crate) fn begin_attempt(&mut self, attempt: Attempt, patience: Duration, now: Instant) {
        self.tried = Some(attempt);
        (self.begun, self.patience) = (now, patience);
        self.answering = false;
        self.attempts = self.attempts.saturating_add(1);
    }

    /// The attempt has got a connection.
    pub(crate) fn connected(&mut self, connection: Option<Arc<Rider>>) {
        if let Some(connection) = &connection {
            connection.begin(self.patience);
        }
        self.connection = connection;
    }

    /// Whether the attempt's connection has been used before.
    pub(crate) fn is_reused(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_reused())
    }

    /// The attempt's target has given its whole answer.
    pub(crate) fn note_answered(&self) {
        if let Some(connection) = &self.connection {
            connection.note_answered();
        }
    }

    /// The definition of the upstream that serves the request: the snapshot's, or the one that still stands in for it.
    pub(crate) fn serving_upstream(&self) -> Option<&Arc<Upstream>> {
        let attempted = self.tried.as_ref().map(Attempt::upstream);
        attempted.or_else(|| self.upstream(self.serving()?))
    }

    /// Ends the attempt that is under way, with the status that its target gave, or with none.
    pub(crate) fn end_attempt(
        &mut self,
        status: Option<u16>,
        error: Option<ErrorClass>,
        now: Instant,
    ) {
        let outcome = match (error, status) {
            (Some(ErrorClass::ClientAbort), _) | (None, None) => Outcome::Open,
            (None | Some(ErrorClass::ServerError), Some(status)) => Outcome::Answered(status),
            (Some(_), _) => Outcome::Failed,
        };
        self.end_attempt_as(outcome, status, error, now);
    }

    /// Ends the attempt that is under way: it is counted, and its target is not to blame.
    pub(crate) fn excuse_attempt(&mut self, error: ErrorClass, now: Instant) {
        self.end_attempt_as(Outcome::Open, None, Some(error), now);
    }

    fn end_attempt_as(
        &mut self,
        outcome: Outcome,
        status: Option<u16>,
        error: Option<ErrorClass>,
        now: Instant,
    ) {
        let Some(attempt) = self.tried.as_mut().filter(|attempt| attempt.is_open()) else { return };
        let aftermath = attempt.end(outcome, ms_at(now));
        let (Some(target), upstream) = (attempt.target(), attempt.upstream()) else { return };
        if let Some(time) = aftermath.ejected {
            tracing::warn!(
                upstream = %upstream.name, target = %target.address, seconds = time.as_secs_f64(),
                "a target fails and is left out"
            );
        }
        if aftermath.broke {
            tracing::warn!(upstream = %upstream.name, "an upstream fails, its breaker opened");
        }
        let result = match outcome {
            Outcome::Answered(_) => Some(RetryResult::Answered),
            Outcome::Failed => Some(RetryResult::Failed),
            Outcome::Open => None,
        };
        if let (Some(retry), Some(result)) = (&mut self.retry, result) {
            retry.end(result);
        }
        let Some(known) = &self.facts else { return };
        let scheme = if upstream.tls.is_some() { Scheme::Https } else { Scheme::Http };
        let version = if upstream.http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        let key = SeriesKey::new(&known.method, status.unwrap_or(0), error, scheme, version);
        target.state.record(key, now.saturating_duration_since(self.begun));
    }

    /// Leave to try the serving arm once more, on another target; on the same one too where `is_stale` says that it was
    /// an old connection's fault.
    pub(crate) fn may_retry(&self, is_stale: bool) -> Option<Retry> {
        let tried = self.tried.as_ref().filter(|_| self.retry.is_none())?;
        let upstream = tried.upstream();
        let is_worth_it = is_stale || upstream.has_another(tried.target()?);
        if is_worth_it && !self.time_left(Instant::now()).is_zero() {
            upstream.retry()
        } else {
            None
        }
    }

    /// Stable takes over what another arm failed to serve.
    pub(crate) fn fall_back(&mut self, class: ErrorClass, status: Option<u16>) {
        let now = Instant::now();
        self.end_attempt(status, Some(class), now);
        self.fell_back = Some(Fallback { class, after: self.took(now) });
        self.tried = None;
        self.retry = None;
        // A copy went to stable, which now serves the client too: there is nothing to compare.
        if let Some(capture) = self.capture.take() {
            capture.finish(PrimaryEnd::Connect);
        }
    }

    /// Whether stable may still serve what another arm fails to: nothing has reached the client, and doing it twice
    /// does no harm.
    pub(crate) fn may_fall_back(&self) -> bool {
        self.serving().is_some_and(|arm| arm != Arm::Stable)
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
