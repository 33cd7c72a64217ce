//! How do commands move a route's traffic: shifts, shadows, rollbacks?

use std::collections::BTreeMap;
use std::sync::Arc;

use config::document::CohortSpec;
use config::{RouteLive, ShiftSpec};
use rules::{RouteName, Share, TenantId};

use super::apply::unknown;
use super::tenants::attributes;
use super::{Applied, Desired, Next, Refusal, rollouts, summary};
use crate::command::{Copies, Scope};

pub(super) fn shift(
    desired: &Desired,
    route: &RouteName,
    scope: &Scope,
    share: Option<Share>,
) -> Result<Applied, Refusal> {
    let live = known(desired, route, scope)?;
    moved_by_nobody_else(desired, route, scope)?;
    let before = effective(desired, &live, scope);
    let Some(share) = share else { return inherit(desired, route, scope, &live, before) };
    needs_candidate(desired, route, share)?;
    let after = ShiftSpec { share, ..before };
    let told = summary::of_shifts(before, after);
    Ok(set(desired, route, scope, &live, after, &told))
}

pub(super) fn shadow(
    desired: &Desired,
    route: &RouteName,
    scope: &Scope,
    copies: Copies,
    share: Share,
) -> Result<Applied, Refusal> {
    let live = known(desired, route, scope)?;
    moved_by_nobody_else(desired, route, scope)?;
    needs_candidate(desired, route, share)?;
    let before = effective(desired, &live, scope);
    let (after, told) = match copies {
        Copies::ToCandidate => {
            (ShiftSpec { shadow: share, ..before }, format!("shadow {} -> {share}", before.shadow))
        }
        Copies::ToStable => (
            ShiftSpec { reverse_shadow: share, ..before },
            format!("reverse shadow {} -> {share}", before.reverse_shadow),
        ),
    };
    Ok(set(desired, route, scope, &live, after, &told))
}

/// All traffic to stable, and no rollout goes on with it. It works on every route, in every state.
pub(super) fn rollback(
    desired: &Desired,
    route: &RouteName,
    scope: &Scope,
    keep_shadow: bool,
) -> Result<Applied, Refusal> {
    let mut ended = desired.clone();
    let aborted = rollouts::abort(&mut ended, route, scope);
    let told = match aborted.len() {
        0 => return traffic_back(desired, route, scope, keep_shadow),
        1 => "rollout aborted".to_owned(),
        count => format!("{count} rollouts aborted"),
    };
    // Whoever was moved by a rollout of its own goes back with its cohort.
    for member in aborted.iter().filter(|place| place.scope != *scope && *scope != Scope::Route) {
        if let Applied::Changed(next) = traffic_back(&ended, route, &member.scope, keep_shadow)? {
            ended = next.desired;
        }
    }
    Ok(match traffic_back(&ended, route, scope, keep_shadow)? {
        Applied::Unchanged(summary) => {
            let summary = format!("{summary}, {told}");
            Applied::Changed(Next { desired: ended, summary, notes: Vec::new() })
        }
        Applied::Changed(next) => {
            let summary = format!("{}, {told}", next.summary);
            Applied::Changed(Next { summary, ..next })
        }
    })
}

fn traffic_back(
    desired: &Desired,
    route: &RouteName,
    scope: &Scope,
    keep_shadow: bool,
) -> Result<Applied, Refusal> {
    let live = known(desired, route, scope)?;
    let before = effective(desired, &live, scope);
    let shadow = if keep_shadow { before.shadow } else { Share::NONE };
    let after = ShiftSpec { shadow, ..ShiftSpec::default() };
    let told = format!("rolled back, {}", summary::of_shifts(before, after));
    if *scope != Scope::Route {
        let mut applied = set(desired, route, scope, &live, after, &told);
        if let (Applied::Changed(next), Scope::Cohort(cohort)) = (&mut applied, scope) {
            next.notes.extend(members_apart(desired, &live, cohort.as_str()));
        }
        return Ok(applied);
    }
    let next = RouteLive { default: after, ..RouteLive::default() };
    if next == *live {
        return Ok(Applied::Unchanged(format!("{route}: {}", summary::of_shift(after))));
    }
    let lost = match (live.cohorts.len(), live.tenants.len()) {
        (0, 0) => String::new(),
        (cohorts, tenants) => {
            let cohorts = summary::of_count(cohorts, "cohort");
            let tenants = summary::of_count(tenants, "tenant");
            format!(", shifts of {cohorts} and {tenants} removed")
        }
    };
    Ok(with_live(desired, route, next, format!("{route}: {told}{lost}")))
}

/// The live state of a route that is there, and whose scope is.
pub(super) fn known(
    desired: &Desired,
    route: &RouteName,
    scope: &Scope,
) -> Result<Arc<RouteLive>, Refusal> {
    let document = &desired.configuration.document;
    if !document.routes.contains_key(route.as_str()) {
        return Err(unknown("route", route.as_str(), document.routes.keys()));
    }
    if let Scope::Cohort(cohort) = scope
        && !document.cohorts.contains_key(cohort.as_str())
    {
        return Err(unknown("cohort", cohort.as_str(), document.cohorts.keys()));
    }
    Ok(desired.live.routes.get(route).cloned().unwrap_or_default())
}

/// No rollout moves this very traffic.
fn moved_by_nobody_else(
    desired: &Desired,
    route: &RouteName,
    scope: &Scope,
) -> Result<(), Refusal> {
    match rollouts::moves(desired, route, scope) {
        None => Ok(()),
        Some(place) => Err(Refusal::RolloutRuns { place }),
    }
}

