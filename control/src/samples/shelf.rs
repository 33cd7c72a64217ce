//! Which samples are kept, how many, and for how long? Bounded by number, bytes and time. (INV-7)

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use config::document::secret::Secret;
use rules::compare::SamplePolicy;
use rules::exchange::ExchangeReport;
use rules::{Route, RouteName};

use super::KeptSample;
use super::seal::{Sealed, Seals, Unreadable};
use crate::parity::{MAX_SIGNATURES, signature_id};

/// Samples of one signature; a further one takes the place of the oldest.
const MAX_PER_SIGNATURE: usize = 5;
/// Bytes of all samples together.
const MAX_BYTES: usize = 16 << 20;

/// What is held, and what was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SampleGauges {
    /// Samples that are kept.
    pub kept: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Samples that there was no room or no key for.
    pub dropped: u64,
}

/// What can be shown of a signature.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opened {
    /// When each was taken, in milliseconds since 1970; the newest first.
    pub samples: Vec<(i64, KeptSample)>,
    /// How many were sealed with a key that is no longer in force.
    pub other_key: usize,
}

/// The samples of all routes.
#[derive(Debug, Default)]
pub struct Shelf(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    routes: HashMap<RouteName, OfRoute>,
    dropped: u64,
    seals: Seals,
}

impl State {
    fn bytes(&self) -> usize {
        self.routes.values().map(|of_route| of_route.bytes).sum()
    }
}

#[derive(Debug)]
struct OfRoute {
    /// By which they were all taken: what another one would have redacted is not kept.
    policy: Arc<SamplePolicy>,
    by_signature: HashMap<String, VecDeque<Sealed>>,
    bytes: usize,
}

impl OfRoute {
    fn by(policy: Arc<SamplePolicy>) -> Self {
        Self { policy, by_signature: HashMap::new(), bytes: 0 }
    }

    /// Forgets everything where another policy is in force.
    fn follow(&mut self, policy: &Arc<SamplePolicy>) {
        if !Arc::ptr_eq(&self.policy, policy) && self.policy != *policy {
            (self.by_signature, self.bytes) = (HashMap::new(), 0);
        }
        self.policy = Arc::clone(policy);
    }

    fn expire(&mut self, now_unix_ms: i64) {
        let ttl = i64::try_from(self.policy.time_to_live.as_millis()).unwrap_or(i64::MAX);
        let oldest = now_unix_ms.saturating_sub(ttl);
        let mut bytes = 0;
        self.by_signature.retain(|_, samples| {
            samples.retain(|sealed| sealed.at_unix_ms > oldest);
            bytes += samples.iter().map(Sealed::size).sum::<usize>();
            !samples.is_empty()
        });
        self.bytes = bytes;
    }

    /// Keeps one more of a signature; says whether there is room for that.
    fn add(&mut self, signature: String, sealed: Sealed) -> bool {
        let is_known = self.by_signature.contains_key(&signature);
        if !is_known && self.by_signature.len() >= MAX_SIGNATURES {
            return false;
        }
        self.bytes += sealed.size();
        let samples = self.by_signature.entry(signature).or_default();
        samples.push_back(sealed);
        if samples.len() > MAX_PER_SIGNATURE {
            self.bytes -= samples.pop_front().map_or(0, |oldest| oldest.size());
        }
        true
    }
}

impl Shelf {
    /// Keeps what an exchange shows, encrypted; without a key nothing.
    pub fn keep(&self, report: &ExchangeReport, key: Option<&Arc<Secret>>) {
        let Some(samples) = &report.samples else { return };
        let mut state = self.state();
        state.dropped += samples.left_out;
        let Some(key) = key else {
            state.dropped += u64::try_from(samples.taken.len()).unwrap_or(u64::MAX);
            return;
        };
        let mut room = MAX_BYTES.saturating_sub(state.bytes());
        let State { routes, dropped, seals } = &mut *state;
        let fresh = || OfRoute::by(Arc::clone(&samples.policy));
        let of_route = routes.entry(report.route.clone()).or_insert_with(fresh);
        of_route.follow(&samples.policy);
        for sample in &samples.taken {
            let signature = signature_id(&report.route, &sample.difference);
            let kept = KeptSample::new(&report.exchange_id, sample);
            let sealed = seals.seal(key, &signature, report.at_unix_ms, &kept);
            let sealed = sealed.filter(|sealed| sealed.size() <= room);
            let size = sealed.as_ref().map_or(0, Sealed::size);
            if sealed.is_some_and(|sealed| of_route.add(signature, sealed)) {
                room -= size;
            } else {
                *dropped += 1;
            }
        }
    }

