//! Who would notice? Which tenants a change moves to the other arm, and how much of the last hour's traffic.

use std::collections::BTreeSet;
use std::sync::Arc;

use config::{Compiled, Live};
use rules::cohort::CohortId;
use rules::route::Sticky;
use rules::shift::{Scope, Shifts};
use rules::{Bucket, Route, Share, Snapshot, TenantId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::hour::Hour;

/// How many tenants are looked at, and how many of those that move are named.
const LOOKED_AT: usize = 100_000;
const NAMED: usize = 100;

/// Who would notice a change. It is an estimate: tenants that nobody named are only known by their share.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Blast {
    /// The part of the last hour's requests, of all routes, that would be served by the other arm; from 0 to 1.
    pub ratio: f64,
    /// How many minutes of that hour this process has seen.
    pub minutes: u64,
    /// The routes on which traffic would move.
    pub routes: Vec<RouteBlast>,
    /// How many of the tenants that are named somewhere would move.
    pub tenants: usize,
    /// The first of them.
    pub first_tenants: Vec<String>,
}

/// What would move on one route.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RouteBlast {
    /// The route.
    pub route: String,
    /// Its requests in the last hour.
    pub requests: u64,
    /// Of those, how many would be served by the other arm.
    pub moved: u64,
}

/// Who would notice the step from one revision to another.
#[must_use]
pub fn between(before: &Compiled, after: &Compiled, hour: &Hour) -> Blast {
    let (mut routes, mut tenants) = (Vec::new(), BTreeSet::new());
    let names = named(after);
    let regrouped = !Arc::ptr_eq(&before.snapshot.tenants, &after.snapshot.tenants);
    for (route, shifts) in after.snapshot.table.routes().iter().zip(&after.snapshot.shifts) {
        let nothing = Shifts::default();
        let was = shifts_of(&before.snapshot, route).unwrap_or(&nothing);
        if was == &**shifts && !regrouped {
            continue;
        }
        let snapshots = [&*before.snapshot, &*after.snapshot];
        let step = Step { route, was, will_be: shifts, snapshots };
        let moves: Vec<&TenantId> = names.iter().filter(|name| step.moves(name)).collect();
        if was != &**shifts || !moves.is_empty() {
            routes.push(step.blast(hour));
        }
        tenants.extend(moves);
    }
    let moved: u64 = routes.iter().map(|route| route.moved).sum();
    Blast {
        ratio: ratio(moved, hour.of_all()),
        minutes: hour.minutes(),
        routes,
        tenants: tenants.len(),
        first_tenants: tenants.into_iter().take(NAMED).map(ToString::to_string).collect(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "requests of an hour are far below 2^52")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The tenants that the configuration or a command names.
fn named(compiled: &Compiled) -> BTreeSet<TenantId> {
    let Live { routes, attributes, .. } = &compiled.live;
    let shifted = routes.values().flat_map(|live| live.tenants.keys());
    let shifted = shifted.chain(attributes.keys()).cloned();
    let written = compiled.document.tenants.keys().filter_map(|name| name.parse().ok());
    written.chain(shifted).take(LOOKED_AT).collect()
}

fn shifts_of<'s>(snapshot: &'s Snapshot, route: &Route) -> Option<&'s Shifts> {
    let routes = snapshot.table.routes().iter().zip(&snapshot.shifts);
    routes.filter(|(known, _)| known.name == route.name).map(|(_, shifts)| &**shifts).next()
}

/// One route, before and after.
struct Step<'s> {
    route: &'s Route,
    was: &'s Shifts,
    will_be: &'s Shifts,
    /// Before and after.
    snapshots: [&'s Snapshot; 2],
}

impl Step<'_> {
    /// Whether a tenant would be served by the other arm, or some of its requests would.
    fn moves(&self, tenant: &TenantId) -> bool {
        let shift = |snapshot: &Snapshot, shifts: &Shifts| {
            let known = snapshot.tenants.get(tenant);
            let cohorts = known.map_or(&[][..], |known| &known.cohorts);
            shifts.of(Some(tenant.as_str()), cohorts)
        };
        let [before, after] = self.snapshots;
        let (was, will_be) = (shift(before, self.was), shift(after, self.will_be));
        let whole = match self.route.sticky {
            // A tenant's own share is a share of its requests, unless the route says otherwise.
            None => was.0 != Scope::Tenant && will_be.0 != Scope::Tenant,
            Some(Sticky::Tenant) => true,
            Some(_) => false,
        };
        if whole {
            let bucket = Bucket::of(&self.route.seed, tenant.as_str());
            return bucket.is_within(was.1.share) != bucket.is_within(will_be.1.share);
        }
        was.1.share != will_be.1.share
    }

    fn blast(&self, hour: &Hour) -> RouteBlast {
        let asked = hour.of(self.route.name.as_str());
        let mut others = asked.requests;
        let mut moved = 0;
        for (cohort, id) in self.snapshots[1].cohorts.iter().zip(0..) {
            let requests = asked.cohorts.get(&cohort.name).copied().unwrap_or(0);
            others = others.saturating_sub(requests);
            let share = |shifts: &Shifts| shifts.of(None, &[CohortId(id)]).1.share;
            moved += moved_of(requests, share(self.was), share(self.will_be));
        }
        moved += moved_of(others, self.was.default.share, self.will_be.default.share);
        RouteBlast { route: self.route.name.to_string(), requests: asked.requests, moved }
    }
}

/// Of so many requests, how many change sides between two shares: a share only ever adds, so it is the difference.
fn moved_of(requests: u64, was: Share, will_be: Share) -> u64 {
    let apart = was.basis_points().abs_diff(will_be.basis_points());
    requests.saturating_mul(u64::from(apart)) / 10_000
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::command::{Command, Scope as Whose};
    use crate::ledger::fragile::{Setup, YAML, order, setup, shift};

    #[test]
    fn tenants_move_by_their_buckets_and_traffic_by_the_difference_of_shares() {
        let Setup { ledger, _folder, .. } = setup();
        let tenants: Vec<String> = (0..200).map(|n| format!("t{n}: {{}}")).collect();
        let text = YAML.replace(
            "candidate: {upstream: new}",
            "candidate: {upstream: new}, tenant: {query: t}",
        );
        let text = format!("tenants: {{{}}}\n{text}", tenants.join(", "));
        let apply = ledger.configuration(text.as_str().into(), Timestamp::UNIX_EPOCH).unwrap();
        ledger.execute(&order(Command::Apply(apply), None), Timestamp::UNIX_EPOCH).unwrap();
        let moved = |command: &Command| {
            let preview = ledger.preview(&order(command.clone(), None), &Hour::default()).unwrap();
            (preview.blast.tenants, preview.blast.first_tenants.len(), preview.blast.routes.len())
        };
        let within = |share: &str| {
            let share: Share = share.parse().unwrap();
            (0..200).filter(|n| Bucket::of("sms", &format!("t{n}")).is_within(share)).count()
        };
        assert_eq!(moved(&shift("100%")), (200, NAMED, 1));
        assert_eq!(moved(&shift("25%")).0, within("25%"));
        ledger.execute(&order(shift("25%"), None), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(moved(&shift("50%")).0, within("50%") - within("25%"), "nobody twice");
        let one = Command::Shift {
            route: "sms".parse().unwrap(),
            scope: Whose::Tenant("new-one".parse().unwrap()),
            share: Some("100%".parse().unwrap()),
        };
        assert_eq!(moved(&one), (1, 1, 1), "a tenant that only the command names");
        assert_eq!(moved_of(1_000, "5%".parse().unwrap(), "25%".parse().unwrap()), 200);
    }
}
