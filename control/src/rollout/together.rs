//! What did the arms do on all nodes together? Each node tells what it counted since it started; what that adds is summed.
//!
//! Sums of differences, and not of what stands there: a node that comes, goes or starts anew adds what it served, once, and
//! a look that was missed is made up for by the next one.

use std::collections::{BTreeMap, BTreeSet};

use rules::gate::Tallies;
use serde::{Deserialize, Serialize};

use super::Place;
use super::alike::OfStep;
use super::counters::{Counters, CountersText};

/// How long a node may say nothing new before what is known of the fleet is incomplete.
const SILENT_MS: i64 = 5_000;
/// After so long without a word it is a node of the fleet no more.
const GONE_MS: i64 = 60_000;
/// A note that is gone sooner than it would end was taken back by the node itself.
const TAKEN_BACK_MS: i64 = 10_000;
/// How many routes and cohorts a node tells of; those with a rollout under way first. What is left out cannot be judged by
/// all nodes, and holds. (INV-7)
pub(super) const MAX_PLACES: usize = 200;

/// What a node tells of its counters.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told {
    /// By which this process is told from the next one of the same node.
    pub(super) process: String,
    /// How often it has looked: what is not new says that nobody looks there any more.
    pub(super) looks: u64,
    /// What it counted since it started.
    pub(super) counters: BTreeMap<String, CountersText>,
    /// What it counted of the answers since the steps of rollouts began.
    #[serde(default)]
    pub(super) alike: BTreeMap<String, OfStep>,
}

/// A node, as it was last heard of.
#[derive(Debug)]
struct Node {
    process: String,
    looks: u64,
    heard_unix_ms: i64,
    counters: BTreeMap<String, Counters>,
    /// The failures that its last word added.
    added: BTreeMap<String, Tallies>,
}

impl Node {
    /// One that has told nothing yet.
    const fn silent(now_unix_ms: i64) -> Self {
        Self {
            process: String::new(),
            looks: 0,
            heard_unix_ms: now_unix_ms,
            counters: BTreeMap::new(),
            added: BTreeMap::new(),
        }
    }
}

/// What all nodes counted since this one began to listen.
#[derive(Debug, Default)]
pub(super) struct Together {
    nodes: BTreeMap<String, Node>,
    sums: BTreeMap<String, Counters>,
    /// Whether the others could not be heard the last time.
    deaf: bool,
}

impl Together {
    /// Takes what this node counted itself.
    pub(super) fn take_own(&mut self, counters: BTreeMap<String, Counters>, now_unix_ms: i64) {
        let looks = self.nodes.get("").map_or(0, |own| own.looks.wrapping_add(1));
        for (place, own) in &counters {
            // Steps that are over are asked for no more.
            if let Some(sum) = self.sums.get_mut(place) {
                sum.seen.retain(|step, _| own.seen.contains_key(step));
                // A route without a baseline is compared with stable, whatever it had before.
                sum.baseline.take_if(|_| own.baseline.is_none());
            }
        }
        self.take("", (String::new(), looks), counters, now_unix_ms);
    }

    /// Takes what the other nodes tell, all of them. Of those that are there, none may be without a word.
    pub(super) fn take_others(
        &mut self,
        told: Vec<(String, Told)>,
        there: &[String],
        now_unix_ms: i64,
    ) {
        self.deaf = false;
        self.nodes.retain(|name, node| {
            let age = now_unix_ms.saturating_sub(node.heard_unix_ms);
            let is_told = name.is_empty()
                || there.contains(name)
                || told.iter().any(|(teller, _)| teller == name);
            age < GONE_MS && (is_told || age >= TAKEN_BACK_MS)
        });
        for (name, Told { process, looks, counters, .. }) in told {
            let counters = counters.into_iter().map(|(place, text)| (place, text.into()));
            self.take(&name, (process, looks), counters.collect(), now_unix_ms);
        }
        for name in there {
            self.nodes.entry(name.clone()).or_insert_with(|| Node::silent(now_unix_ms));
        }
    }

    /// Notes that the others could not be heard.
    pub(super) fn take_nothing(&mut self) {
        self.deaf = true;
        self.nodes.iter_mut().filter(|(name, _)| !name.is_empty()).for_each(|(_, node)| {
            node.added.clear();
        });
    }

    /// What was counted of a place by all nodes since this one began to listen.
    pub(super) fn counters(&self, place: &Place) -> Counters {
        self.sums.get(&place.to_string()).cloned().unwrap_or_default()
    }

    /// The failures that the last look added, node by node.
    pub(super) fn added(&self, place: &Place) -> Vec<(&str, Tallies)> {
        let place = place.to_string();
        let added = self.nodes.iter().map(|(name, node)| (name.as_str(), node.added.get(&place)));
        added.filter_map(|(name, added)| Some((name, *added?))).collect()
    }

