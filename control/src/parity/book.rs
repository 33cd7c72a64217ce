//! What is known of all routes? The counts of each, within bounds for all of them together. (INV-7)

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use config::{Document, RouteLive};
use rules::compare::parity::{Figures, Limits};
use rules::exchange::ExchangeReport;
use rules::{CohortName, Route, RouteName, Shift, Stage};

use super::route::{OfRoute, Room};
use super::words::{self, MAX_ROUTES_TOLD, MAX_SIGNATURES_TOLD};
use super::{RouteParity, Signature, Span, Tally};

/// How many signatures are kept of all routes together: the candidate chooses what they are made of.
const MAX_SIGNATURES_OF_ALL: usize = 100_000;
/// Pieces of remembered exchanges, of eight bytes each.
const MAX_PIECES: usize = 4_000_000;
/// Cohorts of all routes that are counted apart.
const MAX_COHORTS: usize = 5_000;
/// How many routes are counted; as many as a configuration may well have.
const MAX_ROUTES: usize = 20_000;

/// What had no room, or came too late to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overflow {
    /// Exchanges of routes beyond the bound.
    pub routes: u64,
    /// Exchanges that were counted for their route and not for their cohort.
    pub cohorts: u64,
    /// Exchanges that differ and cannot be judged anew when more is known of stable's noise.
    pub remembered: u64,
    /// Places that were not watched for stable's noise.
    pub noise: u64,
    /// Exchanges that were compared by rules that are no longer in force.
    pub outdated: u64,
}

/// One route among all.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The route.
    pub route: RouteName,
    /// Since when its stage is counted, in milliseconds since 1970.
    pub stage_since_unix_ms: i64,
    /// What was counted since then.
    pub tally: Tally,
    /// What is asked of it to pass for alike.
    pub limits: Limits,
}

/// How alike the arms of all routes are.
#[derive(Debug, Default)]
pub struct Parity(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    routes: HashMap<RouteName, OfRoute>,
    /// Signatures, pieces of remembered exchanges, cohorts: of all routes together.
    held: (usize, usize, usize),
    refused: u64,
}

impl Parity {
    /// Counts one exchange.
    pub fn take(&self, report: &ExchangeReport) {
        let mut state = self.state();
        let (signatures, pieces, cohorts) = state.held;
        let room = Room {
            signatures: signatures < MAX_SIGNATURES_OF_ALL,
            remembered: pieces < MAX_PIECES,
            cohorts: cohorts < MAX_COHORTS,
        };
        if state.routes.len() >= MAX_ROUTES && !state.routes.contains_key(&report.route) {
            state.refused += 1;
            return;
        }
        let fresh = || OfRoute::new(Arc::clone(&report.rules), report.at_unix_ms);
        let of_route = state.routes.entry(report.route.clone()).or_insert_with(fresh);
        let before = of_route.held();
        of_route.take(report, room);
        let after = of_route.held();
        state.held = (
            signatures + after.0 - before.0,
            pieces + after.1 - before.1,
            cohorts + after.2 - before.2,
        );
    }

    /// Follows what serves: routes that are gone are forgotten, other rules and stages begin to be counted anew. What is
    /// known of stable's noise is judged. Called about once a second.
    pub fn look(
        &self,
        routes: &[Arc<Route>],
        live: &BTreeMap<RouteName, Arc<RouteLive>>,
        now_unix_ms: i64,
    ) {
        let mut state = self.state();
        state.routes.retain(|name, _| live.contains_key(name));
        for route in routes {
            let Some(of_route) = state.routes.get_mut(&route.name) else { continue };
            of_route.follow_rules(&route.compare, now_unix_ms);
            of_route.limits = route.limits;
            if let Some(live) = live.get(&route.name) {
                let stage = Shift::from(live.default).stage();
                let of_cohort = |name: &CohortName| of_cohort(live, name);
                of_route.follow_stages(stage, of_cohort, now_unix_ms);
            }
            of_route.judge_noise();
        }
        let held = state.routes.values().map(OfRoute::held);
        state.held =
            held.fold((0, 0, 0), |sum, held| (sum.0 + held.0, sum.1 + held.1, sum.2 + held.2));
    }

    /// Follows a route's rules at once: what is shown next was counted under those in force.
    pub fn follow(&self, route: &Route, now_unix_ms: i64) {
        if let Some(of_route) = self.state().routes.get_mut(&route.name) {
            of_route.follow_rules(&route.compare, now_unix_ms);
            of_route.limits = route.limits;
        }
    }

    /// How alike a route's arms are; none where no exchange of it was seen.
    #[must_use]
    pub fn of(&self, route: &str, now_unix_ms: i64) -> Option<RouteParity> {
        Some(self.state().routes.get(route)?.told(now_unix_ms))
    }

    /// What was counted of a route or of one of its cohorts over a span; none where no exchange was seen.
    #[must_use]
    pub fn tally(
        &self,
        route: &str,
        cohort: Option<&CohortName>,
        span: Span,
        now_unix_ms: i64,
    ) -> Option<Tally> {
        self.state().routes.get(route)?.tally(cohort, span, now_unix_ms)
    }

