//! How are two bodies compared? By stable's media type, and only as far as both can be read.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::findings::Findings;
use super::json::{self, Unread};
use super::relation::texts;
use super::walk::{Stop, Walk};
use super::{Answer, CompareRules, Difference, DifferenceKind, Location, Relation, ValueClass};
use crate::exchange::NotComparable;

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// As a tree.
    Json,
    /// As one value: byte for byte.
    Opaque,
}

/// Compares two bodies; what differs is added to the findings.
pub(super) fn compare(
    rules: &CompareRules,
    stable: &Answer<'_>,
    candidate: &Answer<'_>,
    findings: &mut Findings,
) -> Result<(), NotComparable> {
    let (left, right) = (stable.body, candidate.body);
    let codings = (coding(stable.headers), coding(candidate.headers));
    if left == right && codings.0 == codings.1 {
        return Ok(());
    }
    if left.is_empty() || right.is_empty() {
        return one_is_empty(stable, candidate, findings);
    }
    if codings.0 != codings.1 {
        return Err(NotComparable::DecodeOneSided);
    }
    let is_coded = !codings.0.is_empty();
    if is_coded || class(stable) == Class::Opaque {
        findings.add(opaque(left, right));
        return Ok(());
    }
    json(rules, left, right, findings)
}

fn json(
    rules: &CompareRules,
    left: &[u8],
    right: &[u8],
    findings: &mut Findings,
) -> Result<(), NotComparable> {
    let (left_tree, right_tree) = match (json::read(left), json::read(right)) {
        (Ok(left), Ok(right)) => (left, right),
        (Err(Unread::TooLarge), _) | (_, Err(Unread::TooLarge)) => {
            return Err(NotComparable::Budget);
        }
        (Err(Unread::Invalid), Err(Unread::Invalid)) => {
            findings.add(opaque(left, right));
            return Ok(());
        }
        (Err(Unread::Invalid), Ok(_)) | (Ok(_), Err(Unread::Invalid)) => {
            findings.add(body_difference(DifferenceKind::Unparseable, OPAQUE, None));
            return Ok(());
        }
    };
    match Walk::new(rules, findings).values(&left_tree, &right_tree) {
        Ok(()) | Err(Stop::Differs) => Ok(()),
        Err(Stop::OverBudget) => Err(NotComparable::Budget),
    }
}

const OPAQUE: (ValueClass, ValueClass) = (ValueClass::Opaque, ValueClass::Opaque);

/// Nothing is not the same as an empty text of whatever sort, and needs no decoding.
fn one_is_empty(
    stable: &Answer<'_>,
    candidate: &Answer<'_>,
    findings: &mut Findings,
) -> Result<(), NotComparable> {
    let (kind, classes) = match (stable.body.is_empty(), candidate.body.is_empty()) {
        (true, true) => return Ok(()),
        (false, _) => (DifferenceKind::Missing, (ValueClass::Opaque, ValueClass::Absent)),
        (true, _) => (DifferenceKind::Extra, (ValueClass::Absent, ValueClass::Opaque)),
    };
    findings.add(body_difference(kind, classes, None));
    Ok(())
}

/// Two bodies that are not the same as one value.
fn opaque(left: &[u8], right: &[u8]) -> Difference {
    let relation = str::from_utf8(left).ok().zip(str::from_utf8(right).ok());
    let relation = relation.and_then(|(left, right)| texts(left, right));
    let is_as_long = left.len() == right.len() || relation.is_some();
    let kind = if is_as_long { DifferenceKind::Value } else { DifferenceKind::Length };
    body_difference(kind, OPAQUE, relation)
}

fn body_difference(
    kind: DifferenceKind,
    classes: (ValueClass, ValueClass),
    relation: Option<Relation>,
) -> Difference {
    Difference { location: Location::Body, path: "".into(), kind, classes, relation }
}

/// The content codings in the order they were applied, in lower case; empty for none.
fn coding(headers: &HeaderMap) -> String {
    let values = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings = values.flat_map(|value| value.split(',')).map(str::trim);
    let codings = codings.filter(|coding| !coding.is_empty() && *coding != "identity");
    codings.map(str::to_ascii_lowercase).collect::<Vec<_>>().join(",")
}

fn class(answer: &Answer<'_>) -> Class {
    let Some(value) = answer.headers.get(CONTENT_TYPE) else { return sniffed(answer.body) };
    let value = value.to_str().unwrap_or_default();
    if is_json(media_type(value)) { Class::Json } else { Class::Opaque }
}

/// A body without a declared type is taken for JSON when it begins like an object or array.
fn sniffed(body: &[u8]) -> Class {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => Class::Json,
        _ => Class::Opaque,
    }
}

/// The part of a Content-Type before its parameters.
pub(super) fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// Whether a media type is JSON (RFC 8259) or is built on it (RFC 6839).
pub(super) fn is_json(media: &str) -> bool {
    let media = media.to_ascii_lowercase();
    media == "application/json" || media.ends_with("+json")
}