    /// Whether every node that was heard of tells of a place, and did so a moment ago.
    pub(super) fn is_whole(&self, place: &Place, now_unix_ms: i64) -> bool {
        let place = place.to_string();
        let tells = |node: &Node| {
            now_unix_ms.saturating_sub(node.heard_unix_ms) <= SILENT_MS
                && node.counters.contains_key(&place)
        };
        !self.deaf && self.nodes.values().all(tells)
    }

    /// Forgets places that nobody watches any more.
    pub(super) fn keep(&mut self, places: &[Place]) {
        let kept: BTreeSet<String> = places.iter().map(Place::to_string).collect();
        self.sums.retain(|place, _| kept.contains(place));
    }

    fn take(
        &mut self,
        name: &str,
        (process, looks): (String, u64),
        counters: BTreeMap<String, Counters>,
        now_unix_ms: i64,
    ) {
        let before = self.nodes.remove(name);
        let is_new = before.as_ref().is_none_or(|b| b.process != process || b.looks != looks);
        let mut added = BTreeMap::new();
        for (place, now) in &counters {
            let Some(known) = &before else { break };
            // What a place, or a node, that was not known had counted before is not ours to judge by.
            let more = match known.counters.get(place) {
                Some(then) if known.process == process => now.since(then),
                Some(_) => now.clone(),
                None => continue,
            };
            self.sums.entry(place.clone()).or_default().add(&more);
            added.insert(place.clone(), more.errors());
        }
        let heard_unix_ms = match &before {
            Some(before) if !is_new => before.heard_unix_ms,
            Some(_) | None => now_unix_ms,
        };
        let node = Node { process, looks, heard_unix_ms, counters, added };
        self.nodes.insert(name.to_owned(), node);
    }
}

#[cfg(test)]
mod tests {
    use rules::gate::Tally;
    use rules::sli::{Histogram, SeenTenants};

    use super::*;
    use crate::command::Scope;

    fn place() -> Place {
        Place { route: "sms".parse().unwrap(), scope: Scope::Route }
    }

    /// So many requests and failures of stable, and the same of the candidate.
    fn counters(stable: (u64, u64), candidate: (u64, u64)) -> Counters {
        let arm = |(requests, failed)| {
            let latency = Histogram::default();
            (0..requests).for_each(|n| latency.record(std::time::Duration::from_millis(n)));
            let mut counts = rules::sli::ArmCounts { requests, ..Default::default() };
            counts.errors[0] = failed;
            counts.latency = latency.counts();
            counts
        };
        let strata = vec![[Tally::default(); 3], [Tally::new(stable.1, stable.0); 3]];
        let baseline = Some(arm(stable));
        let exchanges = Tally::new(candidate.1, candidate.0);
        let seen = [("step".to_owned(), seen(&["acme"]))].into();
        let (stable, candidate) = (arm(stable), arm(candidate));
        Counters { stable, candidate, baseline, exchanges, strata, seen }
    }

    fn seen(tenants: &[&str]) -> SeenTenants {
        let mut seen = SeenTenants::default();
        tenants.iter().for_each(|id| seen.note(rules::Bucket::of("s", id)));
        seen
    }

    #[test]
    fn tenants_are_the_same_ones_on_all_nodes_and_forgotten_with_their_step() {
        let at = |step: &str, tenants: &[&str]| {
            let seen = [(step.to_owned(), seen(tenants))].into();
            Counters { seen, ..counters((10, 0), (0, 0)) }
        };
        let mut together = Together::default();
        for looks in 0..2 {
            together.take_own(own(at("one", &["acme", "b2"])), 0);
            others(&mut together, vec![("b", told("p", looks, &at("one", &["b2", "c3"])))], 0);
        }
        let known = |together: &Together, step: &str| {
            together.counters(&place()).seen.get(step).map(SeenTenants::count)
        };
        assert_eq!(known(&together, "one"), Some(3));
        assert!(together.counters(&place()).baseline.is_some());
        together.take_own(own(Counters { baseline: None, ..at("two", &["acme"]) }), 0);
        assert!(together.counters(&place()).baseline.is_none());
        assert_eq!((known(&together, "one"), known(&together, "two")), (None, Some(1)));
    }

    fn told(process: &str, looks: u64, counters: &Counters) -> Told {
        let text = serde_json::to_string(&CountersText::from(counters)).unwrap();
        let text = serde_json::from_str(&text).unwrap();
        let counters = [(place().to_string(), text)].into();
        Told { process: process.to_owned(), looks, counters, alike: BTreeMap::new() }
    }

    fn own(counters: Counters) -> BTreeMap<String, Counters> {
        [(place().to_string(), counters)].into()
    }

    fn others(together: &mut Together, told: Vec<(&str, Told)>, now_unix_ms: i64) {
        let told = told.into_iter().map(|(name, told)| (name.to_owned(), told)).collect();
        together.take_others(told, &[], now_unix_ms);
    }

