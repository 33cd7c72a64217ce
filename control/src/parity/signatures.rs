//! In which ways do answers of a route differ? Signatures, counted; never a value of any answer. (INV-12)

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rules::RouteName;
use rules::compare::Difference;
use rules::compare::clusters::{Sightings, clusters};

use super::noise::{Excuse, Noise, is_by_value};
use super::tenants::{TenantCount, Tenants};

/// How many signatures are kept per route. Further ones are only counted. (INV-7)
pub const MAX_SIGNATURES: usize = 2_000;
const MAX_EXAMPLES: usize = 5;

/// One way in which answers of a route differ, and how often they did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// By which people and the API name it: the route's name and a hash.
    pub id: String,
    /// Where, how and by which classes of values.
    pub difference: Arc<Difference>,
    /// In how many exchanges.
    pub count: u64,
    /// How many mismatched fields it stands for in all of them.
    pub fields: u64,
    /// First, in milliseconds since 1970.
    pub first_seen_unix_ms: i64,
    /// Last, in milliseconds since 1970.
    pub last_seen_unix_ms: i64,
    /// How many tenants' exchanges showed it, of those whose tenant is known.
    pub tenants: TenantCount,
    /// The newest exchanges that showed it, newest last: to be found in the access log.
    pub examples: Vec<Box<str>>,
    /// Why it is not held against the candidate, if it is not.
    pub excuse: Option<Excuse>,
    /// The ids of those that are nearly always seen together with it.
    pub together_with: Vec<String>,
}

/// The signatures of one route.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    seen: Vec<Seen>,
    by_difference: HashMap<Arc<Difference>, u32>,
    pub(super) overflow: u64,
}

#[derive(Debug)]
struct Seen {
    difference: Arc<Difference>,
    count: u64,
    fields: u64,
    first_unix_ms: i64,
    last_unix_ms: i64,
    tenants: Tenants,
    examples: VecDeque<Box<str>>,
    sightings: Sightings,
    excuse: Option<Excuse>,
}

/// The exchange that shows a difference.
#[derive(Debug, Clone, Copy)]
pub(super) struct Showing<'r> {
    pub(super) exchange_id: &'r str,
    pub(super) at_unix_ms: i64,
    pub(super) tenant: Option<u64>,
}

impl Signatures {
    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }

    /// The number of a difference's signature, which is made where there is room for one more.
    pub(super) fn number(
        &mut self,
        difference: Difference,
        noise: &Noise,
        has_room: bool,
    ) -> Option<u32> {
        if let Some(number) = self.by_difference.get(&difference) {
            return Some(*number);
        }
        let number = u32::try_from(self.seen.len()).ok();
        let number = number.filter(|_| has_room && self.seen.len() < MAX_SIGNATURES);
        let Some(number) = number else {
            self.overflow += 1;
            return None;
        };
        let difference = Arc::new(difference);
        self.by_difference.insert(Arc::clone(&difference), number);
        self.seen.push(Seen::new(difference, noise));
        Some(number)
    }

    /// Counts that an exchange shows the signature of this number; says whether it is excused.
    pub(super) fn count(&mut self, number: u32, fields: u32, showing: Showing<'_>) -> bool {
        let Some(seen) = self.at(number) else { return false };
        seen.add(fields, showing);
        seen.excuse.is_some()
    }

    /// Notes that it was seen in a remembered exchange, or no longer is, as that one is forgotten.
    pub(super) fn sight(&mut self, number: u32, place: usize, is_seen: bool) {
        let Some(seen) = self.at(number) else { return };
        if is_seen {
            seen.sightings.mark(place);
        } else {
            seen.sightings.forget(place);
        }
    }

    pub(super) fn excuse_by(&mut self, noise: &Noise) {
        for seen in &mut self.seen {
            seen.excuse = noise.excuse(&seen.difference);
        }
    }

    pub(super) fn is_excused(&self, number: u32) -> bool {
        let place = usize::try_from(number).ok();
        place.and_then(|place| self.seen.get(place)).is_some_and(|seen| seen.excuse.is_some())
    }

    pub(super) fn excused(&self) -> usize {
        self.seen.iter().filter(|seen| seen.excuse.is_some()).count()
    }

    /// Those by value that are held against the candidate.
    pub(super) fn by_value(&self) -> usize {
        let held = self.seen.iter().filter(|seen| seen.excuse.is_none());
        held.filter(|seen| is_by_value(&seen.difference)).count()
    }

    fn at(&mut self, number: u32) -> Option<&mut Seen> {
        self.seen.get_mut(usize::try_from(number).ok()?)
    }

    /// All of them: what is held against the candidate first, and of that the most frequent.
    pub(super) fn list(&self, route: &RouteName) -> Vec<Signature> {
        let mut all: Vec<Signature> = self.seen.iter().map(|seen| seen.told(route)).collect();
        let sightings: Vec<Sightings> =
            self.seen.iter().map(|seen| seen.sightings.clone()).collect();
        for group in clusters(&sightings) {
            let ids: Vec<(usize, String)> = group
                .iter()
                .filter_map(|place| Some((*place, all.get(*place)?.id.clone())))
                .collect();
            for (place, _) in &ids {
                let others = ids.iter().filter(|(other, _)| other != place);
                if let Some(signature) = all.get_mut(*place) {
                    signature.together_with = others.map(|(_, id)| id.clone()).collect();
                }
            }
        }
        all.sort_by(in_order);
        all
    }

    /// So many of them, the most frequent ones, without what they are seen together with.
    pub(super) fn most_frequent(&self, route: &RouteName, many: usize) -> Vec<Signature> {
        let mut seen: Vec<&Seen> = self.seen.iter().collect();
        seen.sort_by_key(|seen| std::cmp::Reverse(seen.count));
        seen.into_iter().take(many).map(|seen| seen.told(route)).collect()
    }
}

