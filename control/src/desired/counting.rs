//! What must be counted beside what always is, because rollouts are judged by it?

use std::collections::BTreeMap;

use config::{AskedStep, Counting};
use rules::RouteName;

use super::Desired;
use crate::command::Scope;
use crate::rollout::{Place, Rollout, subject, told_step};

/// How many tenants may have rollouts of their own under way at the same time, on all routes together: each needs counters
/// and a memory of its own, on every node. (INV-7)
pub(super) const MOST_TENANTS: usize = 100;

/// What rollouts under way need counted, by route.
pub(crate) fn counting(desired: &Desired) -> BTreeMap<RouteName, Counting> {
    let mut counting: BTreeMap<RouteName, Counting> = BTreeMap::new();
    let under_way = desired.rollouts.iter().filter(|(_, rollout)| !rollout.phase.is_over());
    for (place, rollout) in under_way {
        if let Scope::Tenant(id) = &place.scope {
            let of_route = counting.entry(place.route.clone()).or_default();
            of_route.tenants.insert(id.clone());
        } else if let Some(asked) = asked(place, rollout) {
            counting.entry(place.route.clone()).or_default().asked.push(asked);
        }
    }
    counting
}

/// The step that a rollout is at, where that asks how many different tenants the candidate sees.
fn asked(place: &Place, rollout: &Rollout) -> Option<AskedStep> {
    let plan = rollout.plan()?;
    plan.steps.get(rollout.step)?.gates.tenants?;
    let cohort = match subject(place, rollout, &plan).scope {
        Scope::Cohort(name) => Some(name),
        Scope::Route | Scope::Tenant(_) => None,
    };
    Some(AskedStep { step: told_step(place, rollout), cohort })
}

/// How many tenants are counted by themselves.
pub(super) fn tenants_counted(desired: &Desired) -> usize {
    counting(desired).values().map(|of_route| of_route.tenants.len()).sum()
}