    #[test]
    fn what_nodes_tell_is_what_they_counted() {
        let counted = counters((90, 3), (10, 2));
        let text = serde_json::to_string(&CountersText::from(&counted)).unwrap();
        let read: CountersText = serde_json::from_str(&text).unwrap();
        assert_eq!(Counters::from(read), counted);
    }

    #[test]
    fn what_all_nodes_add_is_summed_and_what_was_there_before_is_not() {
        let mut together = Together::default();
        together.take_own(own(counters((100, 0), (0, 0))), 1_000);
        others(&mut together, vec![("b", told("p", 1, &counters((5_000, 9), (0, 0))))], 1_000);
        assert_eq!(together.counters(&place()), Counters::default());
        together.take_own(own(counters((110, 1), (2, 0))), 2_000);
        others(&mut together, vec![("b", told("p", 2, &counters((5_007, 9), (3, 3))))], 2_000);
        let sum = together.counters(&place());
        assert_eq!(sum.errors().stable, Tally::new(1, 17));
        assert_eq!(sum.errors().candidate, Tally::new(3, 5));
        assert_eq!((sum.exchanges, sum.strata[1][0]), (Tally::new(3, 5), Tally::new(1, 17)));
        assert_eq!(sum.candidate.latency.total(), 5);
        let added = together.added(&place());
        assert_eq!(
            added[1],
            ("b", Tallies { candidate: Tally::new(3, 3), stable: Tally::new(0, 7) })
        );
    }

    #[test]
    fn a_look_that_was_missed_is_made_up_for_and_a_process_that_starts_anew_counts_from_nothing() {
        let mut together = Together::default();
        together.take_own(own(counters((0, 0), (0, 0))), 0);
        let stable = |together: &Together| together.counters(&place()).errors().stable.total;
        others(&mut together, vec![("b", told("p", 1, &counters((10, 0), (0, 0))))], 0);
        others(&mut together, vec![("b", told("p", 9, &counters((90, 0), (0, 0))))], 9_000);
        assert_eq!(stable(&together), 80);
        // The same word again adds nothing.
        others(&mut together, vec![("b", told("p", 9, &counters((90, 0), (0, 0))))], 9_500);
        assert_eq!(stable(&together), 80);
        others(&mut together, vec![("b", told("q", 1, &counters((95, 0), (0, 0))))], 10_000);
        assert_eq!(stable(&together), 175);
    }

    #[test]
    fn a_node_that_says_nothing_is_missed_for_a_minute_and_one_that_left_is_not() {
        let mut together = Together::default();
        let counted = counters((10, 0), (1, 0));
        let looks = |together: &mut Together, looks: u64, now: i64| {
            together.take_own(own(counters((10, 0), (1, 0))), now);
            others(together, vec![("b", told("p", looks, &counters((10, 0), (1, 0))))], now);
        };
        looks(&mut together, 1, 0);
        assert!(together.is_whole(&place(), 0));
        // It tells nothing new; then its note is over, because it was not renewed.
        looks(&mut together, 1, 5_001);
        assert!(!together.is_whole(&place(), 5_001));
        for now in [15_000, 59_000] {
            together.take_own(own(counted.clone()), now);
            others(&mut together, Vec::new(), now);
            assert!(!together.is_whole(&place(), now), "{now}");
        }
        together.take_own(own(counted.clone()), 60_000);
        others(&mut together, Vec::new(), 60_000);
        assert!(together.is_whole(&place(), 60_000));
        looks(&mut together, 2, 61_000);
        together.take_own(own(counted), 62_000);
        others(&mut together, Vec::new(), 62_000);
        assert!(together.is_whole(&place(), 62_000), "it took its note back");
    }

    #[test]
    fn whoever_does_not_tell_of_a_place_or_cannot_be_heard_leaves_a_gap() {
        let mut together = Together::default();
        together.take_own(own(counters((10, 0), (1, 0))), 0);
        let silent = Told {
            process: "p".into(),
            looks: 1,
            counters: BTreeMap::new(),
            alike: BTreeMap::new(),
        };
        others(&mut together, vec![("b", silent)], 0);
        assert!(!together.is_whole(&place(), 0));
        others(&mut together, Vec::new(), 500);
        assert!(together.is_whole(&place(), 500));
        together.take_others(Vec::new(), &["b".to_owned()], 600);
        assert!(!together.is_whole(&place(), 600), "it is there, and tells nothing");
        others(&mut together, vec![("b", told("p", 2, &counters((1, 0), (0, 0))))], 1_000);
        together.take_own(own(counters((10, 0), (1, 0))), 1_000);
        assert!(together.is_whole(&place(), 1_000));
        together.take_nothing();
        assert!(!together.is_whole(&place(), 1_000));
    }
}
