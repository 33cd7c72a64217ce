//! What is counted of a route for its rollouts under way, beside what is always counted?

use std::collections::HashMap;
use std::sync::Arc;

use super::seen::Sketch;
use super::shadow::OutcomeCounters;
use super::{ArmCounters, Arms, SeenTenants};
use crate::cohort::CohortId;
use crate::exchange::Outcome;
use crate::{Arm, Bucket, TenantId};

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
    asked: Box<[(Asked, Arc<Sketch>)]>,
}

/// A step that asks how many different tenants its candidate has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What the step is told by from all others: each begins with nobody seen.
    pub step: Box<str>,
    /// Of which cohort's tenants; of everybody's where none is given.
    pub cohort: Option<CohortId>,
}

impl RolloutCounters {
    /// Counters for these tenants and steps, which go on with what `previous` counted of the same ones.
    #[must_use]
    pub fn new<'t>(
        previous: Option<&Self>,
        tenants: impl IntoIterator<Item = &'t TenantId>,
        asked: impl IntoIterator<Item = Asked>,
    ) -> Self {
        let known = |id: &TenantId| previous?.tenants.get(id).cloned();
        let tenants = tenants.into_iter().map(|id| (id.clone(), known(id).unwrap_or_default()));
        let seen = |asked: &Asked| {
            let mut seen = previous?.asked.iter();
            seen.find(|(known, _)| known.step == asked.step).map(|(_, sketch)| Arc::clone(sketch))
        };
        let asked = asked.into_iter().map(|asked| {
            let sketch = seen(&asked).unwrap_or_default();
            (asked, sketch)
        });
        Self { tenants: tenants.collect(), asked: asked.collect() }
    }

    /// Whether any step asks which tenants the candidate has seen.
    #[must_use]
    pub fn asks_for_tenants(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Notes that the candidate served a tenant, by its bucket, of this cohort.
    pub fn note_tenant(&self, tenant: Bucket, cohort: Option<CohortId>) {
        for (asked, sketch) in &self.asked {
            if asked.cohort.is_none() || asked.cohort == cohort {
                sketch.note(tenant);
            }
        }
    }

    /// Which tenants each step's candidate has seen.
    pub fn seen_tenants(&self) -> impl Iterator<Item = (&Asked, SeenTenants)> {
        self.asked.iter().map(|(asked, sketch)| (asked, sketch.seen()))
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
        let first = RolloutCounters::new(None, [&acme], []);
        first.tenant("acme").unwrap().record_outcome(Outcome::Match);
        assert!(first.tenant("b2").is_none());
        let second = RolloutCounters::new(Some(&first), [&b2, &acme], []);
        assert!(second.tenant("acme").unwrap().outcomes().contains(&(Outcome::Match, 1)));
        let third = RolloutCounters::new(Some(&second), [&b2], []);
        let anew = RolloutCounters::new(Some(&third), [&acme], []);
        assert!(anew.tenant("acme").unwrap().outcomes().contains(&(Outcome::Match, 0)));
    }

    #[test]
    fn each_step_sees_the_tenants_of_its_cohort_anew() {
        let asked = |step: &str, cohort| Asked { step: step.into(), cohort };
        let (all, africa) =
            (asked("sms 1.0.0", None), asked("sms/cohort/AF 1.0.0", Some(CohortId(0))));
        let counters = RolloutCounters::new(None, [], [all.clone(), africa.clone()]);
        let note = |id, cohort| counters.note_tenant(Bucket::of("s", id), cohort);
        note("a", Some(CohortId(0)));
        note("b", Some(CohortId(1)));
        note("b", None);
        let counts = |counters: &RolloutCounters| -> Vec<u64> {
            counters.seen_tenants().map(|(_, seen)| seen.count()).collect()
        };
        assert_eq!(counts(&counters), [2, 1]);
        let next = RolloutCounters::new(Some(&counters), [], [asked("sms 1.1.0", None), africa]);
        assert_eq!(counts(&next), [0, 1]);
        assert!(next.asks_for_tenants() && !RolloutCounters::default().asks_for_tenants());
    }
}
