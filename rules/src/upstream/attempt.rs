//! May a request be sent to an upstream, and what does the upstream learn from what comes of it?

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::breaker::Permit;
use super::pick::Picked;
use super::pool::Upstream;
use super::target::Target;
use super::usage::{Overflow, RetryResult};

/// Why no request can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No target with a weight is resolved.
    NoTarget,
    /// The upstream takes no more for now.
    Overflow(Overflow),
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The target answered with this status.
    Answered(u16),
    /// No connection, no answer, or one that broke off.
    Failed,
    /// Something that says nothing about the target: the client left, or a connection had been idle for too long.
    Open,
}

/// What the upstream made of an outcome, for the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Aftermath {
    /// The target is left out, for so long.
    pub ejected: Option<Duration>,
    /// The breaker opened.
    pub broke: bool,
}

/// One request at one target: counted as in flight until it ends or is dropped.
#[derive(Debug)]
pub struct Attempt {
    upstream: Arc<Upstream>,
    place: u16,
    stage: Stage,
    is_trial: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has no connection yet.
    Pending,
    Connected,
    Over,
}

impl Upstream {
    /// Leave to send a request, to which of the targets, and at which address. `except` is the target that has failed the
    /// request already.
    ///
    /// The definition that serves now decides, see [`Upstream::serving`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use rules::Upstream;
    /// use rules::upstream::{
    ///     Outcome, Protection, Target, TargetState, UpstreamDefinition, UpstreamTimeouts,
    /// };
    ///
    /// let target = |address: &str| {
    ///     let address = address.parse().unwrap();
    ///     let state = Arc::new(TargetState::new(&address));
    ///     Target { address, weight: 1, state }
    /// };
    /// let second = Duration::from_secs(1);
    /// let upstream = Arc::new(Upstream::new(UpstreamDefinition {
    ///     name: "api".parse().unwrap(),
    ///     generation: 1,
    ///     targets: vec![target("10.0.0.11:3000"), target("10.0.0.12:3000")],
    ///     tls: None,
    ///     http2: false,
    ///     health: None,
    ///     timeouts: UpstreamTimeouts { connect: second, read: second, write: second, idle: second },
    ///     protection: Protection::default(),
    /// }));
    /// let (mut first, address) = upstream.attempt(0, None).unwrap();
    /// assert_eq!(address.to_string(), "10.0.0.11:3000");
    /// first.connected();
    /// // Who has failed a request does not get it again.
    /// first.end(Outcome::Failed, 5);
    /// let (_second, address) = upstream.attempt(5, first.target()).unwrap();
    /// assert_eq!(address.to_string(), "10.0.0.12:3000");
    /// ```
    ///
    /// # Errors
    /// When the upstream takes no more, or has no target.
    pub fn attempt(
        self: &Arc<Self>,
        now_ms: u64,
        except: Option<&Target>,
    ) -> Result<(Attempt, SocketAddr), Refused> {
        let upstream = self.serving(now_ms);
        let permit = upstream.enter(now_ms).map_err(|reason| {
            upstream.usage.overflowed(reason);
            Refused::Overflow(reason)
        })?;
        let is_trial = permit == Permit::Trial;
        let Some(Picked { place, target, address }) = upstream.pick(now_ms, except) else {
            upstream.leave(Stage::Pending, is_trial);
            return Err(Refused::NoTarget);
        };
        target.state.in_flight.fetch_add(1, Ordering::Relaxed);
        Ok((Attempt { upstream, place, stage: Stage::Pending, is_trial }, address))
    }

    /// Leave to try a request again; none when too many retries are under way already.
    #[must_use]
    pub fn retry(self: &Arc<Self>) -> Option<Retry> {
        let most = self.protection.retry.most(self.usage.in_flight());
        if !self.usage.retrying.enter(most) {
            self.usage.retried(RetryResult::OverBudget);
            return None;
        }
        Some(Retry { upstream: Arc::clone(self), result: None })
    }

