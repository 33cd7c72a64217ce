//! What of a route is watched, and by whose requests is a step judged?

use config::Plan;
use rules::Route;

use super::{Place, Rollout};
use crate::command::Scope;
use crate::ledger::Present;

/// What of a route is watched: itself and its cohorts where it has a plan, and whatever a rollout is about.
pub(super) fn places(present: &Present, route: &Route) -> Vec<Place> {
    let document = &present.desired.configuration.document;
    let planned =
        document.routes.get(route.name.as_str()).is_some_and(|spec| spec.rollout.is_some());
    let rollouts = present.desired.rollouts.keys().filter(|place| place.route == route.name);
    let mut places: Vec<Place> = rollouts.cloned().collect();
    if planned || !places.is_empty() {
        let of = |scope| Place { route: route.name.clone(), scope };
        places.push(of(Scope::Route));
        places.extend(route.counters.cohorts().map(|(name, _)| of(Scope::Cohort(name.clone()))));
    }
    places.sort();
    places.dedup();
    places
}

/// What a step is told by from all others, of every rollout: each time it is begun it is another one.
pub(crate) fn told_step(place: &Place, rollout: &Rollout) -> String {
    let (generation, step, begun) = rollout.stretch();
    format!("{place} {generation}.{step}.{begun}")
}

/// Whose requests a step is judged by.
pub(crate) fn subject(place: &Place, rollout: &Rollout, plan: &Plan) -> Place {
    let cohort = plan.steps.get(rollout.step).and_then(|step| step.cohort.clone());
    let scope = cohort.map_or_else(|| place.scope.clone(), Scope::Cohort);
    Place { scope, ..place.clone() }
}
