//! What is counted of a route for its rollouts under way, beside what is always counted?

use std::collections::HashMap;
use std::sync::Arc;

use super::shadow::OutcomeCounters;
use super::{ArmCounters, Arms};
use crate::exchange::Outcome;
use crate::{Arm, TenantId};

/// What is counted of one tenant, as long as a rollout of its own is under way.
#[derive(Debug, Default)]
pub struct TenantCounters {
    arms: Arms,
    outcomes: OutcomeCounters,
}

impl TenantCounters {
    /// Both arms' SLIs.
    #[must_use]
    pub const fn arms(&self) -> &Arms {
        &self.arms
    }

    /// How often each outcome of the tenant's copied exchanges was seen.
    #[must_use]
    pub fn outcomes(&self) -> [(Outcome, u64); Outcome::ALL.len()] {
        self.outcomes.counts()
    }

    /// Counts what came of a shadowed exchange.
    pub fn record_outcome(&self, outcome: Outcome) {
        self.outcomes.record(outcome);
    }

    pub(super) fn arm(&self, arm: Arm) -> &ArmCounters {
        self.arms.of(arm)
    }
}

/// What is counted of one route for its rollouts under way. There is none of it for a route without such rollouts, and how
/// many there may be is up to whoever starts them. (INV-7)
#[derive(Debug, Default)]
pub struct RolloutCounters {
    tenants: HashMap<TenantId, Arc<TenantCounters>>,
}

impl RolloutCounters {
    /// Counters for these tenants, which go on with what `previous` counted of the same ones.
    #[must_use]
    pub fn new<'t>(
        previous: Option<&Self>,
        tenants: impl IntoIterator<Item = &'t TenantId>,
    ) -> Self {
        let known = |id: &TenantId| previous?.tenants.get(id).cloned();
        let tenants = tenants.into_iter().map(|id| (id.clone(), known(id).unwrap_or_default()));
        Self { tenants: tenants.collect() }
    }

    /// What is counted of a tenant; none where it has no rollout of its own.
    #[must_use]
    pub fn tenant(&self, id: &str) -> Option<&Arc<TenantCounters>> {
        self.tenants.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_counted_as_long_as_it_is_asked_for() {
        let [acme, b2]: [TenantId; 2] = ["acme", "b2"].map(|id| id.parse().unwrap());
        let first = RolloutCounters::new(None, [&acme]);
        first.tenant("acme").unwrap().record_outcome(Outcome::Match);
        assert!(first.tenant("b2").is_none());
        let second = RolloutCounters::new(Some(&first), [&b2, &acme]);
        assert!(second.tenant("acme").unwrap().outcomes().contains(&(Outcome::Match, 1)));
        let third = RolloutCounters::new(Some(&second), [&b2]);
        let anew = RolloutCounters::new(Some(&third), [&acme]);
        assert!(anew.tenant("acme").unwrap().outcomes().contains(&(Outcome::Match, 0)));
    }
}
