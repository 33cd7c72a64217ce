//! How does a rollout look? Its steps, what its gates found, and what it still waits for.

use std::time::Duration;

use config::Plan;
use config::units::Time;
use jiff::Timestamp;
use rules::gate::{Tally, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

use super::moment_ms;
use crate::command::Scope;
use crate::rollout::lint::in_words;
use crate::rollout::{Named, Place, Rollout, Seen, Wait};

/// A rollout as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RolloutView {
    /// The route.
    route: String,
    /// Only this cohort's traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    cohort: Option<String>,
    /// Only this tenant's traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// The plan's name.
    plan: String,
    /// `running`, `paused`, `promoting`, `completed` or `aborted`.
    phase: &'static str,
    /// Counts the rollouts of this traffic.
    generation: u64,
    /// Which step it is at, from 1.
    step: usize,
    /// All steps.
    steps: Vec<StepView>,
    /// When the step began (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// Until when it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    /// When the rollout ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    /// Who started it.
    started_by: String,
    /// Who has approved of the step.
    approved_by: Vec<String>,
    /// The arm that the candidate is compared with: `stable`, or `baseline`, whose counts gates then have under `stable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    control: Option<&'static str>,
    /// What the gates found at the last look.
    gates: Vec<GateView>,
    /// What the step still waits for, for people; what is waited for is all that stands between it and the next one.
    waits: Vec<WaitView>,
}

/// One step of a plan.
#[derive(Debug, Serialize, ToSchema)]
struct StepView {
    /// What it does.
    #[schema(example = "canary 5%")]
    name: String,
    /// How long it lasts at least.
    #[serde(rename = "for")]
    bake: String,
    /// `done`, `current` or `to_come`.
    state: &'static str,
}

/// What a gate found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GateView {
    /// Its name: `error_rate`, `p95`, `p99`, `parity`, `fast_burn`, `min_requests`, `min_tenants`, an external gate's own, or
    /// `confirm/` and who is asked to.
    gate: String,
    /// By which rule: `harm`, `not_worse`, `absolute`, `fast_burn`, `parity`, `sample`, `tenants` or `external`.
    rule: &'static str,
    /// `pass`, `hold` or `fail`.
    verdict: &'static str,
    /// Why.
    grounds: &'static str,
    /// What the candidate did.
    candidate: TallyView,
    /// What stable did.
    stable: TallyView,
    /// The bound, ratio or logarithm of evidence that was looked at.
    figure: Option<f64>,
    /// What it was held against.
    limit: Option<f64>,
    /// How many further requests it needs, where that can be said.
    needs: Option<u64>,
    /// What is to be known of it beside: why another system gave no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Bad requests out of all.
#[derive(Debug, Serialize, ToSchema)]
struct TallyView {
    /// The bad ones.
    bad: u64,
    /// All of them.
    total: u64,
}

/// What is waited for.
#[derive(Debug, Serialize, ToSchema)]
struct WaitView {
    /// `time`, `gate`, `window`, `approvals`, `clean_days` or `requests`.
    kind: &'static str,
    /// The same for people.
    #[schema(example = "error_rate not_worse: needs 1240 more requests, about 14 min")]
    text: String,
    /// Until when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl RolloutView {
    pub(crate) fn new(
        place: &Place,
        rollout: &Rollout,
        seen: Option<&Seen>,
        now: Timestamp,
    ) -> Self {
        let plan = rollout.plan();
        let (cohort, tenant) = match &place.scope {
            Scope::Route => (None, None),
            Scope::Cohort(name) => (Some(name.to_string()), None),
            Scope::Tenant(id) => (None, Some(id.to_string())),
        };
        let current = seen.filter(|seen| seen.progress.stretch == rollout.stretch());
        let pace = current.and_then(|seen| pace(rollout, seen, now));
        let waits = current.map(|seen| seen.waits.iter().map(|one| wait(one, pace)).collect());
        Self {
            route: place.route.to_string(),
            cohort,
            tenant,
            plan: rollout.plan.clone(),
            phase: rollout.phase.as_str(),
            generation: rollout.generation,
            step: rollout.step.saturating_add(1),
            steps: plan.map(|plan| steps(&plan, rollout)).unwrap_or_default(),
            since: rollout.since_unix_ms.map(moment_ms),
            deadline: rollout.deadline_unix_ms.map(moment_ms),
            ended: rollout.ended_unix_ms.map(moment_ms),
            started_by: rollout.started_by.clone(),
            approved_by: rollout.approved_by.clone(),
            control: current.map(|seen| seen.control.as_str()),
            gates: current.map(|seen| seen.findings.iter().map(gate).collect()).unwrap_or_default(),
            waits: waits.unwrap_or_default(),
        }
    }
}

