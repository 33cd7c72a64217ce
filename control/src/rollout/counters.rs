//! What did both arms do? Counts of one node at one moment, that can be subtracted, added up, and told to other nodes.

use rules::{Arm, Route};
use std::collections::BTreeMap;

use rules::cohort::CohortId;
use rules::exchange::Outcome;
use rules::gate::{Tallies, Tally};
use rules::route::Sticky;
use rules::sli::{ArmCounts, RolloutCounters, SeenTenants, Strata};
use serde::{Deserialize, Serialize};

use crate::command::Scope;

/// The counters of both arms at one moment, or what was counted between two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Counters {
    pub(super) stable: ArmCounts,
    pub(super) candidate: ArmCounts,
    /// The baseline's, where the route has one: then that is what the candidate is compared with.
    pub(super) baseline: Option<ArmCounts>,
    pub(super) exchanges: Tally,
    /// Requests and failures of all arms for each part of the tenants, in the order of [`Arm::ALL`]; empty where no whole tenants
    /// move.
    pub(super) strata: Vec<[Tally; Arm::ALL.len()]>,
    /// The tenants that the candidate has seen, by the step that asks: since it began, and not since any look.
    pub(super) seen: BTreeMap<String, SeenTenants>,
}

impl Counters {
    /// Those of a route, of one of its cohorts, or of a tenant that is `counted`, as they stand.
    pub(super) fn of(
        route: &Route,
        scope: &Scope,
        counted: Option<&RolloutCounters>,
    ) -> Option<Self> {
        let (arms, outcomes) = match scope {
            Scope::Route => (route.counters.arms(), route.counters.outcomes()),
            Scope::Cohort(name) => {
                let mut cohorts = route.counters.cohorts();
                (cohorts.find(|(known, _)| *known == name)?.1, route.counters.outcomes())
            }
            Scope::Tenant(id) => {
                let own = counted?.tenant(id.as_str())?;
                (own.arms(), own.outcomes())
            }
        };
        let (stable, candidate) = (arms.stable.counts(), arms.candidate.counts());
        let strata =
            route.counters.strata().filter(|_| *scope == Scope::Route && moves_tenants(route));
        let strata = strata.map(Strata::counts).unwrap_or_default();
        let exchanges = exchanges(&outcomes);
        let seen = counted.map(|counted| seen(route, scope, counted)).unwrap_or_default();
        let baseline = route.baseline.map(|_| arms.baseline.counts());
        Some(Self { stable, candidate, baseline, exchanges, strata, seen })
    }

    /// What was counted since. Where less is counted than before, the counters began anew.
    pub(super) fn since(&self, before: &Self) -> Self {
        let arm = |now: &ArmCounts, before: &ArmCounts| {
            if now.requests < before.requests { now.clone() } else { now.since(before) }
        };
        Self {
            stable: arm(&self.stable, &before.stable),
            candidate: arm(&self.candidate, &before.candidate),
            // What a baseline counted before it was looked at is nothing to judge by.
            baseline: self.baseline.as_ref().map(|now| {
                before.baseline.as_ref().map(|before| arm(now, before)).unwrap_or_default()
            }),
            exchanges: since(self.exchanges, before.exchanges),
            strata: strata_since(&self.strata, &before.strata),
            seen: self.seen.clone(),
        }
    }

    /// Adds what another node counted.
    pub(super) fn add(&mut self, more: &Self) {
        self.stable.add(&more.stable);
        self.candidate.add(&more.candidate);
        if let Some(more) = &more.baseline {
            self.baseline.get_or_insert_default().add(more);
        }
        self.exchanges = self.exchanges.plus(more.exchanges);
        if self.strata.len() < more.strata.len() {
            self.strata.resize(more.strata.len(), [Tally::default(); Arm::ALL.len()]);
        }
        for (sum, more) in self.strata.iter_mut().zip(&more.strata) {
            for (sum, more) in sum.iter_mut().zip(more) {
                *sum = sum.plus(*more);
            }
        }
        for (step, more) in &more.seen {
            self.seen.entry(step.clone()).or_default().add(more);
        }
    }

    /// What the candidate is compared with.
    pub(super) fn control(&self) -> (Arm, &ArmCounts) {
        match &self.baseline {
            Some(baseline) => (Arm::Baseline, baseline),
            None => (Arm::Stable, &self.stable),
        }
    }

    /// Failed requests of the candidate and of what it is compared with, out of those that did not end by the client's going
    /// away.
    pub(super) fn errors(&self) -> Tallies {
        Tallies { candidate: failed(&self.candidate), stable: failed(self.control().1) }
    }
}

