//! How do the arms' answers differ? Signatures per route, counted; never a value of any answer. (INV-12)

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rules::RouteName;
use rules::compare::{Difference, Found};
use rules::exchange::ExchangeReport;

/// How many signatures are kept per route. Further ones are only counted. (INV-7)
pub const MAX_SIGNATURES: usize = 2_000;
/// How many signatures are kept of all routes together: the candidate chooses what they are made of. (INV-7)
pub const MAX_OF_ALL: usize = 100_000;
/// How many routes have signatures kept; as many as a configuration may well have.
const MAX_ROUTES: usize = 20_000;
const MAX_EXAMPLES: usize = 5;

/// One way in which answers of a route differ, and how often they did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Where, how and by which classes of values.
    pub difference: Difference,
    /// In how many exchanges.
    pub count: u64,
    /// First, in milliseconds since 1970.
    pub first_seen_unix_ms: i64,
    /// Last, in milliseconds since 1970.
    pub last_seen_unix_ms: i64,
    /// The newest exchanges that showed it, newest last: to be found in the access log.
    pub examples: Vec<Box<str>>,
}

#[derive(Debug, Default)]
struct OfRoute {
    signatures: HashMap<Difference, Seen>,
    overflow: u64,
}

#[derive(Debug)]
struct Seen {
    count: u64,
    first_unix_ms: i64,
    last_unix_ms: i64,
    examples: VecDeque<Box<str>>,
}

/// The signatures of all routes, and how many they are; the latter changes under the lock alone.
#[derive(Debug, Default)]
pub struct Signatures(Mutex<HashMap<RouteName, OfRoute>>, AtomicUsize);

impl Signatures {
    /// Counts what one exchange showed.
    pub fn take(&self, report: ExchangeReport) {
        if report.comparison.differences.is_empty() {
            return;
        }
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if routes.len() >= MAX_ROUTES && !routes.contains_key(&report.route) {
            return;
        }
        let of_route = routes.entry(report.route).or_default();
        for Found { difference, .. } in report.comparison.differences {
            let room = self.1.load(Ordering::Relaxed) < MAX_OF_ALL;
            if of_route.count(difference, &report.exchange_id, report.at_unix_ms, room) {
                self.1.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// A route's signatures, the most frequent first, and how often one was seen that had no room.
    #[must_use]
    pub fn of(&self, route: &str) -> (Vec<Signature>, u64) {
        let routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(of_route) = routes.get(route) else { return (Vec::new(), 0) };
        let mut all: Vec<Signature> = of_route.signatures.iter().map(signature).collect();
        let overflow = of_route.overflow;
        drop(routes);
        all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.difference.cmp(&b.difference)));
        (all, overflow)
    }

    /// How often a signature had no room, per route that this happened on.
    #[must_use]
    pub fn overflows(&self) -> Vec<(RouteName, u64)> {
        let routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = routes.iter().filter(|(_, of_route)| of_route.overflow > 0);
        let mut all: Vec<_> = full.map(|(name, of)| (name.clone(), of.overflow)).collect();
        drop(routes);
        all.sort();
        all
    }

    /// Forgets the routes that are no more.
    pub fn retain(&self, exists: impl Fn(&RouteName) -> bool) {
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        routes.retain(|name, _| exists(name));
        self.1.store(routes.values().map(|of| of.signatures.len()).sum(), Ordering::Relaxed);
    }
}

impl OfRoute {
    /// Says whether it is one more signature.
    fn count(
        &mut self,
        difference: Difference,
        exchange_id: &str,
        at_unix_ms: i64,
        room: bool,
    ) -> bool {
        if let Some(seen) = self.signatures.get_mut(&difference) {
            seen.again(exchange_id, at_unix_ms);
        } else if room && self.signatures.len() < MAX_SIGNATURES {
            self.signatures.insert(difference, Seen::first(exchange_id, at_unix_ms));
            return true;
        } else {
            self.overflow += 1;
        }
        false
    }
}

impl Seen {
    fn first(exchange_id: &str, at_unix_ms: i64) -> Self {
        let examples = VecDeque::from([exchange_id.into()]);
        Self { count: 1, first_unix_ms: at_unix_ms, last_unix_ms: at_unix_ms, examples }
    }

