//! A rollout as it runs: its steps in one row, with everything that holds for each.
//!
//! [`Plan`] is what a `rollouts:` entry compiles to; [`Calendar`] says when it may go on, [`ExternalGate`] and [`Hook`] who
//! else is asked.

mod calendar;
mod external;

use std::fmt;
use std::time::Duration;

use rules::gate::SliRules;
use rules::{CohortName, Share};

pub use calendar::{Calendar, CalendarError, Freeze, Window};
pub use external::{Expected, ExternalGate, Hook, HookKind, Moment, Question};

use crate::document::rollout::{AtDeadlineSpec, OnFailSpec, RolloutSpec};

/// A plan of steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What is done, one after the other. Steps of cohorts stand here once per cohort.
    pub steps: Vec<Step>,
    /// When it may go on.
    pub calendar: Calendar,
    /// How long after it was aborted it may not be started again.
    pub cool_down: Duration,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// With whose traffic; everybody's where none is named.
    pub cohort: Option<CohortName>,
    /// How long it lasts at least.
    pub bake: Duration,
    /// What must be true before the next step.
    pub gates: Gates,
    /// Who is asked or told before it begins.
    pub before: Vec<Hook>,
    /// Who is asked or told when it ends.
    pub after: Vec<Hook>,
    /// How long it may take altogether.
    pub deadline: Option<Duration>,
    /// What happens then.
    pub at_deadline: AtDeadlineSpec,
    /// What happens when a gate fails.
    pub on_fail: OnFailSpec,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Copies this share of the requests to the candidate.
    Shadow(Share),
    /// Puts this share of the traffic on the candidate.
    Canary(Share),
    /// Waits until people say that it may go on.
    Approval(Approval),
    /// Waits for so many clean days.
    CleanDays(u32),
}

/// Who has to say that it may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The people who may; anybody where none are named.
    pub from: Vec<String>,
    /// How many of them are needed.
    pub needed: usize,
    /// Whether whoever started the rollout does not count.
    pub four_eyes: bool,
}

/// What must be true before the next step.
#[derive(Debug, Clone, PartialEq)]
pub struct Gates {
    /// Failed requests.
    pub errors: SliRules,
    /// Slow requests, by quantile.
    pub latencies: Vec<LatencyGate>,
    /// The largest ratio of exchanges that differ.
    pub parity: Option<f64>,
    /// What other systems must say.
    pub externals: Vec<ExternalGate>,
    /// So many requests of the candidate at least.
    pub smallest: u64,
    /// So many different tenants on the candidate at least.
    pub tenants: Option<u64>,
}

/// Slow requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencyGate {
    /// The part of the requests that is to be quick.
    pub quantile: f64,
    /// What is slow, where that is not what stable's quantile was before.
    pub slow: Option<Duration>,
    /// How many may be slow.
    pub rules: SliRules,
}

impl LatencyGate {
    /// The gate's name: `p95`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.quantile < 0.97 { "p95" } else { "p99" }
    }
}

impl Plan {
    /// The plan of a rollout that was found right when its document was compiled; none where it was not.
    #[must_use]
    pub fn of(spec: &RolloutSpec) -> Option<Self> {
        crate::compile::plan(spec)
    }

    /// Whether any step asks for more different tenants than one.
    #[must_use]
    pub fn asks_for_tenants(&self) -> bool {
        self.steps.iter().any(|step| step.gates.tenants.is_some_and(|least| least > 1))
    }

    /// How often tests begin anew: once per step.
    #[must_use]
    pub const fn resets(&self) -> usize {
        self.steps.len()
    }

    /// Who has to say `go` between a step and the next one: those after the one, then those before the other.
    #[must_use]
    pub fn confirmed_by(&self, place: usize) -> Vec<(Moment, &Hook)> {
        self.hooks(place, HookKind::Confirm)
    }

    /// Who is told when a step ends and the next one begins, in this order.
    #[must_use]
    pub fn told_after(&self, place: usize) -> Vec<(Moment, &Hook)> {
        self.hooks(place, HookKind::Notify)
    }

    /// Who is told when the first step begins.
    #[must_use]
    pub fn told_first(&self) -> Vec<&Hook> {
        let before = self.steps.first().map(|step| step.before.iter());
        before.into_iter().flatten().filter(|hook| hook.kind == HookKind::Notify).collect()
    }

    fn hooks(&self, place: usize, kind: HookKind) -> Vec<(Moment, &Hook)> {
        let after = self.steps.get(place).map(|step| step.after.iter());
        let before = self.steps.get(place.saturating_add(1)).map(|step| step.before.iter());
        let after = after.into_iter().flatten().map(|hook| (Moment::After, hook));
        let before = before.into_iter().flatten().map(|hook| (Moment::Before, hook));
        after.chain(before).filter(|(_, hook)| hook.kind == kind).collect()
    }

    /// The share of copies and of traffic that a step leaves its scope with; what no step before it said is as `start`.
    #[must_use]
    pub fn shares(&self, place: usize) -> Shares {
        let mut shares = Shares::default();
        let cohort = self.steps.get(place).and_then(|step| step.cohort.as_ref());
        for step in self.steps.iter().take(place.saturating_add(1)) {
            if step.cohort.is_some() && step.cohort.as_ref() != cohort {
                continue;
            }
            match step.action {
                Action::Shadow(share) => shares.shadow = Some(share),
                Action::Canary(share) => shares.canary = Some(share),
                Action::Approval(_) | Action::CleanDays(_) => {}
            }
        }
        shares
    }
}

/// What a plan has said of shares so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shares {
    /// Of copies.
    pub shadow: Option<Share>,
    /// Of traffic.
    pub canary: Option<Share>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cohort) = &self.cohort {
            write!(f, "cohort {cohort}: ")?;
        }
        match &self.action {
            Action::Shadow(share) => write!(f, "shadow {share}"),
            Action::Canary(share) if share.is_all() => f.write_str("live"),
            Action::Canary(share) => write!(f, "canary {share}"),
            Action::Approval(approval) => write!(f, "approval by {}", approval.needed),
            Action::CleanDays(days) => write!(f, "{days} clean days"),
        }
    }
}
