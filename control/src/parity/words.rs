//! What do nodes tell one another of parity, and how is that added up? Counts, sums and signatures; never a value. (INV-12)
//!
//! What a node tells is bounded: the routes with the most exchanges of the last day, and of each its most frequent
//! signatures. (INV-7)

use std::collections::BTreeMap;
use std::sync::Arc;

use config::Document;
use rules::compare::{Difference, DifferenceKind, Location, Relation, ValueClass};
use rules::{CohortName, RouteName};
use serde::{Deserialize, Serialize};

use super::noise::Excuse;
use super::signatures::{Signature, id, in_order};
use super::spans::{Span, SpanTally};
use super::tally::Tally;
use super::tenants::TenantCount;
use super::told::{Counted, RouteParity};
use crate::digest::sha256;

/// How many routes, cohorts of each and signatures of each are told of, and how long the whole text is at most.
pub(super) const MAX_ROUTES_TOLD: usize = 100;
const MAX_COHORTS_TOLD: usize = 10;
pub(super) const MAX_SIGNATURES_TOLD: usize = 20;
const MAX_TEXT_BYTES: usize = 512 << 10;
const MAX_EXAMPLES: usize = 5;

/// What a node tells of one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RouteWords {
    /// By which rules was compared: what was found under others says nothing of these.
    rules: String,
    compared: u64,
    outdated: u64,
    all: CountedWords,
    cohorts: BTreeMap<String, CountedWords>,
    signatures: Vec<SignatureWords>,
}

/// Tallies over all spans, the shortest first, as sums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CountedWords([Vec<u128>; 4]);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SignatureWords {
    location: String,
    path: String,
    kind: String,
    classes: (String, String),
    relation: Option<String>,
    count: u64,
    fields: u64,
    seen_unix_ms: (i64, i64),
    tenants: u64,
    examples: Vec<String>,
    excuse: Option<String>,
}

/// By which rules on the same route are told from others, on every node alike.
pub(crate) fn print_of_rules(document: &Document, route: &str) -> String {
    let rules = document.routes.get(route).map(|spec| &spec.compare);
    sha256(serde_json::to_string(&rules).unwrap_or_default().as_bytes())
}

/// What a node tells of its routes, as one text; the routes come with those first that are to be told of.
pub(super) fn text(
    document: &Document,
    routes: impl IntoIterator<Item = (RouteName, RouteParity, Vec<Signature>)>,
) -> String {
    let (mut told, mut length) = (BTreeMap::new(), 0);
    for (name, parity, signatures) in routes {
        let rules = print_of_rules(document, name.as_str());
        let words = RouteWords::new(rules, &parity, &signatures);
        let words = serde_json::to_value(&words).unwrap_or_default();
        length += words.to_string().len();
        if length > MAX_TEXT_BYTES {
            break;
        }
        told.insert(name.to_string(), words);
    }
    serde_json::to_string(&told).unwrap_or_default()
}

/// What another node's text says of a route, where it compares by the same rules.
pub(crate) fn of_route(text: &str, route: &str, rules: &str) -> Option<RouteWords> {
    let mut told: BTreeMap<String, RouteWords> = serde_json::from_str(text).ok()?;
    told.remove(route).filter(|words| words.rules == rules)
}

impl RouteWords {
    fn new(rules: String, parity: &RouteParity, signatures: &[Signature]) -> Self {
        let cohorts = parity.cohorts.iter().take(MAX_COHORTS_TOLD);
        Self {
            rules,
            compared: parity.compared,
            outdated: parity.outdated,
            all: (&parity.all).into(),
            cohorts: cohorts.map(|(name, counted)| (name.to_string(), counted.into())).collect(),
            signatures: signatures.iter().map(SignatureWords::from).collect(),
        }
    }

    /// Exchanges that were compared under the rules.
    pub(crate) const fn compared(&self) -> u64 {
        self.compared
    }
}

impl RouteParity {
    /// Adds what another node tells.
    pub(crate) fn add(&mut self, words: &RouteWords) {
        self.compared = self.compared.saturating_add(words.compared);
        self.outdated = self.outdated.saturating_add(words.outdated);
        words.all.add_to(&mut self.all);
        for (name, counted) in &words.cohorts {
            let Ok(name) = name.parse::<CohortName>() else { continue };
            match self.cohorts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => counted.add_to(known),
                None => {
                    let mut fresh = Counted::nothing(self.all.stage_since_unix_ms);
                    counted.add_to(&mut fresh);
                    self.cohorts.push((name, fresh));
                }
            }
        }
    }
}

impl From<&Counted> for CountedWords {
    fn from(counted: &Counted) -> Self {
        Self(counted.spans.map(|span| span.tally.sums()))
    }
}

impl CountedWords {
    fn add_to(&self, counted: &mut Counted) {
        for (SpanTally { tally, .. }, sums) in counted.spans.iter_mut().zip(&self.0) {
            *tally += Tally::of_sums(sums).unwrap_or_default();
        }
    }
}

impl Counted {
    fn nothing(stage_since_unix_ms: i64) -> Self {
        let spans = Span::ALL.map(|span| SpanTally { span, tally: Tally::default() });
        Self { stage_since_unix_ms, spans }
    }
}

impl From<&Signature> for SignatureWords {
    fn from(seen: &Signature) -> Self {
        let Difference { location, path, kind, classes, relation } = &*seen.difference;
        Self {
            location: location.to_string(),
            path: path.to_string(),
            kind: kind.to_string(),
            classes: (classes.0.to_string(), classes.1.to_string()),
            relation: relation.map(|relation| relation.to_string()),
            count: seen.count,
            fields: seen.fields,
            seen_unix_ms: (seen.first_seen_unix_ms, seen.last_seen_unix_ms),
            tenants: seen.tenants.count,
            examples: seen.examples.iter().map(ToString::to_string).collect(),
            excuse: seen.excuse.map(|excuse| excuse.as_str().to_owned()),
        }
    }
}