    /// The figures of a route or of one of its cohorts since a rollout's step began, which is to be asked for as soon as it
    /// has: the first question is where counting begins.
    #[must_use]
    pub fn since_step(
        &self,
        route: &RouteName,
        cohort: Option<&CohortName>,
        begun_unix_ms: i64,
    ) -> Figures {
        let mut state = self.state();
        let of_route = state.routes.get_mut(route);
        let tally = of_route.and_then(|of_route| of_route.since_step(cohort, begun_unix_ms));
        drop(state);
        tally.unwrap_or_default().figures
    }

    /// What other nodes are told of the routes with the most exchanges of the last day.
    #[must_use]
    pub fn text(&self, document: &Document, now_unix_ms: i64) -> String {
        let state = self.state();
        let shadowed = |of_route: &OfRoute| {
            let day = of_route.tally(None, Span::Day, now_unix_ms);
            day.map_or(0, |tally| tally.figures.shadowed)
        };
        let mut routes: Vec<_> =
            state.routes.iter().map(|(name, of)| (shadowed(of), name, of)).collect();
        routes.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let told = routes.into_iter().take(MAX_ROUTES_TOLD).map(|(_, name, of_route)| {
            (
                name.clone(),
                of_route.told(now_unix_ms),
                of_route.most_frequent(name, MAX_SIGNATURES_TOLD),
            )
        });
        let told: Vec<_> = told.collect();
        drop(state);
        words::text(document, told)
    }

    /// A route's signatures: what is held against the candidate first, and of that the most frequent.
    #[must_use]
    pub fn signatures(&self, route: &RouteName) -> Vec<Signature> {
        let state = self.state();
        state.routes.get(route).map(|of_route| of_route.list(route)).unwrap_or_default()
    }

    /// All routes since their stages began, by name.
    #[must_use]
    pub fn standings(&self, now_unix_ms: i64) -> Vec<Standing> {
        let state = self.state();
        let mut all: Vec<Standing> = state
            .routes
            .iter()
            .map(|(route, of_route)| Standing {
                route: route.clone(),
                stage_since_unix_ms: of_route.stage_since_unix_ms(),
                tally: of_route.tally(None, Span::Stage, now_unix_ms).unwrap_or_default(),
                limits: of_route.limits,
            })
            .collect();
        drop(state);
        all.sort_by(|one, other| one.route.cmp(&other.route));
        all
    }

    /// How often a signature had no room, per route that this happened on.
    #[must_use]
    pub fn signature_overflows(&self) -> Vec<(RouteName, u64)> {
        let state = self.state();
        let full = state.routes.iter().filter(|(_, of_route)| of_route.overflow() > 0);
        let mut all: Vec<_> = full.map(|(name, of)| (name.clone(), of.overflow())).collect();
        drop(state);
        all.sort();
        all
    }

    /// What else had no room, of all routes that are there.
    #[must_use]
    pub fn overflow(&self) -> Overflow {
        let state = self.state();
        let mut overflow = Overflow { routes: state.refused, ..Overflow::default() };
        let mut add = |of_route: &OfRoute| {
            overflow.cohorts += of_route.lost().cohorts;
            overflow.remembered += of_route.lost().remembered;
            overflow.noise += of_route.noise_overflow();
            overflow.outdated += of_route.outdated();
        };
        state.routes.values().for_each(&mut add);
        overflow
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A cohort's stage: its own, or else the route's.
fn of_cohort(live: &RouteLive, name: &CohortName) -> Stage {
    Shift::from(live.cohorts.get(name).copied().unwrap_or(live.default)).stage()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parity::kit::differing;

    fn of(route: usize, path: usize) -> ExchangeReport {
        ExchangeReport {
            route: format!("r{route}").parse().unwrap(),
            ..differing("x", 0, &[&format!("/{path}")])
        }
    }

    fn live(names: impl IntoIterator<Item = usize>) -> BTreeMap<RouteName, Arc<RouteLive>> {
        let name = |route| (format!("r{route}").parse().unwrap(), Arc::default());
        names.into_iter().map(name).collect()
    }

    #[test]
    fn all_routes_together_are_bounded() {
        let parity = Parity::default();
        for n in 0..MAX_SIGNATURES_OF_ALL + 3 {
            parity.take(&of(n / 1_000, n % 1_000));
        }
        let name: RouteName = "r100".parse().unwrap();
        assert_eq!(parity.signature_overflows(), [(name.clone(), 3)]);
        parity.look(&[], &live((0..200).filter(|route| *route != 7)), 0);
        parity.take(&of(100, 0));
        assert_eq!(parity.signatures(&name).len(), 1, "there is room again");
    }

    #[test]
    fn forgets_routes_that_are_gone() {
        let parity = Parity::default();
        parity.take(&of(1, 0));
        parity.take(&of(2, 0));
        parity.look(&[], &live([2]), 0);
        assert!(parity.of("r1", 0).is_none());
        let standings = parity.standings(0);
        assert_eq!(standings.len(), 1);
        assert_eq!(standings[0].tally.figures.mismatched, 1);
        assert_eq!(parity.tally("r2", None, Span::Day, 0).unwrap().figures.compared, 1);
        assert_eq!(parity.overflow(), Overflow::default());
    }
}