/// The tenants that were seen of a route or a cohort, by the steps that ask.
fn seen(route: &Route, scope: &Scope, counted: &RolloutCounters) -> BTreeMap<String, SeenTenants> {
    let of = |id: Option<CohortId>| match (scope, id) {
        (Scope::Route, None) => true,
        (Scope::Cohort(name), Some(id)) => {
            let place = usize::try_from(id.0).unwrap_or(usize::MAX);
            route.counters.cohorts().nth(place).is_some_and(|(known, _)| known == name)
        }
        _ => false,
    };
    let seen = counted.seen_tenants().filter(|(asked, _)| of(asked.cohort));
    seen.map(|(asked, seen)| (asked.step.to_string(), seen)).collect()
}

/// What was counted of each part of the tenants since.
pub(super) fn strata_since(
    now: &[[Tally; Arm::ALL.len()]],
    before: &[[Tally; Arm::ALL.len()]],
) -> Vec<[Tally; Arm::ALL.len()]> {
    let nothing = [Tally::default(); Arm::ALL.len()];
    let before = before.iter().chain(std::iter::repeat(&nothing));
    let each = |(now, before): (&[Tally; Arm::ALL.len()], &[Tally; Arm::ALL.len()])| {
        let mut added = now.iter().zip(before).map(|(now, before)| since(*now, *before));
        std::array::from_fn(|_| added.next().unwrap_or_default())
    };
    now.iter().zip(before).map(each).collect()
}

/// An arm's failed requests.
pub(super) fn failed(counts: &ArmCounts) -> Tally {
    Tally::new(counts.failed(), counts.requests)
}

const fn since(now: Tally, before: Tally) -> Tally {
    Tally::new(now.bad.saturating_sub(before.bad), now.total.saturating_sub(before.total))
}

/// Whether a share is a share of tenants, so that whole ones move.
fn moves_tenants(route: &Route) -> bool {
    !route.tenant.sources.is_empty() && matches!(route.sticky, None | Some(Sticky::Tenant))
}

/// The exchanges that were compared, and those of them that differ.
fn exchanges(outcomes: &[(Outcome, u64)]) -> Tally {
    let mut compared = Tally::default();
    for (outcome, count) in outcomes.iter().copied() {
        match outcome {
            Outcome::Match => compared = compared.plus(Tally::new(0, count)),
            Outcome::Mismatch => compared = compared.plus(Tally::new(count, count)),
            Outcome::NotComparable(_) => {}
        }
    }
    compared
}

/// Counters as nodes tell them to one another: what is zero is left out.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CountersText {
    stable: ArmText,
    candidate: ArmText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    baseline: Option<ArmText>,
    /// Exchanges that differ, and all that were compared.
    exchanges: (u64, u64),
    /// Place, then failures and requests of each arm.
    strata: Vec<(usize, [(u64, u64); Arm::ALL.len()])>,
    /// How many places there are.
    parts: usize,
    /// Sketches of the tenants that were seen, by step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    seen: BTreeMap<String, Vec<u64>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ArmText {
    requests: u64,
    errors: Vec<u64>,
    latency: Vec<(u16, u64)>,
}

/// Into how many parts tenants are divided at most, whatever another node says.
const MAX_PARTS: usize = 10_000;

impl From<&Counters> for CountersText {
    fn from(counters: &Counters) -> Self {
        let arm = |counts: &ArmCounts| ArmText {
            requests: counts.requests,
            errors: counts.errors.to_vec(),
            latency: counts.latency.occupied().collect(),
        };
        let of_part = |part: &[Tally; Arm::ALL.len()]| part.map(|one| (one.bad, one.total));
        let strata = counters.strata.iter().map(of_part);
        Self {
            stable: arm(&counters.stable),
            candidate: arm(&counters.candidate),
            baseline: counters.baseline.as_ref().map(arm),
            exchanges: (counters.exchanges.bad, counters.exchanges.total),
            strata: strata.enumerate().filter(|(_, counts)| *counts != [(0, 0); 3]).collect(),
            parts: counters.strata.len(),
            seen: counters
                .seen
                .iter()
                .map(|(step, seen)| (step.clone(), seen.words().to_vec()))
                .collect(),
        }
    }
}

impl From<CountersText> for Counters {
    fn from(text: CountersText) -> Self {
        let arm = |text: ArmText| {
            let mut errors = text.errors.into_iter();
            let mut counts = ArmCounts { requests: text.requests, ..ArmCounts::default() };
            counts.errors = std::array::from_fn(|_| errors.next().unwrap_or(0));
            counts.latency.add(text.latency);
            counts
        };
        let mut strata = vec![[Tally::default(); Arm::ALL.len()]; text.parts.min(MAX_PARTS)];
        for (place, arms) in text.strata {
            if let Some(part) = strata.get_mut(place) {
                *part = arms.map(|(bad, total)| Tally::new(bad, total));
            }
        }
        let exchanges = Tally::new(text.exchanges.0, text.exchanges.1);
        let seen = text.seen.into_iter();
        let seen = seen.map(|(step, words)| (step, SeenTenants::from_words(words))).collect();
        let (stable, candidate) = (arm(text.stable), arm(text.candidate));
        let baseline = text.baseline.map(arm);
        Self { stable, candidate, baseline, exchanges, strata, seen }
    }
}