    fn enter(&self, now_ms: u64) -> Result<Permit, Overflow> {
        let permit = self.breaker.permit(now_ms).ok_or(Overflow::Breaker)?;
        let limits = self.protection.limits;
        let refused = if !self.usage.in_flight.enter(limits.most_in_flight(self.http2)) {
            Overflow::Connections
        } else if !self.usage.pending.enter(limits.max_pending) {
            self.usage.in_flight.leave();
            Overflow::Pending
        } else {
            return Ok(permit);
        };
        if permit == Permit::Trial {
            self.breaker.untried();
        }
        Err(refused)
    }

    fn leave(&self, stage: Stage, is_trial: bool) {
        self.usage.in_flight.leave();
        if stage == Stage::Pending {
            self.usage.pending.leave();
        }
        if is_trial {
            self.breaker.untried();
        }
    }

    fn learn(&self, target: &Target, outcome: Outcome, is_trial: bool, now_ms: u64) -> Aftermath {
        let (errs, fails) = match outcome {
            Outcome::Answered(status) => (status >= 500, matches!(status, 502..=504)),
            Outcome::Failed => (true, true),
            Outcome::Open => return Aftermath::default(),
        };
        let breaking = &self.protection.breaking;
        let broke = if is_trial {
            self.breaker.tried(breaking, now_ms, fails);
            false
        } else {
            self.breaker.note(breaking, now_ms, fails)
        };
        let ejection = &target.state.ejection;
        if !errs {
            ejection.succeeded();
        }
        let too_many = errs && ejection.failed(&self.protection.ejecting, now_ms);
        let ejected = if too_many { self.eject(target, now_ms) } else { None };
        Aftermath { ejected, broke }
    }

    /// Leaves a target out, unless too many are out already.
    fn eject(&self, target: &Target, now_ms: u64) -> Option<Duration> {
        let ejecting = &self.protection.ejecting;
        let weighted = || self.targets.iter().filter(|target| target.weight > 0);
        let out = weighted().filter(|target| target.state.is_ejected(now_ms)).count();
        let most = weighted().count() * usize::from(ejecting.most.basis_points()) / 10_000;
        (out < most).then(|| target.state.ejection.eject(ejecting, now_ms)).flatten()
    }
}

impl Attempt {
    /// The definition of the upstream that it belongs to.
    #[must_use]
    pub const fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// Where it is sent.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        self.upstream.targets.get(usize::from(self.place))
    }

    /// A connection stands.
    pub fn connected(&mut self) {
        if self.stage == Stage::Pending {
            self.stage = Stage::Connected;
            self.upstream.usage.pending.leave();
        }
    }

    /// The head of the answer is there. What it says is judged when the attempt ends; but whoever waits for the breaker's
    /// trial need not wait for the end of a long answer.
    pub fn answered(&mut self, status: u16, now_ms: u64) {
        if self.is_trial {
            self.is_trial = false;
            let fails = matches!(status, 502..=504);
            self.upstream.breaker.tried(&self.upstream.protection.breaking, now_ms, fails);
        }
    }

    /// Whether nothing has come of it yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.stage != Stage::Over
    }

    /// Ends the attempt: the upstream learns from it what there is to learn. Once it is over, nothing more.
    pub fn end(&mut self, outcome: Outcome, now_ms: u64) -> Aftermath {
        if self.stage == Stage::Over {
            return Aftermath::default();
        }
        let learnt =
            self.target().map(|target| self.upstream.learn(target, outcome, self.is_trial, now_ms));
        // A trial of which nothing is learnt is still one.
        self.is_trial = self.is_trial && outcome == Outcome::Open;
        self.leave();
        learnt.unwrap_or_default()
    }

    fn leave(&mut self) {
        if let Some(target) = self.target() {
            target.state.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        self.upstream.leave(self.stage, self.is_trial);
        self.stage = Stage::Over;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.stage != Stage::Over {
            self.leave();
        }
    }
}

/// One retry: counted as under way until it is dropped.
#[derive(Debug)]
pub struct Retry {
    upstream: Arc<Upstream>,
    result: Option<RetryResult>,
}

impl Retry {
    /// Notes what came of it.
    pub fn end(&mut self, result: RetryResult) {
        self.result = Some(result);
    }
}

impl Drop for Retry {
    fn drop(&mut self) {
        self.upstream.usage.retrying.leave();
        if let Some(result) = self.result {
            self.upstream.usage.retried(result);
        }
    }
}
