//! How do commands start, move and end rollouts? The traffic that goes with it changes in the same revision, so that a
//! step is never half taken.

use std::sync::Arc;

use config::document::RolloutSpec;
use config::plan::{Action, Step};
use config::{Plan, ShiftSpec};
use jiff::{SignedDuration, Timestamp};
use rules::{RouteName, Share};

use super::counting::{MOST_TENANTS, tenants_counted};
use super::traffic::{self, effective, known, put};
use super::{Applied, Desired, Next, Refusal, summary};
use crate::command::{RolloutChange, Scope};
use crate::rollout::{Phase, Place, Rollout};

pub(super) fn change(
    desired: &Desired,
    place: &Place,
    change: &RolloutChange,
) -> Result<Applied, Refusal> {
    match change {
        RolloutChange::Start { plan, by, at_unix_ms } => {
            start(desired, place, plan.as_deref(), by, *at_unix_ms)
        }
        RolloutChange::Pause { .. } => pause(desired, place, change),
        RolloutChange::Resume => resume(desired, place),
        RolloutChange::Promote { expected, at_unix_ms, .. } => {
            promote(desired, place, *expected, *at_unix_ms)
        }
        RolloutChange::PromoteToEnd => promote_to_end(desired, place),
        RolloutChange::Approve { by } => approve(desired, place, by),
    }
}

fn start(
    desired: &Desired,
    place: &Place,
    plan: Option<&str>,
    by: &str,
    at_unix_ms: i64,
) -> Result<Applied, Refusal> {
    known(desired, &place.route, &place.scope)?;
    let (name, spec) = written(desired, &place.route, plan)?;
    let before = desired.rollouts.get(place);
    if before.is_some_and(|before| !before.phase.is_over()) {
        return Err(Refusal::RolloutRuns { place: place.to_string() });
    }
    let unusable = |reason: String| Refusal::Rollout { place: place.to_string(), reason };
    let plan = Plan::of(spec).ok_or_else(|| unusable(format!("plan {name:?} is not valid")))?;
    if place.scope != Scope::Route && plan.steps.iter().any(|step| step.cohort.is_some()) {
        return Err(unusable(format!("plan {name:?} names cohorts: it is for a whole route")));
    }
    if let Some(until) = before.and_then(|before| cooling_until(before, at_unix_ms)) {
        return Err(unusable(format!("it was aborted, and may be started again at {until}")));
    }
    let is_tenant = matches!(place.scope, Scope::Tenant(_));
    if is_tenant && plan.asks_for_tenants() {
        return Err(unusable(format!(
            "plan {name:?} asks for more tenants than one (`min_tenants`): name another one"
        )));
    }
    if is_tenant || plan.asks_for_tenants() {
        looks_for_tenants(desired, place).map_err(&unusable)?;
    }
    if is_tenant && tenants_counted(desired) >= MOST_TENANTS {
        return Err(unusable(format!(
            "{MOST_TENANTS} tenants have rollouts of their own under way, as many as are counted at once: wait for one to end, or roll out to a cohort"
        )));
    }
    let rollout = Rollout {
        plan: name.to_owned(),
        spec: Arc::new(spec.clone()),
        generation: before.map_or(1, |before| before.generation.saturating_add(1)),
        phase: Phase::Running,
        step: 0,
        begun: 0,
        since_unix_ms: None,
        deadline_unix_ms: None,
        started_by: by.to_owned(),
        approved_by: Vec::new(),
        ended_unix_ms: None,
    };
    let told = format!("rollout {name} started");
    enter(desired, place, &plan, rollout, &told)
}

fn looks_for_tenants(desired: &Desired, place: &Place) -> Result<(), String> {
    let written = desired.configuration.document.routes.get(place.route.as_str());
    match written.and_then(|route| route.tenant.as_ref()) {
        Some(_) => Ok(()),
        None => Err("the route does not look for tenants: give it a `tenant:`".to_owned()),
    }
}

/// The plan of a name, or the one that the route names.
fn written<'d>(
    desired: &'d Desired,
    route: &RouteName,
    plan: Option<&'d str>,
) -> Result<(&'d str, &'d RolloutSpec), Refusal> {
    let document = &desired.configuration.document;
    let of_route = || document.routes.get(route.as_str())?.rollout.as_deref();
    let name = plan.or_else(of_route).ok_or_else(|| Refusal::Rollout {
        place: route.to_string(),
        reason: "the route has no `rollout:`: add one to the configuration, or name a plan".into(),
    })?;
    let unknown = || super::apply::unknown("rollout", name, document.rollouts.keys());
    Ok((name, document.rollouts.get(name).ok_or_else(unknown)?))
}

