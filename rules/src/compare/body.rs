//! How are two bodies compared? By stable's media type, once decoded, and only as far as both can be read.

use std::borrow::Cow;

use http::Method;

use super::class::Class;
use super::decode::{Undecoded, codings, undone};
use super::findings::{Findings, OverBudget};
use super::json::{Json, Unread};
use super::place::Place;
use super::texts::texts;
use super::walk::{Stop, Walk};
use super::{
    Answer, Body, CompareRules, Difference, DifferenceKind, Fields, Location, Pair, Relation,
    ValueClass, samples,
};
use crate::exchange::NotComparable;

const OPAQUE: (ValueClass, ValueClass) = (ValueClass::Opaque, ValueClass::Opaque);

/// Compares two bodies; what comes of it is added to the findings.
pub(super) fn compare(
    rules: &CompareRules,
    pair: &Pair<'_>,
    twin: Option<Answer<'_>>,
    findings: &mut Findings,
) -> Result<(), NotComparable> {
    let (stable, candidate) = (&pair.stable, &pair.candidate);
    let (Body::Whole(left), Body::Whole(right)) = (stable.body, candidate.body) else {
        return hashes(stable, candidate, findings);
    };
    let left_codings = codings(stable.headers);
    let right_codings = codings(candidate.headers);
    let place = Place::root(rules, pair.method, stable.status);
    let is_equal = left == right && left_codings == right_codings;
    if is_equal && twin.is_none() {
        let weight = weight_of(stable, left, &left_codings, place, findings);
        findings.tally.fields += Fields { equal: weight.mismatched, mismatched: 0, ..weight };
        return Ok(());
    }
    let one = undone(&left_codings, left, &mut findings.steps);
    let other = undone(&right_codings, right, &mut findings.steps);
    let (one, other) = match (one, other) {
        (Ok(one), Ok(other)) => (one, other),
        (Err(Undecoded::TooLarge), _) | (_, Err(Undecoded::TooLarge)) => {
            return Err(NotComparable::Budget);
        }
        (Err(Undecoded::Corrupt), Err(Undecoded::Corrupt)) if left_codings == right_codings => {
            opaque(left, right, findings);
            return Ok(());
        }
        (Err(Undecoded::Corrupt), _) | (_, Err(Undecoded::Corrupt)) => {
            return Err(NotComparable::DecodeOneSided);
        }
    };
    if one.is_empty() || other.is_empty() {
        one_is_empty(&one, &other, findings);
        return Ok(());
    }
    let class = Class::of(stable, &one);
    if class.is_opaque() {
        opaque(&one, &other, findings);
        return Ok(());
    }
    let trees = (class.read(stable, &one, findings), class.read(candidate, &other, findings));
    let (left_tree, right_tree) = match trees {
        (Ok(left), Ok(right)) => (left, right),
        (Err(Unread::TooLarge), _) | (_, Err(Unread::TooLarge)) => {
            return Err(NotComparable::Budget);
        }
        (Err(Unread::Invalid), Err(Unread::Invalid))
        | (Err(Unread::Text), _)
        | (_, Err(Unread::Text)) => {
            opaque(&one, &other, findings);
            return Ok(());
        }
        (Err(Unread::Invalid), Ok(_)) | (Ok(_), Err(Unread::Invalid)) => {
            note(DifferenceKind::Unparseable, OPAQUE, None, findings);
            return Ok(());
        }
    };
    let third = twin.and_then(|twin| content(&twin, findings).map(|content| (twin, content)));
    let third = third.as_ref().and_then(|(twin, content)| class.read(twin, content, findings).ok());
    if let Some(third) = &third {
        learn(place.clone(), &left_tree, third, findings)?;
    }
    let walked = walk(place, &left_tree, &right_tree, findings);
    samples::of_trees(&left_tree, &right_tree, findings);
    walked
}

fn walk<'j>(
    place: Place<'j>,
    left: &'j Json<'j>,
    right: &'j Json<'j>,
    findings: &mut Findings,
) -> Result<(), NotComparable> {
    match Walk::new(place, findings).values(left, right) {
        Ok(()) | Err(Stop::Differs) => Ok(()),
        Err(Stop::OverBudget) => Err(NotComparable::Budget),
    }
}

/// Sees where a second answer of stable differs by value from the first. What it costs comes off the same bounds.
fn learn<'j>(
    place: Place<'j>,
    stable: &'j Json<'j>,
    twin: &'j Json<'j>,
    findings: &mut Findings,
) -> Result<(), NotComparable> {
    let mut learning = Findings::learning();
    learning.steps = std::mem::take(&mut findings.steps);
    let walked = walk(place, stable, twin, &mut learning);
    findings.steps = std::mem::take(&mut learning.steps);
    findings.apply(learning);
    walked
}