    /// Forgets what is too old, what was taken by another policy than the one in force, and all of routes that are gone
    /// or no longer opt in. Called about once a second.
    pub fn look(&self, routes: &[Arc<Route>], now_unix_ms: i64) {
        let mut state = self.state();
        if state.routes.is_empty() {
            return;
        }
        let opted = |route: &Arc<Route>| Some((route.name.clone(), route.shadow.samples.clone()?));
        let policies: HashMap<RouteName, Arc<SamplePolicy>> =
            routes.iter().filter_map(opted).collect();
        state.routes.retain(|name, of_route| {
            let Some(policy) = policies.get(name) else { return false };
            of_route.follow(policy);
            of_route.expire(now_unix_ms);
            !of_route.by_signature.is_empty()
        });
    }

    /// Opens what is kept of a signature of a route that opts in by this policy.
    pub fn open(
        &self,
        route: &RouteName,
        policy: &Arc<SamplePolicy>,
        signature: &str,
        key: &Arc<Secret>,
        now_unix_ms: i64,
    ) -> Opened {
        let mut state = self.state();
        let State { routes, seals, .. } = &mut *state;
        let Some(of_route) = routes.get_mut(route) else { return Opened::default() };
        of_route.follow(policy);
        of_route.expire(now_unix_ms);
        let sealed = of_route.by_signature.get(signature).into_iter().flatten().rev();
        let mut opened = Opened::default();
        for sealed in sealed {
            match seals.open(key, signature, sealed) {
                Ok(sample) => opened.samples.push((sealed.at_unix_ms, sample)),
                Err(Unreadable::OtherKey) => opened.other_key += 1,
                // Nothing else writes here, so that it was changed from outside: there is nothing to show of it.
                Err(Unreadable::Damaged) => {}
            }
        }
        opened
    }

