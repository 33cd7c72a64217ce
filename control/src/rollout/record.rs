//! Where does a rollout stand? The part of it that is desired state: changed by commands alone, kept with every revision.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use config::Plan;
use config::document::RolloutSpec;
use jiff::Timestamp;
use rules::{CohortName, RouteName, TenantId};
use serde::{Deserialize, Serialize};

use crate::command::Scope;

/// Whose rollout: there may be many on one route at the same time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The route.
    pub route: RouteName,
    /// Whose traffic.
    pub scope: Scope,
}

/// A rollout's life. The order is that of rank: of two states of one generation, the higher one holds. (INV-10)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It goes on when its gates pass.
    Running,
    /// It waits for people; its gates are watched all the same.
    Paused,
    /// It goes on to its end, whatever gates still wait for.
    Promoting,
    /// It is at its end.
    Completed,
    /// It was taken back.
    Aborted,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Self; 5] =
        [Self::Running, Self::Paused, Self::Promoting, Self::Completed, Self::Aborted];

    /// Its name, as API and metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Promoting => "promoting",
            Self::Completed => "completed",
            Self::Aborted => "aborted",
        }
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Aborted)
    }
}

/// A rollout as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// The plan's name.
    pub plan: String,
    /// The plan as it was when the rollout was started. What the file says later does not change it.
    pub spec: Arc<RolloutSpec>,
    /// Counts the rollouts of this place. An older one never takes the place of a newer one.
    pub generation: u64,
    /// Where it is in its life.
    pub phase: Phase,
    /// Which step it is at, from 0.
    pub step: usize,
    /// How often this step was begun, from 0: its tests begin anew each time.
    pub begun: u32,
    /// When this step was begun, in milliseconds since 1970; none until the command that begins it is accepted.
    pub since_unix_ms: Option<i64>,
    /// Until when it may take.
    pub deadline_unix_ms: Option<i64>,
    /// Who started it.
    pub started_by: String,
    /// Who has approved of this step.
    pub approved_by: Vec<String>,
    /// When it ended; none as long as it has not, or until the command that ends it is accepted.
    pub ended_unix_ms: Option<i64>,
}

impl Rollout {
    /// The plan that it follows; none where what is stored is no plan any more.
    #[must_use]
    pub fn plan(&self) -> Option<Plan> {
        Plan::of(&self.spec)
    }

    /// What of it was begun once: its tests, counts and deadlines belong to this and no other.
    #[must_use]
    pub const fn stretch(&self) -> (u64, usize, u32) {
        (self.generation, self.step, self.begun)
    }

    /// Notes when what has just been accepted was: clocks set deadlines, and never an order.
    pub(crate) fn stamp(&mut self, now: Timestamp) {
        let now = now.as_millisecond();
        if self.phase.is_over() {
            self.ended_unix_ms.get_or_insert(now);
        } else if self.since_unix_ms.is_none() {
            self.since_unix_ms = Some(now);
            let plan = self.plan();
            let step = plan.as_ref().and_then(|plan| plan.steps.get(self.step));
            let deadline = step.and_then(|step| step.deadline);
            let ms = deadline.map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
            self.deadline_unix_ms = ms.map(|ms| now.saturating_add(ms));
        }
    }

    /// Of two states of one place, the one that holds: the larger generation, then the higher rank, then what is further.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let rank = |one: &Self| (one.generation, one.phase, one.step, one.begun);
        match rank(&self).cmp(&rank(&other)) {
            Ordering::Less => other,
            Ordering::Equal | Ordering::Greater => self,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Scope::Route => write!(f, "{}", self.route),
            Scope::Cohort(name) => write!(f, "{}/cohort/{name}", self.route),
            Scope::Tenant(id) => write!(f, "{}/tenant/{id}", self.route),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let told = |error: rules::NameError| error.to_string();
        let (route, scope) = match parts.as_slice() {
            [route] => (route, Scope::Route),
            [route, "cohort", name] => {
                (route, Scope::Cohort(name.parse::<CohortName>().map_err(told)?))
            }
            [route, "tenant", id] => (route, Scope::Tenant(id.parse::<TenantId>().map_err(told)?)),
            _ => return Err(format!("{text:?} is no route, and no cohort or tenant of one")),
        };
        Ok(Self { route: route.parse().map_err(told)?, scope })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rollout(generation: u64, phase: Phase, step: usize) -> Rollout {
        let spec: RolloutSpec = serde_json::from_value(
            serde_json::json!({"steps": [{"canary": "5%", "deadline": "1d"}, {"live": true}]}),
        )
        .unwrap();
        Rollout {
            plan: "ramp".into(),
            spec: Arc::new(spec),
            generation,
            phase,
            step,
            begun: 0,
            since_unix_ms: None,
            deadline_unix_ms: None,
            started_by: "ann".into(),
            approved_by: Vec::new(),
            ended_unix_ms: None,
        }
    }

    #[test]
    fn a_step_has_its_deadline_from_when_it_was_begun() {
        let mut begun = rollout(1, Phase::Running, 0);
        begun.stamp(Timestamp::from_second(100).unwrap());
        begun.stamp(Timestamp::from_second(200).unwrap());
        assert_eq!(begun.since_unix_ms, Some(100_000));
        assert_eq!(begun.deadline_unix_ms, Some(86_500_000));
        begun.phase = Phase::Aborted;
        begun.stamp(Timestamp::from_second(300).unwrap());
        assert_eq!(begun.ended_unix_ms, Some(300_000));
    }

    #[test]
    fn places_survive_their_text() {
        for text in ["sms", "sms/cohort/africa", "sms/tenant/a:1@x"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        assert!("sms/team/x".parse::<Place>().is_err());
    }

    fn any_rollout() -> impl Strategy<Value = Rollout> {
        (0_u64..3, prop::sample::select(&Phase::ALL[..]), 0_usize..3)
            .prop_map(|(generation, phase, step)| rollout(generation, phase, step))
    }

    proptest! {
        #[test]
        fn merging_gives_the_same_in_every_order(a in any_rollout(), b in any_rollout(), c in any_rollout()) {
            let merged = |x: &Rollout, y: &Rollout| x.clone().merge(y.clone());
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            if a.generation == b.generation && a.phase == Phase::Aborted {
                prop_assert_eq!(merged(&a, &b).phase, Phase::Aborted);
            }
        }
    }
}
