//! How are the arms doing right now? Rates and quantiles over the last ten seconds, from counts taken each second.
//!
//! A route that nobody used since the last look costs a few loads, so that 10,000 of them stay cheap. What is kept of a
//! second is the few dozen buckets that it filled.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rules::sli::{ArmCounters, ArmCounts, ArmNews, Arms, HistogramCounts};
use rules::{Arm, CohortName, Route, RouteName};

/// How far back rates and quantiles look.
pub const WINDOW: Duration = Duration::from_secs(10);

/// One arm over the last ten seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rates {
    /// How many seconds were looked at: ten, or fewer soon after the start.
    pub window_s: f64,
    /// Exchanges in that time.
    pub requests: u64,
    /// Exchanges per second.
    pub rate_per_s: f64,
    /// The part of them that failed; none where there were none.
    pub error_ratio: Option<f64>,
    /// Half of them took at most this long.
    pub p50: Option<Duration>,
    /// 95 % of them took at most this long.
    pub p95: Option<Duration>,
    /// 99 % of them took at most this long.
    pub p99: Option<Duration>,
}

/// The last ten seconds of one arm.
#[derive(Debug, Default)]
struct ArmWindow {
    exchanges: u64,
    counts: ArmCounts,
    /// What each second added, and when.
    added: VecDeque<(Duration, ArmNews)>,
}

impl ArmWindow {
    fn look(&mut self, counters: &ArmCounters, now: Duration) {
        while self.added.front().is_some_and(|(at, _)| *at + WINDOW <= now) {
            self.added.pop_front();
        }
        let exchanges = counters.exchanges();
        if exchanges == self.exchanges {
            return;
        }
        if exchanges < self.exchanges {
            // The route went away and came back: its counters began anew.
            self.counts = ArmCounts::default();
        }
        self.exchanges = exchanges;
        self.added.push_back((now, counters.news(&mut self.counts)));
    }

    #[expect(clippy::cast_precision_loss, reason = "requests of ten seconds are far below 2^52")]
    fn rates(&self, window_s: f64) -> Rates {
        let sum = |part: fn(&ArmNews) -> u64| self.added.iter().map(|(_, a)| part(a)).sum::<u64>();
        let (requests, failed) = (sum(|a| a.requests), sum(|a| a.failed));
        let mut latency = HistogramCounts::default();
        for (_, added) in &self.added {
            latency.add(added.latency.iter().copied());
        }
        Rates {
            window_s,
            requests,
            rate_per_s: requests as f64 / window_s,
            error_ratio: (requests > 0).then(|| failed as f64 / requests as f64),
            p50: latency.quantile(0.50),
            p95: latency.quantile(0.95),
            p99: latency.quantile(0.99),
        }
    }
}

/// All arms, in the order of [`Arm::ALL`].
type Windowed = [ArmWindow; Arm::ALL.len()];

#[derive(Debug, Default)]
struct RouteWindow {
    arms: Windowed,
    cohorts: BTreeMap<CohortName, Windowed>,
    looked_at: Duration,
}

/// The last ten seconds of all routes.
#[derive(Debug, Default)]
pub struct Windows(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    now: Duration,
    routes: HashMap<RouteName, RouteWindow>,
}

impl Windows {
    /// Takes the counts of all routes. `now` is the time since the start; called about once a second.
    pub fn look(&self, routes: &[Arc<Route>], now: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = now;
        for route in routes {
            let used = route.counters.arms().exchanges() > 0;
            if !used && !state.routes.contains_key(&route.name) {
                continue;
            }
            let window = state.routes.entry(route.name.clone()).or_default();
            window.looked_at = now;
            look_at(&mut window.arms, route.counters.arms(), now);
            window
                .cohorts
                .retain(|name, _| route.counters.cohorts().any(|(known, _)| known == name));
            for (name, arms) in route.counters.cohorts() {
                if arms.exchanges() > 0 {
                    let pair = window.cohorts.entry(name.clone()).or_default();
                    look_at(pair, arms, now);
                }
            }
        }
        state.routes.retain(|_, window| window.looked_at == now);
    }

    /// All arms of a route, or of one of its cohorts, in the order of [`Arm::ALL`].
    #[must_use]
    pub fn rates(&self, route: &str, cohort: Option<&str>) -> [Rates; Arm::ALL.len()] {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window_s = state.now.min(WINDOW).as_secs_f64().max(1.0);
        let window = state.routes.get(route);
        let pair = match cohort {
            None => window.map(|window| &window.arms),
            Some(cohort) => window.and_then(|window| window.cohorts.get(cohort)),
        };
        let nothing = Rates { window_s, ..Rates::default() };
        pair.map_or([nothing; Arm::ALL.len()], |pair| {
            pair.each_ref().map(|arm| arm.rates(window_s))
        })
    }
}

