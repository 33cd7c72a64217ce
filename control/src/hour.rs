//! How much traffic was there in the last hour? Requests per route and cohort, minute by minute.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rules::{CohortName, Route, RouteName};

/// How many minutes are kept.
const MINUTES: u64 = 60;

/// What a route was asked in some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// All requests.
    pub requests: u64,
    /// Those of them that belong to a cohort.
    pub cohorts: BTreeMap<CohortName, u64>,
}

/// The last hour of all routes.
#[derive(Debug, Default)]
pub struct Hour(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    minute: u64,
    routes: HashMap<RouteName, RouteHour>,
}

#[derive(Debug, Default)]
struct RouteHour {
    /// What was counted when it was last looked at.
    counted: Asked,
    minutes: VecDeque<(u64, Asked)>,
    looked_at: Duration,
}

impl Hour {
    /// Takes the counts of all routes. `now` is the time since the start; called about once a second.
    pub fn look(&self, routes: &[Arc<Route>], now: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.as_secs() / 60;
        state.minute = minute;
        for route in routes {
            let requests = route.counters.arms().exchanges();
            if requests == 0 && !state.routes.contains_key(&route.name) {
                continue;
            }
            let hour = state.routes.entry(route.name.clone()).or_default();
            hour.looked_at = now;
            hour.minutes.retain(|(at, _)| at + MINUTES > minute);
            if requests != hour.counted.requests {
                hour.take(route, requests, minute);
            }
        }
        state.routes.retain(|_, hour| hour.looked_at == now);
    }

    /// What a route was asked in the last hour.
    #[must_use]
    pub fn of(&self, route: &str) -> Asked {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = Asked::default();
        for (_, asked) in state.routes.get(route).iter().flat_map(|hour| &hour.minutes) {
            sum.requests += asked.requests;
            for (name, requests) in &asked.cohorts {
                *sum.cohorts.entry(name.clone()).or_default() += requests;
            }
        }
        sum
    }

    /// What all routes together were asked in the last hour.
    #[must_use]
    pub fn of_all(&self) -> u64 {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minutes = state.routes.values().flat_map(|hour| &hour.minutes);
        minutes.map(|(_, asked)| asked.requests).sum()
    }

    /// How many minutes of that hour the process has seen.
    #[must_use]
    pub fn minutes(&self) -> u64 {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (state.minute + 1).min(MINUTES)
    }
}

impl RouteHour {
    fn take(&mut self, route: &Route, requests: u64, minute: u64) {
        let cohorts = route.counters.cohorts();
        let cohorts = cohorts.map(|(name, arms)| (name.clone(), arms.exchanges()));
        let counted = Asked { requests, cohorts: cohorts.collect() };
        if requests < self.counted.requests {
            // The route went away and came back: its counters began anew.
            self.counted = Asked::default();
        }
        if self.minutes.back().is_none_or(|(at, _)| *at != minute) {
            self.minutes.push_back((minute, Asked::default()));
        }
        let Some((_, sum)) = self.minutes.back_mut() else { return };
        sum.requests += requests - self.counted.requests;
        for (name, now) in &counted.cohorts {
            let before = self.counted.cohorts.get(name).copied().unwrap_or(0);
            *sum.cohorts.entry(name.clone()).or_default() += now.saturating_sub(before);
        }
        self.counted = counted;
    }
}

#[cfg(test)]
mod tests {
    use rules::Arm;

    use super::*;
    use crate::window::tests::{record, routes};

    #[test]
    fn looks_back_an_hour_and_no_further() {
        let (hour, routes) = (Hour::default(), routes(2, Some("africa")));
        for minute in 0..90 {
            for _ in 0..10 {
                record(&routes[0], Arm::Stable, None, 5);
            }
            record(&routes[1], Arm::Candidate, None, 5);
            hour.look(&routes, Duration::from_secs(minute * 60 + 30));
        }
        let asked = hour.of("r0");
        assert_eq!(asked.requests, 600);
        assert_eq!(asked.cohorts.values().copied().collect::<Vec<_>>(), [600]);
        assert_eq!((hour.of_all(), hour.minutes()), (660, 60));
        hour.look(&routes, Duration::from_secs(180 * 60));
        assert_eq!(hour.of_all(), 0);
        hour.look(&[], Duration::from_secs(181 * 60));
        assert!(hour.0.lock().unwrap().routes.is_empty());
    }
}
