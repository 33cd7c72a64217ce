//! What must be counted beside what always is, because rollouts are judged by it?

use std::collections::BTreeMap;

use config::Counting;
use rules::RouteName;

use super::Desired;
use crate::command::Scope;

/// How many tenants may have rollouts of their own under way at the same time, on all routes together: each needs counters
/// and a memory of its own, on every node. (INV-7)
pub(super) const MOST_TENANTS: usize = 100;

/// What rollouts under way need counted, by route.
pub(crate) fn counting(desired: &Desired) -> BTreeMap<RouteName, Counting> {
    let mut counting: BTreeMap<RouteName, Counting> = BTreeMap::new();
    let under_way = desired.rollouts.iter().filter(|(_, rollout)| !rollout.phase.is_over());
    for (place, _) in under_way {
        if let Scope::Tenant(id) = &place.scope {
            let of_route = counting.entry(place.route.clone()).or_default();
            of_route.tenants.insert(id.clone());
        }
    }
    counting
}

/// How many tenants are counted by themselves.
pub(super) fn tenants_counted(desired: &Desired) -> usize {
    counting(desired).values().map(|of_route| of_route.tenants.len()).sum()
}