fn cooling_until(before: &Rollout, now_unix_ms: i64) -> Option<Timestamp> {
    let ended = Timestamp::from_millisecond(before.ended_unix_ms?).ok()?;
    let cool_down = SignedDuration::try_from(before.spec.cool_down.0).ok()?;
    let until = ended.checked_add(cool_down).ok()?;
    (before.phase == Phase::Aborted && until.as_millisecond() > now_unix_ms).then_some(until)
}

fn pause(desired: &Desired, place: &Place, change: &RolloutChange) -> Result<Applied, Refusal> {
    let rollout = under_way(desired, place)?;
    if let RolloutChange::Pause { expected: Some(expected), .. } = change
        && rollout.stretch() != *expected
    {
        return Err(elsewhere(place, rollout));
    }
    if rollout.phase == Phase::Paused {
        return Ok(Applied::Unchanged(format!("{}: paused", told_place(place))));
    }
    let paused = Rollout { phase: Phase::Paused, ..rollout.clone() };
    Ok(keep(desired.clone(), place, paused, "rollout paused"))
}

/// Goes on at the same step, which begins anew: shares as the plan has them, tests without a memory.
fn resume(desired: &Desired, place: &Place) -> Result<Applied, Refusal> {
    let rollout = under_way(desired, place)?;
    if rollout.phase != Phase::Paused {
        let phase = rollout.phase.as_str();
        return Ok(Applied::Unchanged(format!("{}: {phase}", told_place(place))));
    }
    let plan = plan_of(place, rollout)?;
    let begun = rollout.begun.saturating_add(1);
    let again = Rollout { phase: Phase::Running, begun, since_unix_ms: None, ..rollout.clone() };
    enter(desired, place, &plan, again, "rollout resumed")
}

/// Goes one step further, whoever asks: the engine when all gates pass, or people.
fn promote(
    desired: &Desired,
    place: &Place,
    expected: Option<(u64, usize, u32)>,
    at_unix_ms: i64,
) -> Result<Applied, Refusal> {
    let rollout = under_way(desired, place)?;
    if expected.is_some_and(|expected| rollout.stretch() != expected) {
        return Err(elsewhere(place, rollout));
    }
    let plan = plan_of(place, rollout)?;
    if let Some(reason) = closed(&plan, at_unix_ms) {
        return Err(Refusal::Rollout { place: place.to_string(), reason });
    }
    let step = rollout.step.saturating_add(1);
    if step >= plan.steps.len() {
        let done = Rollout { phase: Phase::Completed, ..rollout.clone() };
        return Ok(keep(desired.clone(), place, done, "rollout completed"));
    }
    let phase = if rollout.phase == Phase::Promoting { Phase::Promoting } else { Phase::Running };
    let next = Rollout {
        phase,
        step,
        begun: 0,
        since_unix_ms: None,
        approved_by: Vec::new(),
        ..rollout.clone()
    };
    enter(desired, place, &plan, next, "rollout")
}

fn closed(plan: &Plan, at_unix_ms: i64) -> Option<String> {
    let at = Timestamp::from_millisecond(at_unix_ms).ok()?;
    if plan.calendar.is_open(at) {
        return None;
    }
    let until = plan.calendar.next_open(at).map(|until| format!(" until {until}"));
    Some(format!(
        "a window or a freeze of its plan keeps it where it is{}",
        until.unwrap_or_default()
    ))
}

fn promote_to_end(desired: &Desired, place: &Place) -> Result<Applied, Refusal> {
    let rollout = under_way(desired, place)?;
    if rollout.phase == Phase::Promoting {
        return Ok(Applied::Unchanged(format!("{}: promoting", told_place(place))));
    }
    let promoting = Rollout { phase: Phase::Promoting, ..rollout.clone() };
    Ok(keep(desired.clone(), place, promoting, "rollout goes to its end"))
}

fn approve(desired: &Desired, place: &Place, by: &str) -> Result<Applied, Refusal> {
    let rollout = under_way(desired, place)?;
    let plan = plan_of(place, rollout)?;
    let refused = |reason: String| Refusal::Rollout { place: place.to_string(), reason };
    let Some(Step { action: Action::Approval(approval), .. }) = plan.steps.get(rollout.step) else {
        return Err(refused("its step waits for nobody's approval".to_owned()));
    };
    if !approval.from.is_empty() && !approval.from.iter().any(|name| name == by) {
        let people = approval.from.join(", ");
        return Err(refused(format!("{by} is none of those who may approve: {people}")));
    }
    if approval.four_eyes && rollout.started_by == by {
        return Err(refused(format!("{by} started it, and `four_eyes` asks for somebody else")));
    }
    if rollout.approved_by.iter().any(|name| name == by) {
        return Ok(Applied::Unchanged(format!("{}: approved by {by}", told_place(place))));
    }
    let mut approved = rollout.clone();
    approved.approved_by.push(by.to_owned());
    let told = format!("approved, {} of {}", approved.approved_by.len(), approval.needed);
    Ok(keep(desired.clone(), place, approved, &told))
}