impl SignatureWords {
    fn signature(&self, route: &RouteName) -> Option<Signature> {
        let relation = match &self.relation {
            Some(name) => Some(Relation::named(name)?),
            None => None,
        };
        let difference = Difference {
            location: Location::named(&self.location)?,
            path: self.path.as_str().into(),
            kind: DifferenceKind::named(&self.kind)?,
            classes: (ValueClass::named(&self.classes.0)?, ValueClass::named(&self.classes.1)?),
            relation,
        };
        Some(Signature {
            id: id(route, &difference),
            difference: Arc::new(difference),
            count: self.count,
            fields: self.fields,
            first_seen_unix_ms: self.seen_unix_ms.0,
            last_seen_unix_ms: self.seen_unix_ms.1,
            // Which ones they are is not told, so that nobody knows how many are the same.
            tenants: TenantCount { count: self.tenants, is_estimate: true },
            examples: self
                .examples
                .iter()
                .take(MAX_EXAMPLES)
                .map(|id| id.as_str().into())
                .collect(),
            excuse: self.excuse.as_deref().and_then(Excuse::named),
            together_with: Vec::new(),
        })
    }
}

/// A route's signatures as all nodes have seen them. Why one is excused is this node's own judgement, where it has one.
pub(crate) fn together(
    own: Vec<Signature>,
    others: &[RouteWords],
    route: &RouteName,
) -> Vec<Signature> {
    let mut all = own;
    let told = others.iter().flat_map(|words| &words.signatures);
    for more in told.filter_map(|words| words.signature(route)) {
        match all.iter_mut().find(|known| known.difference == more.difference) {
            Some(known) => known.add(more),
            None => all.push(more),
        }
    }
    all.sort_by(in_order);
    all
}

impl Signature {
    fn add(&mut self, more: Self) {
        self.count = self.count.saturating_add(more.count);
        self.fields = self.fields.saturating_add(more.fields);
        self.first_seen_unix_ms = self.first_seen_unix_ms.min(more.first_seen_unix_ms);
        self.last_seen_unix_ms = self.last_seen_unix_ms.max(more.last_seen_unix_ms);
        let count = self.tenants.count.max(more.tenants.count);
        self.tenants = TenantCount { count, is_estimate: count > 0 };
        let room = MAX_EXAMPLES.saturating_sub(self.examples.len());
        self.examples.splice(..0, more.examples.into_iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::parity::Parity;
    use crate::parity::kit::{differing, matching};

    fn document() -> Document {
        let text = "{upstreams: {a: {targets: [{address: '127.0.0.1:1'}]}}, routes: {sms: {canonical: /, stable: \
                    {upstream: a}, candidate: {upstream: a}}}}";
        let source = config::Source { text, name: "", base: Path::new("/"), env: &|_| None };
        config::read(&source).unwrap()
    }

    fn node(paths: &[&str]) -> Parity {
        let parity = Parity::default();
        let mut report = matching("sms", 1_000);
        report.route = "sms".parse().unwrap();
        parity.take(&report);
        for path in paths {
            let mut report = differing("sms", 1_000, &[path]);
            report.route = "sms".parse().unwrap();
            parity.take(&report);
        }
        parity
    }

    #[test]
    fn what_two_nodes_have_seen_is_what_one_would_have() {
        let (document, sms) = (document(), "sms".parse().unwrap());
        let (one, two) = (node(&["/a", "/b"]), node(&["/b", "/c", "/c", "/c"]));
        let rules = print_of_rules(&document, "sms");
        let words = of_route(&two.text(&document, 1_000), "sms", &rules).unwrap();
        let mut parity = one.of("sms", 1_000).unwrap();
        parity.add(&words);
        let both = node(&["/a", "/b", "/b", "/c", "/c", "/c"]);
        both.take(&matching("sms", 1_000));
        let whole = both.of("sms", 1_000).unwrap();
        assert_eq!((parity.compared, &parity.all), (whole.compared, &whole.all));
        let seen = together(one.signatures(&sms), &[words], &sms);
        let of = |seen: &[Signature]| -> Vec<(String, u64, u64)> {
            seen.iter().map(|one| (one.id.clone(), one.count, one.fields)).collect()
        };
        assert_eq!(of(&seen), of(&both.signatures(&sms)));
    }

    #[test]
    fn what_was_found_under_other_rules_is_left_out_and_what_is_told_is_bounded() {
        let document = document();
        let paths: Vec<String> = (0..50).map(|n| format!("/{n}")).collect();
        let node = node(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        let text = node.text(&document, 1_000);
        assert_eq!(of_route(&text, "sms", "others"), None);
        assert_eq!(of_route("{\"sms\": 1}", "sms", ""), None);
        let words = of_route(&text, "sms", &print_of_rules(&document, "sms")).unwrap();
        assert_eq!(words.signatures.len(), MAX_SIGNATURES_TOLD);
    }

    #[test]
    fn what_is_no_tally_adds_nothing() {
        let tally = Tally::of(&differing("x", 0, &["/a"]));
        assert_eq!(Tally::of_sums(&tally.sums()), Some(tally));
        let mut sums = tally.sums();
        sums[0] = u128::MAX;
        assert_eq!(Tally::of_sums(&sums), None);
        assert_eq!(Tally::of_sums(&[1, 2]), None);
    }
}
