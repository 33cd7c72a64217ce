//! What did both arms do? Counts of one node at one moment, that can be subtracted, added up, and told to other nodes.

use rules::Route;
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
    pub(super) exchanges: Tally,
    /// Requests and failures of both arms for each part of the tenants, stable first; empty where no whole tenants move.
    pub(super) strata: Vec<[Tally; 2]>,
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
        Some(Self { stable, candidate, exchanges, strata, seen })
    }

    /// What was counted since. Where less is counted than before, the counters began anew.
    pub(super) fn since(&self, before: &Self) -> Self {
        let arm = |now: &ArmCounts, before: &ArmCounts| {
            if now.requests < before.requests { now.clone() } else { now.since(before) }
        };
        Self {
            stable: arm(&self.stable, &before.stable),
            candidate: arm(&self.candidate, &before.candidate),
            exchanges: since(self.exchanges, before.exchanges),
            strata: strata_since(&self.strata, &before.strata),
            seen: self.seen.clone(),
        }
    }

    /// Adds what another node counted.
    pub(super) fn add(&mut self, more: &Self) {
        self.stable.add(&more.stable);
        self.candidate.add(&more.candidate);
        self.exchanges = self.exchanges.plus(more.exchanges);
        if self.strata.len() < more.strata.len() {
            self.strata.resize(more.strata.len(), [Tally::default(); 2]);
        }
        for (sum, more) in self.strata.iter_mut().zip(&more.strata) {
            let ([stable, candidate], [more_stable, more_candidate]) = (*sum, *more);
            *sum = [stable.plus(more_stable), candidate.plus(more_candidate)];
        }
        for (step, more) in &more.seen {
            self.seen.entry(step.clone()).or_default().add(more);
        }
    }

    /// Failed requests of both arms, out of those that did not end by the client's going away.
    pub(super) fn errors(&self) -> Tallies {
        Tallies { candidate: failed(&self.candidate), stable: failed(&self.stable) }
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
pub(super) fn strata_since(now: &[[Tally; 2]], before: &[[Tally; 2]]) -> Vec<[Tally; 2]> {
    let nothing = [Tally::default(); 2];
    let before = before.iter().chain(std::iter::repeat(&nothing));
    now.iter().zip(before).map(|([s, c], [s0, c0])| [since(*s, *s0), since(*c, *c0)]).collect()
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
    /// Exchanges that differ, and all that were compared.
    exchanges: (u64, u64),
    /// Place, then failures and requests of stable and the candidate.
    strata: Vec<(usize, [u64; 4])>,
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
        let strata = counters.strata.iter().map(|[s, c]| [s.bad, s.total, c.bad, c.total]);
        Self {
            stable: arm(&counters.stable),
            candidate: arm(&counters.candidate),
            exchanges: (counters.exchanges.bad, counters.exchanges.total),
            strata: strata.enumerate().filter(|(_, counts)| *counts != [0; 4]).collect(),
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
        let mut strata = vec![[Tally::default(); 2]; text.parts.min(MAX_PARTS)];
        for (place, [bad, total, candidate_bad, candidate_total]) in text.strata {
            if let Some(part) = strata.get_mut(place) {
                *part = [Tally::new(bad, total), Tally::new(candidate_bad, candidate_total)];
            }
        }
        let exchanges = Tally::new(text.exchanges.0, text.exchanges.1);
        let seen = text.seen.into_iter();
        let seen = seen.map(|(step, words)| (step, SeenTenants::from_words(words))).collect();
        Self { stable: arm(text.stable), candidate: arm(text.candidate), exchanges, strata, seen }
    }
}