/// Begins a step: its shares and the rollout's state are one change.
fn enter(
    desired: &Desired,
    place: &Place,
    plan: &Plan,
    rollout: Rollout,
    told: &str,
) -> Result<Applied, Refusal> {
    let step = plan.steps.get(rollout.step).ok_or_else(|| elsewhere(place, &rollout))?;
    let scope = step.cohort.clone().map_or_else(|| place.scope.clone(), Scope::Cohort);
    let live = known(desired, &place.route, &scope)?;
    let before = effective(desired, &live, &scope);
    let shares = plan.shares(rollout.step);
    let after = ShiftSpec {
        share: shares.canary.unwrap_or(before.share),
        shadow: shares.shadow.unwrap_or(before.shadow),
        ..before
    };
    traffic::needs_candidate(desired, &place.route, Share::ALL)?;
    let moved =
        if before == after { summary::of_shift(after) } else { summary::of_shifts(before, after) };
    let (number, all) = (rollout.step.saturating_add(1), plan.steps.len());
    let told = format!("{told}, step {number} of {all}: {step}, {moved}");
    let next = put(desired, &place.route, &scope, &live, after);
    Ok(keep(next, place, rollout, &told))
}

/// Aborts the rollouts that a rollback takes back: those of a whole route, or that of a tenant, or that of a cohort with those
/// of its tenants. Says which.
pub(super) fn abort(desired: &mut Desired, route: &RouteName, scope: &Scope) -> Vec<Place> {
    let meant = |place: &Place| {
        place.route == *route
            && (*scope == Scope::Route
                || place.scope == *scope
                || is_member(desired, &place.scope, scope))
    };
    let lives = desired.rollouts.iter().filter(|(_, one)| one.phase != Phase::Aborted);
    let aborted: Vec<Place> =
        lives.map(|(place, _)| place).filter(|place| meant(place)).cloned().collect();
    if aborted.is_empty() {
        return aborted;
    }
    let rollouts = Arc::make_mut(&mut desired.rollouts);
    for place in &aborted {
        let Some(rollout) = rollouts.get_mut(place).map(Arc::make_mut) else { continue };
        (rollout.phase, rollout.ended_unix_ms) = (Phase::Aborted, None);
    }
    aborted
}

fn is_member(desired: &Desired, tenant: &Scope, cohort: &Scope) -> bool {
    let (Scope::Tenant(id), Scope::Cohort(name)) = (tenant, cohort) else { return false };
    traffic::cohorts_of(desired, id).any(|known| known == name.as_str())
}

/// Whether a rollout moves this very traffic now, so that nobody else may.
pub(super) fn moves(desired: &Desired, route: &RouteName, scope: &Scope) -> Option<String> {
    let mut moving = desired.rollouts.iter().filter(|(place, rollout)| {
        let works = matches!(rollout.phase, Phase::Running | Phase::Promoting);
        works && place.route == *route && (place.scope == *scope || at_cohort(rollout, scope))
    });
    moving.next().map(|(place, _)| place.to_string())
}

fn at_cohort(rollout: &Rollout, scope: &Scope) -> bool {
    let Scope::Cohort(name) = scope else { return false };
    let plan = rollout.plan();
    let step = plan.as_ref().and_then(|plan| plan.steps.get(rollout.step));
    step.is_some_and(|step| step.cohort.as_ref() == Some(name))
}

fn under_way<'d>(desired: &'d Desired, place: &Place) -> Result<&'d Rollout, Refusal> {
    known(desired, &place.route, &place.scope)?;
    match desired.rollouts.get(place) {
        None => Err(Refusal::Rollout {
            place: place.to_string(),
            reason: "no rollout was started".to_owned(),
        }),
        Some(rollout) if rollout.phase.is_over() => Err(Refusal::Rollout {
            place: place.to_string(),
            reason: format!("the rollout is {}: start another one", rollout.phase.as_str()),
        }),
        Some(rollout) => Ok(rollout),
    }
}

fn plan_of(place: &Place, rollout: &Rollout) -> Result<Plan, Refusal> {
    let reason = || "its plan is not valid any more: roll it back".to_owned();
    rollout.plan().ok_or_else(|| Refusal::Rollout { place: place.to_string(), reason: reason() })
}

fn elsewhere(place: &Place, rollout: &Rollout) -> Refusal {
    let reason = format!("the rollout is at step {} meanwhile", rollout.step.saturating_add(1));
    Refusal::Rollout { place: place.to_string(), reason }
}

fn told_place(place: &Place) -> String {
    summary::of_place(&place.route, &place.scope)
}

fn keep(mut next: Desired, place: &Place, rollout: Rollout, told: &str) -> Applied {
    Arc::make_mut(&mut next.rollouts).insert(place.clone(), Arc::new(rollout));
    let summary = format!("{}: {told}", told_place(place));
    Applied::Changed(Next { desired: next, summary, notes: Vec::new() })
}
