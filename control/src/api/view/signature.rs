//! How does a signature look? Where and how answers differ, how often, and which rule would make that go away.

use rules::compare::Relation;
use serde::Serialize;
use utoipa::ToSchema;

use super::moment_ms;
use crate::parity::{Excuse, Signature, suggestion};

/// One way in which answers differ. It holds no value of any answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignatureView {
    /// Its name: the route's, and a hash that is the same on every node.
    #[schema(example = "sms-280519e97178")]
    id: String,
    /// `status`, `header`, `body` or `trailer`.
    location: &'static str,
    /// A header's name, or a JSON pointer in which an array's index is `*` and a key that looks like data is `{*}`; of a
    /// status, both of them.
    path: String,
    /// In which way they differ.
    kind: &'static str,
    /// What stable has there.
    stable_class: &'static str,
    /// What the candidate has there.
    candidate_class: &'static str,
    /// What the two have to do with each other.
    relation: Option<&'static str>,
    /// In how many exchanges.
    count: u64,
    /// The part of compared exchanges that show it.
    share: Option<f64>,
    /// How many mismatched fields it stands for.
    fields: u64,
    /// First seen (RFC 3339).
    first_seen: String,
    /// Last seen (RFC 3339).
    last_seen: String,
    /// How many tenants' exchanges showed it, of those whose tenant is known.
    tenants: u64,
    /// Whether that is an estimate: above 63 they are not counted one by one.
    tenants_estimated: bool,
    /// The ids of up to five exchanges that showed it, newest last.
    examples: Vec<String>,
    /// Why it is not held against the candidate: `blind`, as stable differs from itself there most of the time, or
    /// `as_often`, as stable does so as often as the candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    excused: Option<&'static str>,
    /// The ids of those that are nearly always seen together with it: perhaps they have one cause.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    together_with: Vec<String>,
    /// A rule that would make it go away.
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<SuggestionView>,
}

/// A rule that would make a difference go away.
#[derive(Debug, Serialize, ToSchema)]
struct SuggestionView {
    /// What the two values look like, and what to make sure of first.
    why: String,
    /// What goes below the route's `compare:`.
    #[schema(example = "time_tolerance: {\"/at\": 2s}")]
    rule: String,
}

impl SignatureView {
    /// A signature, beside so many compared exchanges.
    pub(crate) fn new(seen: Signature, compared: u64) -> Self {
        let difference = &*seen.difference;
        let suggestion = suggestion(difference);
        Self {
            id: seen.id,
            location: difference.location.as_str(),
            path: difference.path.to_string(),
            kind: difference.kind.as_str(),
            stable_class: difference.classes.0.as_str(),
            candidate_class: difference.classes.1.as_str(),
            relation: difference.relation.map(Relation::as_str),
            count: seen.count,
            share: (compared > 0).then(|| seen.count as f64 / compared as f64),
            fields: seen.fields,
            first_seen: moment_ms(seen.first_seen_unix_ms),
            last_seen: moment_ms(seen.last_seen_unix_ms),
            tenants: seen.tenants.count,
            tenants_estimated: seen.tenants.is_estimate,
            examples: seen.examples.into_iter().map(Into::into).collect(),
            excused: seen.excuse.map(Excuse::as_str),
            together_with: seen.together_with,
            suggestion: suggestion.map(|told| SuggestionView { why: told.why, rule: told.rule }),
        }
    }
}