/// What is held against the candidate first, and of that the most frequent.
pub(super) fn in_order(a: &Signature, b: &Signature) -> std::cmp::Ordering {
    let by_excuse = a.excuse.is_some().cmp(&b.excuse.is_some());
    let by_count = b.count.cmp(&a.count);
    by_excuse.then(by_count).then_with(|| a.difference.cmp(&b.difference))
}

impl Seen {
    fn new(difference: Arc<Difference>, noise: &Noise) -> Self {
        Self {
            excuse: noise.excuse(&difference),
            difference,
            count: 0,
            fields: 0,
            first_unix_ms: i64::MAX,
            last_unix_ms: i64::MIN,
            tenants: Tenants::default(),
            examples: VecDeque::new(),
            sightings: Sightings::default(),
        }
    }

    fn add(&mut self, fields: u32, showing: Showing<'_>) {
        self.count += 1;
        self.fields += u64::from(fields);
        // Reports come from several threads, not quite in order.
        self.first_unix_ms = self.first_unix_ms.min(showing.at_unix_ms);
        self.last_unix_ms = self.last_unix_ms.max(showing.at_unix_ms);
        if let Some(print) = showing.tenant {
            self.tenants.add(print);
        }
        if self.examples.len() == MAX_EXAMPLES {
            self.examples.pop_front();
        }
        self.examples.push_back(showing.exchange_id.into());
    }

    fn told(&self, route: &RouteName) -> Signature {
        Signature {
            id: id(route, &self.difference),
            difference: Arc::clone(&self.difference),
            count: self.count,
            fields: self.fields,
            first_seen_unix_ms: self.first_unix_ms,
            last_seen_unix_ms: self.last_unix_ms,
            tenants: self.tenants.count(),
            examples: self.examples.iter().cloned().collect(),
            excuse: self.excuse,
            together_with: Vec::new(),
        }
    }
}

/// The route's name and a hash that is the same on every node and after every restart (Fowler, Noll and Vo's FNV-1a, 64
/// bits, of which 48 are told: with 2,000 signatures two have the same once in 140 million routes).
pub(crate) fn id(route: &RouteName, difference: &Difference) -> String {
    let Difference { location, path, kind, classes, relation } = difference;
    let relation = relation.map_or("", rules::compare::Relation::as_str);
    let parts =
        [location.as_str(), path, kind.as_str(), classes.0.as_str(), classes.1.as_str(), relation];
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{route}-{:012x}", hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parity::kit::difference;

    fn showing(exchange_id: &str, at_unix_ms: i64) -> Showing<'_> {
        Showing { exchange_id, at_unix_ms, tenant: Some(7) }
    }

    fn show(signatures: &mut Signatures, path: &str, showing: Showing<'_>) {
        let number = signatures.number(difference(path), &Noise::default(), true);
        if let Some(number) = number {
            signatures.count(number, 2, showing);
        }
    }

    fn listed(signatures: &Signatures) -> Vec<Signature> {
        signatures.list(&"sms".parse().unwrap())
    }

    #[test]
    fn counts_equal_differences_as_one_signature() {
        let mut signatures = Signatures::default();
        show(&mut signatures, "/a", showing("x1", 20));
        show(&mut signatures, "/b", showing("x1", 20));
        show(&mut signatures, "/a", showing("x2", 10));
        let seen = listed(&signatures);
        assert_eq!(seen.len(), 2);
        let first = &seen[0];
        assert_eq!(*first.difference, difference("/a"));
        assert_eq!((first.count, first.fields), (2, 4));
        assert_eq!((first.first_seen_unix_ms, first.last_seen_unix_ms), (10, 20));
        assert_eq!(first.examples, ["x1".into(), "x2".into()] as [Box<str>; 2]);
        assert_eq!(first.tenants, TenantCount { count: 1, is_estimate: false });
        assert_ne!(first.id, seen[1].id);
    }

    #[test]
    fn an_id_is_the_same_for_ever() {
        assert_eq!(id(&"my-sms".parse().unwrap(), &difference("/a")), "my-sms-280519e97178");
    }

    #[test]
    fn keeps_the_five_newest_examples() {
        let mut signatures = Signatures::default();
        for n in 0..9 {
            show(&mut signatures, "/a", showing(&format!("x{n}"), n));
        }
        let examples = &listed(&signatures)[0].examples;
        let ids: Vec<&str> = examples.iter().map(|id| &**id).collect();
        assert_eq!(ids, ["x4", "x5", "x6", "x7", "x8"]);
    }

    #[test]
    fn counts_what_has_no_room() {
        let mut signatures = Signatures::default();
        for n in 0..MAX_SIGNATURES + 3 {
            show(&mut signatures, &format!("/{n}"), showing("x", 0));
        }
        assert_eq!((signatures.len(), signatures.overflow), (MAX_SIGNATURES, 3));
        assert_eq!(signatures.number(difference("/0"), &Noise::default(), false), Some(0));
        assert_eq!(signatures.number(difference("/x"), &Noise::default(), false), None);
    }
}
