//! How alike were the arms' answers on all nodes together, since a rollout's step began?
//!
//! Each node tells the figures that it counted itself since then, as they stand: they are sums, so those of all nodes are
//! those of the fleet, however often they are told, and whatever is judged anew meanwhile. A node that started anew, or is
//! gone, takes its evidence with it, as one that is alone does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rules::compare::parity::{Figures, Limits};
use rules::gate;
use serde::{Deserialize, Serialize};

use super::Place;
use super::places::subject;
use super::together::MAX_PLACES;
use crate::command::Scope;
use crate::ledger::Present;
use crate::parity::{Parity, at_gate, print_of_rules};

/// What a node tells of a step's answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OfStep {
    /// When the step began, in milliseconds since 1970.
    since_unix_ms: i64,
    /// By which rules was compared: figures under other ones say nothing of these.
    rules: String,
    /// See [`Figures::sums`].
    sums: Vec<u128>,
}

/// What this node counted of a step, and what it asks.
#[derive(Debug, Clone)]
struct Own {
    of_step: OfStep,
    limits: Limits,
    smallest: u64,
}

/// What was counted of the steps of all rollouts with a gate on parity, by this node and by others.
#[derive(Debug, Default)]
pub(super) struct Alike {
    own: BTreeMap<Place, Own>,
    others: Vec<BTreeMap<String, OfStep>>,
}

impl Alike {
    /// Takes what this node counted. Of too many rollouts the first ones are told of, the same on every node. (INV-7)
    pub(super) fn take_own(&mut self, present: &Present, parity: &Parity, now: Timestamp) {
        let document = &present.desired.configuration.document;
        let under_way = present.desired.rollouts.iter().filter(|(_, one)| !one.phase.is_over());
        let own = under_way.filter_map(|(place, rollout)| {
            let plan = rollout.plan()?;
            let gates = &plan.steps.get(rollout.step)?.gates;
            let (limit, since_unix_ms) = (gates.parity?, rollout.since_unix_ms?);
            // A step of a cohort is judged by the cohort's exchanges.
            let subject = subject(place, rollout, &plan);
            let cohort = match &subject.scope {
                Scope::Route => None,
                Scope::Cohort(name) => Some(name),
                Scope::Tenant(_) => return None,
            };
            let routes = present.compiled.snapshot.table.routes();
            let route = routes.iter().find(|route| route.name == subject.route)?;
            parity.follow(route, now.as_millisecond());
            let figures = parity.since_step(&route.name, cohort, since_unix_ms);
            let rules = print_of_rules(document, route.name.as_str());
            let of_step = OfStep { since_unix_ms, rules, sums: figures.sums().to_vec() };
            let limits = Limits { mismatched: limit, ..route.limits };
            Some((place.clone(), Own { of_step, limits, smallest: gates.smallest }))
        });
        self.own = own.take(MAX_PLACES).collect();
    }

    /// What the others are told.
    pub(super) fn told(&self) -> BTreeMap<String, OfStep> {
        let own = self.own.iter();
        own.map(|(place, own)| (place.to_string(), own.of_step.clone())).collect()
    }

    /// Takes what each of the other nodes tells.
    pub(super) fn take_others(&mut self, told: Vec<BTreeMap<String, OfStep>>) {
        self.others = told;
    }

    /// What a rollout's gate goes by; none where it asks for no figures. While those of a node are missing, nothing has passed.
    pub(super) fn at_gate(&self, place: &Place) -> Option<gate::Parity> {
        let Own { of_step, limits, smallest } = self.own.get(place)?;
        let mut figures = Figures::of_sums(&of_step.sums)?;
        let (place, mut is_whole) = (place.to_string(), true);
        for node in &self.others {
            let told = node.get(&place).filter(|told| {
                told.since_unix_ms == of_step.since_unix_ms && told.rules == of_step.rules
            });
            match told.and_then(|told| Figures::of_sums(&told.sums)) {
                Some(more) => figures += more,
                None => is_whole = false,
            }
        }
        let found = at_gate(&figures, limits, *smallest);
        Some(gate::Parity { passed: found.passed.filter(|passed| is_whole || !passed), ..found })
    }
}

#[cfg(test)]
mod tests {
    use rules::exchange::ExchangeReport;

    use super::*;
    use crate::parity::kit::{differing, matching};

    fn figures(alike: usize, different: usize) -> Figures {
        let mut figures = Figures::default();
        let mut count = |report: &ExchangeReport| figures.count(&report.comparison, 0);
        (0..alike).for_each(|_| count(&matching("x", 0)));
        (0..different).for_each(|_| count(&differing("x", 0, &["/a"])));
        figures
    }

    fn of_step(since_unix_ms: i64, rules: &str, figures: Figures) -> OfStep {
        let of_step = OfStep { since_unix_ms, rules: rules.into(), sums: figures.sums().to_vec() };
        // As it gets to another node.
        serde_json::from_str(&serde_json::to_string(&of_step).unwrap()).unwrap()
    }

    fn place() -> Place {
        Place { route: "sms".parse().unwrap(), scope: Scope::Route }
    }

    fn seen(own: Figures, others: Vec<Option<OfStep>>) -> Option<gate::Parity> {
        let limits = Limits { mismatched: 0.01, ..Limits::default() };
        let own = Own { of_step: of_step(7, "rules", own), limits, smallest: 100 };
        let others = others
            .into_iter()
            .map(|told| told.map(|told| (place().to_string(), told)).into_iter().collect());
        let mut alike = Alike { own: [(place(), own)].into(), others: Vec::new() };
        alike.take_others(others.collect());
        alike.at_gate(&place())
    }

    #[test]
    fn a_step_is_judged_by_what_all_nodes_have_seen() {
        let nothing = seen(Figures::default(), vec![]).unwrap();
        assert_eq!((nothing.passed, nothing.exchanges.total), (None, 0));
        let alone = seen(figures(200, 0), vec![]).unwrap();
        assert_eq!((alone.passed, alone.needs), (None, Some(99)));
        let other = of_step(7, "rules", figures(99, 0));
        let both = seen(figures(200, 0), vec![Some(other.clone())]).unwrap();
        assert_eq!((both.passed, both.exchanges.total), (Some(true), 299));
        let worse = of_step(7, "rules", figures(0, 60));
        let three = seen(figures(0, 60), vec![Some(worse), Some(other)]).unwrap();
        assert_eq!((three.passed, three.exchanges.bad), (Some(false), 120));
    }

    #[test]
    fn figures_of_another_step_or_other_rules_are_missing_and_hold() {
        for other in [
            None,
            Some(of_step(8, "rules", figures(99, 0))),
            Some(of_step(7, "others", figures(99, 0))),
            Some(OfStep { sums: vec![1], ..of_step(7, "rules", figures(99, 0)) }),
        ] {
            let found = seen(figures(400, 0), vec![other]).unwrap();
            assert_eq!((found.passed, found.exchanges.total), (None, 400));
        }
        let fails = seen(figures(0, 120), vec![None]).unwrap();
        assert_eq!(fails.passed, Some(false), "what is sure needs nobody else");
    }
}