fn steps(plan: &Plan, rollout: &Rollout) -> Vec<StepView> {
    let completed = rollout.phase == crate::rollout::Phase::Completed;
    let state = |place: usize| match place.cmp(&rollout.step) {
        _ if completed => "done",
        std::cmp::Ordering::Less => "done",
        std::cmp::Ordering::Equal => "current",
        std::cmp::Ordering::Greater => "to_come",
    };
    let steps = plan.steps.iter().enumerate();
    steps
        .map(|(place, step)| StepView {
            name: step.to_string(),
            bake: Time(step.bake).to_string(),
            state: state(place),
        })
        .collect()
}

fn gate(named: &Named) -> GateView {
    let finding = &named.finding;
    let tally = |tally: Tally| TallyView { bad: tally.bad, total: tally.total };
    GateView {
        gate: named.gate.to_string(),
        rule: finding.rule.as_str(),
        verdict: finding.verdict.as_str(),
        grounds: finding.grounds.as_str(),
        candidate: tally(finding.seen.candidate),
        stable: tally(finding.seen.stable),
        figure: finding.figure,
        limit: finding.limit,
        needs: finding.needs.filter(|_| finding.verdict == Verdict::Hold),
        note: named.note.as_ref().map(ToString::to_string),
    }
}

/// How many of the requests that gates count there are per second.
#[expect(clippy::cast_precision_loss, reason = "requests and milliseconds are far below 2^52")]
fn pace(rollout: &Rollout, seen: &Seen, now: Timestamp) -> Option<f64> {
    let counted = seen.findings.iter().map(|named| named.finding.seen.candidate.total).max()?;
    let ms = now.as_millisecond().saturating_sub(rollout.since_unix_ms?);
    (ms > 0 && counted > 0).then(|| counted as f64 * 1_000.0 / ms as f64)
}

fn wait(wait: &Wait, pace: Option<f64>) -> WaitView {
    let view = |kind, text, until| WaitView { kind, text, until };
    match *wait {
        Wait::Time { until_unix_ms } => {
            let until = moment_ms(until_unix_ms);
            view("time", format!("lasts until {until}"), Some(until))
        }
        Wait::Gate { ref gate, rule, needs, ref note } => {
            let needs = needs.map(|needs| needed(needs, pace)).unwrap_or_default();
            let note = note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            view("gate", format!("{gate} {rule}{needs}{note}"), None)
        }
        Wait::Closed { until_unix_ms } => {
            let until = until_unix_ms.map(moment_ms);
            let told = until.as_deref().map(|until| format!(" until {until}")).unwrap_or_default();
            view("window", format!("a window or a freeze keeps it here{told}"), until)
        }
        Wait::Approvals { needed } => {
            let text =
                format!("{needed} more {}", if needed == 1 { "approval" } else { "approvals" });
            view("approvals", text, None)
        }
        Wait::Days { clean, needed } => {
            view("clean_days", format!("{clean} of {needed} clean days"), None)
        }
        Wait::Requests => {
            let text = "there were no requests to judge by for a minute, or a node says nothing";
            view("requests", text.to_owned(), None)
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "requests are far below 2^52")]
fn needed(needs: u64, pace: Option<f64>) -> String {
    let takes = pace.and_then(|pace| Duration::try_from_secs_f64(needs as f64 / pace).ok());
    let about = takes.map(|takes| format!(", about {}", in_words(takes))).unwrap_or_default();
    let noun = if needs == 1 { "request" } else { "requests" };
    format!(": needs {needs} more {noun}{about}")
}