    /// What is held now, and what was not kept since the start.
    #[must_use]
    pub fn gauges(&self) -> SampleGauges {
        let state = self.state();
        let of_routes = state.routes.values().flat_map(|of_route| of_route.by_signature.values());
        let kept = of_routes.map(VecDeque::len).sum();
        SampleGauges { kept, bytes: state.bytes(), dropped: state.dropped }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rules::compare::{CompareRules, Sample, SampledValue, Samples};

    use super::*;
    use crate::parity::kit::{difference, differing};

    fn secret(text: &str) -> Arc<Secret> {
        Arc::new(Secret::of(text.repeat(32).as_bytes()))
    }

    fn policy(seconds: u64) -> Arc<SamplePolicy> {
        let time_to_live = Duration::from_secs(seconds);
        Arc::new(SamplePolicy { time_to_live, redacted: CompareRules::default() })
    }

    /// An exchange that differs at a path, where stable has this value.
    fn report(
        policy: &Arc<SamplePolicy>,
        at_unix_ms: i64,
        path: &str,
        value: &str,
    ) -> ExchangeReport {
        let side = |value: &str| SampledValue { place: path.into(), value: Some(value.into()) };
        let sample = Sample {
            difference: difference(path),
            stable: Some(side(value)),
            candidate: Some(side("other")),
        };
        let samples = Samples { policy: Arc::clone(policy), taken: vec![sample], left_out: 0 };
        ExchangeReport { samples: Some(samples), ..differing("x", at_unix_ms, &[path]) }
    }

    fn name() -> RouteName {
        "sms".parse().unwrap()
    }

    /// The values of stable that can be shown, the newest first.
    fn shown(
        shelf: &Shelf,
        policy: &Arc<SamplePolicy>,
        path: &str,
        now_unix_ms: i64,
    ) -> Vec<String> {
        let id = signature_id(&name(), &difference(path));
        let opened = shelf.open(&name(), policy, &id, &secret("a"), now_unix_ms);
        let value = |(_, sample): (i64, KeptSample)| sample.stable.unwrap().value.unwrap();
        opened.samples.into_iter().map(value).collect()
    }

    #[test]
    fn the_newest_five_are_kept_for_their_time() {
        let (shelf, policy, key) = (Shelf::default(), policy(10), secret("a"));
        for n in 0..7_i64 {
            shelf.keep(&report(&policy, n * 1_000, "/a", &n.to_string()), Some(&key));
        }
        assert_eq!(shown(&shelf, &policy, "/a", 7_000), ["6", "5", "4", "3", "2"]);
        assert_eq!(shelf.gauges().kept, 5);
        assert_eq!(shown(&shelf, &policy, "/a", 14_500), ["6", "5"]);
        assert_eq!(shown(&shelf, &policy, "/b", 14_500), [] as [&str; 0]);
        assert_eq!(shown(&shelf, &policy, "/a", 16_000), [] as [&str; 0]);
        assert_eq!(shelf.gauges(), SampleGauges::default());
    }

    #[test]
    fn nothing_outlives_its_policy_or_its_route() {
        let (shelf, key) = (Shelf::default(), secret("a"));
        let (former, present) = (policy(10), policy(20));
        shelf.keep(&report(&former, 0, "/a", "v"), Some(&key));
        assert_eq!(shown(&shelf, &policy(10), "/a", 1), ["v"], "the same policy, compiled anew");
        assert_eq!(shown(&shelf, &present, "/a", 1), [] as [&str; 0]);
        shelf.keep(&report(&present, 0, "/a", "w"), Some(&key));
        shelf.keep(&report(&former, 0, "/a", "late"), Some(&key));
        assert_eq!(shown(&shelf, &present, "/a", 1), [] as [&str; 0]);
        shelf.keep(&report(&present, 0, "/a", "w"), Some(&key));
        shelf.look(&[], 1);
        assert_eq!(shelf.gauges(), SampleGauges::default());
    }

    #[test]
    fn without_its_key_nothing_is_kept_or_shown() {
        let (shelf, policy) = (Shelf::default(), policy(10));
        shelf.keep(&report(&policy, 0, "/a", "v"), None);
        assert_eq!(shelf.gauges(), SampleGauges { dropped: 1, ..SampleGauges::default() });
        shelf.keep(&report(&policy, 0, "/a", "v"), Some(&secret("b")));
        let id = signature_id(&name(), &difference("/a"));
        let opened = shelf.open(&name(), &policy, &id, &secret("a"), 1);
        assert_eq!(opened, Opened { samples: Vec::new(), other_key: 1 });
    }

    #[test]
    fn all_together_are_bounded() {
        let (shelf, policy, key) = (Shelf::default(), policy(10), secret("a"));
        let long = "v".repeat(8_000);
        let mut kept = 0;
        for n in 0..MAX_SIGNATURES + 3 {
            shelf.keep(&report(&policy, 0, &format!("/{n}"), &long), Some(&key));
            kept = kept.max(shelf.gauges().bytes);
        }
        let gauges = shelf.gauges();
        assert_eq!((gauges.kept, gauges.dropped), (MAX_SIGNATURES, 3));
        assert!(kept <= MAX_BYTES && kept > MAX_BYTES / 2);
        for n in 0..200 {
            shelf.keep(&report(&policy, 0, &format!("/{n}"), &long), Some(&key));
        }
        let gauges = shelf.gauges();
        assert!(gauges.bytes <= MAX_BYTES && gauges.dropped > 3, "{gauges:?}");
        assert_eq!(shown(&shelf, &policy, "/0", 1).len(), 2);
    }
}