/// A body that can be looked at; none where it was not kept, is not what its coding says, or is over the bounds.
fn content<'a>(answer: &Answer<'a>, findings: &mut Findings) -> Option<Cow<'a, [u8]>> {
    let Body::Whole(bytes) = answer.body else { return None };
    undone(&codings(answer.headers), bytes, &mut findings.steps).ok()
}

/// The fields of one body, as if all were mismatched: an empty one has none, and one that cannot be looked into is one.
pub(super) fn weight(
    rules: &CompareRules,
    method: &Method,
    answer: &Answer<'_>,
    findings: &mut Findings,
) -> Fields {
    let place = Place::root(rules, method, answer.status);
    match answer.body {
        Body::Whole(bytes) => weight_of(answer, bytes, &codings(answer.headers), place, findings),
        Body::Hashed { .. } => {
            findings.is_partial = true;
            Fields { mismatched: 1, ..Fields::default() }
        }
    }
}

fn weight_of(
    answer: &Answer<'_>,
    bytes: &[u8],
    codings: &[String],
    place: Place<'_>,
    findings: &mut Findings,
) -> Fields {
    if bytes.is_empty() {
        return Fields::default();
    }
    let one = Fields { mismatched: 1, ..Fields::default() };
    let Ok(content) = undone(codings, bytes, &mut findings.steps) else {
        findings.is_partial = true;
        return one;
    };
    let class = Class::of(answer, &content);
    if class.is_opaque() {
        return one;
    }
    // Where no rule can apply, all leaves count, and what they are does not matter.
    let counted = if place.is_free() { class.leaves(&content, findings) } else { None };
    let weighed = match counted {
        Some(leaves) => leaves.map(|leaves| Fields { mismatched: leaves, ..Fields::default() }),
        None => class.read(answer, &content, findings).map(|tree| weigh(place, &tree, findings)),
    };
    match weighed {
        Ok(fields) => fields,
        Err(Unread::TooLarge) => {
            findings.is_partial = true;
            one
        }
        Err(Unread::Invalid | Unread::Text) => one,
    }
}

fn weigh<'j>(place: Place<'j>, tree: &'j Json<'j>, findings: &mut Findings) -> Fields {
    let weighed = Walk::new(place, findings).weigh(tree);
    weighed.unwrap_or_else(|_stop| {
        findings.is_partial = true;
        Fields { mismatched: 1, ..Fields::default() }
    })
}

/// Bodies of which one at least was too long to be kept. They are one field, of which only equality can be told.
fn hashes(
    stable: &Answer<'_>,
    candidate: &Answer<'_>,
    findings: &mut Findings,
) -> Result<(), NotComparable> {
    findings.is_partial = true;
    // The same content takes other bytes in another coding.
    if codings(stable.headers) != codings(candidate.headers) {
        return Err(NotComparable::Oversize);
    }
    let kind = match (stable.body, candidate.body) {
        (one, other) if one == other => {
            findings.tally.fields.equal += 1;
            return Ok(());
        }
        (Body::Hashed { bytes: one, .. }, Body::Hashed { bytes: other, .. }) if one == other => {
            DifferenceKind::Value
        }
        _ => DifferenceKind::Length,
    };
    note(kind, OPAQUE, None, findings);
    Ok(())
}

/// Nothing is not the same as an empty text of whatever sort.
fn one_is_empty(left: &[u8], right: &[u8], findings: &mut Findings) {
    let (kind, classes) = match (left.is_empty(), right.is_empty()) {
        (true, true) => return,
        (false, _) => (DifferenceKind::Missing, (ValueClass::Opaque, ValueClass::Absent)),
        (true, _) => (DifferenceKind::Extra, (ValueClass::Absent, ValueClass::Opaque)),
    };
    note(kind, classes, None, findings);
}

/// Two bodies that are one value each.
fn opaque(left: &[u8], right: &[u8], findings: &mut Findings) {
    if left == right {
        findings.tally.fields.equal += 1;
        return;
    }
    let relation = str::from_utf8(left).ok().zip(str::from_utf8(right).ok());
    let relation = relation.and_then(|(left, right)| texts(left, right));
    let is_as_long = left.len() == right.len() || relation.is_some();
    let kind = if is_as_long { DifferenceKind::Value } else { DifferenceKind::Length };
    note(kind, OPAQUE, relation, findings);
}

fn note(
    kind: DifferenceKind,
    classes: (ValueClass, ValueClass),
    relation: Option<Relation>,
    findings: &mut Findings,
) {
    let difference =
        Difference { location: Location::Body, path: "".into(), kind, classes, relation };
    findings.pinpoint(&difference, || {
        let (stable, candidate) = difference.sides();
        (stable.then(|| "".into()), candidate.then(|| "".into()))
    });
    findings.add(difference, 1);
}

impl From<Stop> for NotComparable {
    fn from(_: Stop) -> Self {
        Self::Budget
    }
}

impl From<OverBudget> for Unread {
    fn from(_: OverBudget) -> Self {
        Self::TooLarge
    }
}