    fn again(&mut self, exchange_id: &str, at_unix_ms: i64) {
        self.count += 1;
        // Reports come from several threads, not quite in order.
        self.first_unix_ms = self.first_unix_ms.min(at_unix_ms);
        self.last_unix_ms = self.last_unix_ms.max(at_unix_ms);
        if self.examples.back().is_some_and(|last| **last == *exchange_id) {
            return;
        }
        if self.examples.len() == MAX_EXAMPLES {
            self.examples.pop_front();
        }
        self.examples.push_back(exchange_id.into());
    }
}

fn signature((difference, seen): (&Difference, &Seen)) -> Signature {
    Signature {
        difference: difference.clone(),
        count: seen.count,
        first_seen_unix_ms: seen.first_unix_ms,
        last_seen_unix_ms: seen.last_unix_ms,
        examples: seen.examples.iter().cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rules::compare::{Comparison, DifferenceKind, Location, ValueClass};
    use rules::exchange::{NotComparable, Outcome};

    use super::*;

    fn difference(path: &str) -> Difference {
        Difference {
            location: Location::Body,
            path: path.into(),
            kind: DifferenceKind::Value,
            classes: (ValueClass::String, ValueClass::Number),
            relation: None,
        }
    }

    fn report(exchange: &str, at_unix_ms: i64, paths: &[&str]) -> ExchangeReport {
        ExchangeReport {
            route: "sms".parse().unwrap(),
            exchange_id: exchange.into(),
            cohort: None,
            tenant: None,
            stable_status: Some(200),
            candidate_status: Some(200),
            comparison: Comparison {
                outcome: Outcome::Mismatch,
                differences: paths
                    .iter()
                    .map(|path| Found { difference: difference(path), fields: 1 })
                    .collect(),
                ..Comparison::impossible(NotComparable::Budget)
            },
            rules: Arc::default(),
            at_unix_ms,
        }
    }

    #[test]
    fn counts_equal_differences_as_one_signature() {
        let signatures = Signatures::default();
        signatures.take(report("x1", 20, &["/a", "/b"]));
        signatures.take(report("x2", 10, &["/a"]));
        let (seen, overflow) = signatures.of("sms");
        assert_eq!(overflow, 0);
        let first = Signature {
            difference: difference("/a"),
            count: 2,
            first_seen_unix_ms: 10,
            last_seen_unix_ms: 20,
            examples: vec!["x1".into(), "x2".into()],
        };
        assert_eq!(seen.first(), Some(&first));
        assert_eq!(seen.len(), 2);
        assert!(signatures.of("other").0.is_empty());
    }

    #[test]
    fn keeps_the_five_newest_examples() {
        let signatures = Signatures::default();
        for n in 0..9 {
            signatures.take(report(&format!("x{n}"), n, &["/a"]));
        }
        let examples = &signatures.of("sms").0[0].examples;
        assert_eq!(
            examples.iter().map(|id| &**id).collect::<Vec<_>>(),
            ["x4", "x5", "x6", "x7", "x8"]
        );
    }

    #[test]
    fn counts_what_has_no_room() {
        let signatures = Signatures::default();
        for n in 0..MAX_SIGNATURES + 3 {
            signatures.take(report("x", 0, &[&format!("/{n}")]));
        }
        let (seen, overflow) = signatures.of("sms");
        assert_eq!((seen.len(), overflow), (MAX_SIGNATURES, 3));
        assert_eq!(signatures.overflows(), [("sms".parse().unwrap(), 3)]);
    }

    #[test]
    fn all_routes_together_are_bounded() {
        let signatures = Signatures::default();
        let of = |route: usize, path: usize| ExchangeReport {
            route: format!("r{route}").parse().unwrap(),
            ..report("x", 0, &[&format!("/{path}")])
        };
        for n in 0..MAX_OF_ALL + 3 {
            signatures.take(of(n / 1_000, n % 1_000));
        }
        assert_eq!(signatures.overflows(), [("r100".parse().unwrap(), 3)]);
        signatures.retain(|name| name.as_str() != "r7");
        signatures.take(of(100, 0));
        assert_eq!(signatures.of("r100").0.len(), 1, "there is room again");
    }

    #[test]
    fn forgets_routes_that_are_gone() {
        let signatures = Signatures::default();
        signatures.take(report("x", 0, &["/a"]));
        signatures.retain(|name| name.as_str() != "sms");
        assert!(signatures.of("sms").0.is_empty());
    }
}