fn look_at(windows: &mut Windowed, arms: &Arms, now: Duration) {
    for (window, counters) in windows.iter_mut().zip(Arm::ALL.map(|arm| arms.of(arm))) {
        window.look(counters, now);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use axum::http::{Method, Version};
    use rules::Revision;
    use rules::cohort::CohortId;
    use rules::route::FamilyId;
    use rules::sli::{ErrorClass, Observation, Scheme, SeriesKey};

    use super::*;

    /// So many routes, the first of them `r0`, with a cohort if one is named. Their counters begin anew.
    pub(crate) fn routes(count: usize, cohort: Option<&str>) -> Vec<Arc<Route>> {
        let cohort = cohort.map(|name| format!("cohorts: {{{name}: {{tenants: [acme]}}}}\n"));
        let upstreams = "upstreams: {old: {targets: [{address: '127.0.0.1:1'}]}}\n";
        let route = |n| format!("  r{n}: {{canonical: /v1/r{n}, stable: {{upstream: old}}}}\n");
        let all: String = (0..count).map(route).collect();
        let text = format!("{}{upstreams}routes:\n{all}", cohort.unwrap_or_default());
        let source = config::Source { text: &text, name: "", base: Path::new("/"), env: &|_| None };
        let document = Arc::new(config::read(&source).unwrap());
        let live = config::Live::default();
        let compiled = config::compile(&document, &live, Revision(1), None, 0).unwrap();
        compiled.snapshot.table.routes().to_vec()
    }

    pub(crate) fn record(route: &Route, arm: Arm, error: Option<ErrorClass>, ms: u64) {
        route.counters.record(&Observation {
            arm,
            cohort: Some(CohortId(0)),
            family: FamilyId(0),
            tenant: None,
            bucket: None,
            own: None,
            key: SeriesKey::new(&Method::GET, 200, error, Scheme::Http, Version::HTTP_11),
            duration: Duration::from_millis(ms),
            overridden: false,
            now_unix: 0,
        });
    }

    const fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn looks_back_ten_seconds_and_no_further() {
        let (windows, routes) = (Windows::default(), routes(1, None));
        for n in 1..=20 {
            for _ in 0..if n <= 5 { 100 } else { 8 } {
                record(&routes[0], Arm::Stable, None, 10);
            }
            record(&routes[0], Arm::Stable, Some(ErrorClass::ServerError), 10);
            record(&routes[0], Arm::Stable, Some(ErrorClass::ClientAbort), 10);
            windows.look(&routes, second(n));
        }
        let [stable, candidate, _] = windows.rates("r0", None);
        assert_eq!(stable.requests, 100);
        assert!((stable.rate_per_s - 10.0).abs() < 1e-9);
        assert_eq!(stable.error_ratio, Some(0.1));
        assert!(stable.p95.is_some_and(|p| (10..12).contains(&p.as_millis())));
        assert_eq!((candidate.requests, candidate.error_ratio), (0, None));
    }

    #[test]
    fn an_idle_arm_fades_out() {
        let (windows, routes) = (Windows::default(), routes(1, None));
        record(&routes[0], Arm::Candidate, None, 5);
        windows.look(&routes, second(1));
        assert_eq!(windows.rates("r0", None)[1].requests, 1);
        windows.look(&routes, second(12));
        assert_eq!(windows.rates("r0", None)[1], Rates { window_s: 10.0, ..Rates::default() });
    }

    #[test]
    fn keeps_cohorts_apart_and_forgets_what_is_gone() {
        let (windows, cohort) = (Windows::default(), routes(1, Some("africa")));
        record(&cohort[0], Arm::Candidate, None, 5);
        windows.look(&cohort, second(1));
        assert_eq!(windows.rates("r0", Some("africa"))[1].requests, 1);
        assert_eq!(windows.rates("r0", Some("asia"))[1].requests, 0);
        windows.look(&[], second(2));
        assert_eq!(windows.rates("r0", None)[1].requests, 0);
        // It comes back with counters that begin anew.
        let again = routes(1, None);
        record(&again[0], Arm::Stable, None, 5);
        windows.look(&again, second(3));
        assert_eq!(windows.rates("r0", None)[0].requests, 1);
    }

    #[test]
    fn nothing_is_kept_of_idle_routes() {
        let windows = Windows::default();
        let routes = routes(1_000, None);
        record(&routes[7], Arm::Stable, None, 5);
        windows.look(&routes, second(1));
        assert_eq!(windows.0.lock().unwrap().routes.len(), 1);
    }
}