pub(super) fn needs_candidate(
    desired: &Desired,
    route: &RouteName,
    share: Share,
) -> Result<(), Refusal> {
    let written = desired.configuration.document.routes.get(route.as_str());
    if share.is_none() || written.is_some_and(|route| route.candidate.is_some()) {
        return Ok(());
    }
    Err(Refusal::NoCandidate { route: route.to_string() })
}

/// The shift that applies to a scope, its own or what stands above it.
pub(super) fn effective(desired: &Desired, live: &RouteLive, scope: &Scope) -> ShiftSpec {
    match scope {
        Scope::Route => live.default,
        Scope::Cohort(name) => live.cohorts.get(name).copied().unwrap_or(live.default),
        Scope::Tenant(id) => live.tenants.get(id).copied().unwrap_or_else(|| {
            let cohorts = cohorts_of(desired, id);
            let mut shifts = cohorts.filter_map(|name| live.cohorts.get(name).copied());
            shifts.next().unwrap_or(live.default)
        }),
    }
}

/// The cohorts that a tenant belongs to, in the order they are written.
pub(super) fn cohorts_of<'d>(
    desired: &'d Desired,
    tenant: &TenantId,
) -> impl Iterator<Item = &'d str> {
    let (tenant, attributes) = (tenant.clone(), attributes(desired, tenant));
    let cohorts = desired.configuration.document.cohorts.iter();
    cohorts
        .filter(move |(_, cohort)| belongs(cohort, &tenant, &attributes))
        .map(|(name, _)| name.as_str())
}

fn belongs(cohort: &CohortSpec, tenant: &TenantId, attributes: &BTreeMap<String, String>) -> bool {
    let by_id = |ids: &Vec<String>| ids.iter().any(|id| id == tenant.as_str());
    cohort.tenants.as_ref().is_some_and(by_id)
        || cohort.attribute.as_ref().is_some_and(|wanted| {
            wanted.iter().all(|(key, value)| attributes.get(key) == Some(value))
        })
}

fn members_apart(desired: &Desired, live: &RouteLive, cohort: &str) -> Option<String> {
    let spec = desired.configuration.document.cohorts.get(cohort)?;
    let apart = live.tenants.iter().filter(|(id, shift)| {
        (!shift.share.is_none() || !shift.shadow.is_none())
            && belongs(spec, id, &attributes(desired, id))
    });
    let (count, first) = (apart.clone().count(), apart.map(|(id, _)| id).next()?);
    let tenants = summary::of_count(count, "tenant");
    Some(format!(
        "{tenants} of the cohort ({first} first) keep shifts of their own: roll back by tenant, or the whole route"
    ))
}

fn inherit(
    desired: &Desired,
    route: &RouteName,
    scope: &Scope,
    live: &Arc<RouteLive>,
    before: ShiftSpec,
) -> Result<Applied, Refusal> {
    let place = summary::of_place(route, scope);
    let mut next = RouteLive::clone(live);
    let own = match scope {
        Scope::Route => return Err(Refusal::NothingAbove),
        Scope::Cohort(name) => next.cohorts.remove(name),
        Scope::Tenant(id) => next.tenants.remove(id),
    };
    let above = summary::of_shift(effective(desired, &next, scope));
    if own.is_none() {
        return Ok(Applied::Unchanged(format!("{place}: inherits ({above})")));
    }
    let told = format!("{place}: {} -> inherits ({above})", summary::of_shift(before));
    Ok(with_live(desired, route, next, told))
}

fn set(
    desired: &Desired,
    route: &RouteName,
    scope: &Scope,
    live: &Arc<RouteLive>,
    after: ShiftSpec,
    told: &str,
) -> Applied {
    let place = summary::of_place(route, scope);
    let own = match scope {
        Scope::Route => Some(live.default),
        Scope::Cohort(name) => live.cohorts.get(name).copied(),
        Scope::Tenant(id) => live.tenants.get(id).copied(),
    };
    if own == Some(after) {
        return Applied::Unchanged(format!("{place}: {}", summary::of_shift(after)));
    }
    let desired = put(desired, route, scope, live, after);
    let notes = applies_to_nobody(&desired, route, scope).into_iter().collect();
    Applied::Changed(Next { desired, summary: format!("{place}: {told}"), notes })
}

/// The state with this shift.
pub(super) fn put(
    desired: &Desired,
    route: &RouteName,
    scope: &Scope,
    live: &RouteLive,
    after: ShiftSpec,
) -> Desired {
    let mut live = live.clone();
    match scope {
        Scope::Route => live.default = after,
        Scope::Cohort(name) => drop(live.cohorts.insert(name.clone(), after)),
        Scope::Tenant(id) => drop(live.tenants.insert(id.clone(), after)),
    }
    let mut next = desired.clone();
    next.live.routes.insert(route.clone(), Arc::new(live));
    next
}

fn applies_to_nobody(desired: &Desired, route: &RouteName, scope: &Scope) -> Option<String> {
    let written = desired.configuration.document.routes.get(route.as_str())?;
    let told = || {
        format!(
            "route {route} does not look for tenants (it has no `tenant:`): this applies to nobody"
        )
    };
    (*scope != Scope::Route && written.tenant.is_none()).then(told)
}

fn with_live(desired: &Desired, route: &RouteName, live: RouteLive, summary: String) -> Applied {
    let mut next = desired.clone();
    next.live.routes.insert(route.clone(), Arc::new(live));
    Applied::Changed(Next { desired: next, summary, notes: Vec::new() })
}
