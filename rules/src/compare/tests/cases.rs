//! The tables of `rules/cases/compare` on JSON bodies: `left` is stable, `right` the candidate.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::kit::{compare_json, pinpoint_json, table};
use crate::compare::{
    ArrayRule, CompareRules, Comparison, DifferenceKind, Effect, Found, Location, Numbers,
    PlaceRule, Relation,
};
use crate::exchange::Outcome;

/// A table's pointer as a signature: found in the document, an index is `*`.
fn signature(document: &Value, pointer: &str) -> String {
    let mut here = Some(document);
    let mut path = String::new();
    for segment in pointer.split('/').skip(1) {
        path.push('/');
        path.push_str(match segment {
            _ if here.is_some_and(Value::is_array) => "*",
            // A key of blanks is no name.
            " " => "{*}",
            name => name,
        });
        let name = segment.replace("~1", "/").replace("~0", "~");
        here = here.and_then(|value| match value {
            Value::Array(elements) => elements.get(name.parse::<usize>().ok()?),
            other => other.get(&name),
        });
    }
    path
}

fn expected(case: &Value) -> BTreeSet<(String, String)> {
    let one = |difference: &Value| {
        let kind = match difference["kind"].as_str().unwrap() {
            "changed" => "value",
            "type_changed" => "type",
            "removed" => "missing",
            "added" => "extra",
            other => other,
        };
        let (side, pointer) = match difference["left"].as_str() {
            Some(pointer) => (&case["left"], pointer),
            None => (&case["right"], difference["right"].as_str().unwrap()),
        };
        (kind.to_owned(), signature(side, pointer))
    };
    case["diffs"].as_array().unwrap().iter().map(one).collect()
}

fn found(comparison: &Comparison) -> BTreeSet<(String, String)> {
    let one = |Found { difference, .. }: &Found| {
        assert_eq!(difference.location, Location::Body);
        (difference.kind.to_string(), difference.path.to_string())
    };
    comparison.differences.iter().map(one).collect()
}

fn rules_of(mode: &Value) -> CompareRules {
    let keys = |key: &Value| match key {
        Value::Array(keys) => keys.iter().map(|key| key.as_str().unwrap().into()).collect(),
        key => [key.as_str().unwrap().into()].into(),
    };
    let rule = match mode["arrays"].as_str() {
        Some("set") => ArrayRule::Set,
        Some("keyed") => ArrayRule::Keyed(keys(&mode["key"])),
        _ => ArrayRule::List,
    };
    let patterns = mode["ignore"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    let ignored = patterns
        .iter()
        .map(|text| PlaceRule::always(text.as_str().unwrap().parse().unwrap(), Effect::Ignore));
    // A rule on the outer array that reaches all arrays below it is written `/**`.
    let arrays = PlaceRule::always("/**".parse().unwrap(), Effect::Array(rule));
    CompareRules { places: ignored.chain([arrays]).collect(), ..CompareRules::default() }
}

/// The very places, as the tables write them.
fn pinpointed(rules: &CompareRules, case: &Value) -> Vec<Value> {
    let (left, right) = (case["left"].to_string(), case["right"].to_string());
    let pinpoints = pinpoint_json(rules, &left, &right).1;
    let mut found: Vec<Value> = pinpoints
        .iter()
        .map(|pinpoint| {
            let kind = match pinpoint.difference.kind {
                DifferenceKind::Value => "changed",
                DifferenceKind::Type => "type_changed",
                DifferenceKind::Missing => "removed",
                DifferenceKind::Extra => "added",
                other => other.as_str(),
            };
            let mut one = json!({"kind": kind});
            for (side, pointer) in [("left", &pinpoint.stable), ("right", &pinpoint.candidate)] {
                if let Some(pointer) = pointer {
                    one[side] = json!(pointer);
                }
            }
            one
        })
        .collect();
    found.sort_by_key(Value::to_string);
    found
}

#[test]
fn arrays() {
    for case in table!("arrays.json") {
        let rules = rules_of(&case["mode"]);
        let comparison =
            compare_json(&rules, &case["left"].to_string(), &case["right"].to_string());
        assert_eq!(comparison.outcome == Outcome::Match, case["equal"] == true, "{case}");
        assert_eq!(found(&comparison), expected(&case), "{case}");
        let mut places = case["diffs"].as_array().unwrap().clone();
        places.sort_by_key(Value::to_string);
        assert_eq!(pinpointed(&rules, &case), places, "{case}");
    }
}

/// Tables made by comparing index by index. What is equal is a fact; what is to blame is told better by alignment, so
/// paths are compared only where no list grew, shrank or was put in another order.
fn check_index_by_index(case: &Value) {
    let rules = CompareRules::default();
    let (left, right) = (&case["left"], &case["right"]);
    let text = |side: &Value, text: &Value| text.as_str().map_or(side.to_string(), str::to_owned);
    let (left_text, right_text) =
        (text(left, &case["left_text"]), text(right, &case["right_text"]));
    let comparison = compare_json(&rules, &left_text, &right_text);
    assert_eq!(comparison.outcome == Outcome::Match, case["equal"] == true, "{case}");
    let found = found(&comparison);
    if shape(left) == shape(right) && found.iter().all(|(kind, _)| kind != "order") {
        assert_eq!(found, expected(case), "{case}");
    }
}

/// The lengths of all arrays, in place.
fn shape(value: &Value) -> Value {
    match value {
        Value::Array(elements) => {
            json!([elements.len(), elements.iter().map(shape).collect::<Vec<_>>()])
        }
        Value::Object(members) => {
            members.iter().map(|(key, value)| (key.clone(), shape(value))).collect()
        }
        _ => Value::Null,
    }
}

#[test]
fn json_patch_tests() {
    table!("json_patch_tests.json").iter().for_each(check_index_by_index);
}

#[test]
fn rfc_examples() {
    for case in table!("rfc_examples.json") {
        match case["type"].as_str().unwrap() {
            "diff" => check_index_by_index(&case),
            "pointer" => check_pointer(&case),
            other => panic!("{other}"),
        }
    }
}

/// A pointer is right where another value at its place, and nowhere else, is what differs: there it is told, and a rule
/// at it leaves it out.
fn check_pointer(case: &Value) {
    let pointer = case["pointer"].as_str().unwrap();
    let (left, mut right) = (&case["document"], case["document"].clone());
    let place = right.pointer_mut(pointer).unwrap();
    assert_eq!(*place, case["value"], "{case}");
    *place = json!({"another": "value"});
    let (left, right) = (left.to_string(), right.to_string());
    let pinpoints = pinpoint_json(&CompareRules::default(), &left, &right).1;
    let places: Vec<_> = pinpoints
        .iter()
        .map(|found| (found.stable.as_deref(), found.candidate.as_deref()))
        .collect();
    assert_eq!(places, [(Some(pointer), Some(pointer))], "{case}");
    let ignored = PlaceRule::always(pointer.parse().unwrap(), Effect::Ignore);
    let rules = CompareRules { places: [ignored].into(), ..CompareRules::default() };
    assert_eq!(compare_json(&rules, &left, &right).outcome, Outcome::Match, "{case}");
}

#[test]
fn numbers() {
    for case in table!("numbers.json") {
        let text = |side: &str| case[side].as_str().unwrap().to_owned();
        let rules = CompareRules::default();
        let comparison = compare_json(&rules, &text("left_text"), &text("right_text"));
        let kind =
            comparison.differences.first().map_or("equal", |found| match found.difference.kind {
                DifferenceKind::Value => "changed",
                DifferenceKind::Type => "type_changed",
                other => other.as_str(),
            });
        assert_eq!(kind, case["kind"], "{case}");
        // What is the same has no difference to hint at, unless the route minds how numbers are written.
        let numbers = if kind == "equal" { Numbers::Lexical } else { Numbers::Value };
        let rules = CompareRules { numbers, ..rules };
        let comparison = compare_json(&rules, &text("left_text"), &text("right_text"));
        assert_eq!(hint(&comparison).as_deref(), case["relation"].as_str(), "{case}");
    }
}

#[test]
fn strings() {
    for case in table!("strings.json") {
        let (left, right) = (case["left"].to_string(), case["right"].to_string());
        let comparison = compare_json(&CompareRules::default(), &left, &right);
        assert_eq!(comparison.outcome == Outcome::Match, case["equal"] == true, "{case}");
        assert_eq!(hint(&comparison).as_deref(), case["relation"].as_str(), "{case}");
    }
}

fn hint(comparison: &Comparison) -> Option<String> {
    let first = comparison.differences.first()?;
    first.difference.relation.map(Relation::as_str).map(str::to_owned)
}

/// A document with nothing but this place, in which short numbers are indices.
fn document(segments: &[&str], leaf: u8) -> Value {
    let Some((first, rest)) = segments.split_first() else { return json!(leaf) };
    let inner = document(rest, leaf);
    match first.parse::<usize>() {
        Ok(index) if first.len() < 3 => {
            let mut elements = vec![json!(0); index];
            elements.push(inner);
            elements.into()
        }
        _ => {
            let key = first.replace("~1", "/").replace("~0", "~");
            json!({ key: inner })
        }
    }
}

#[test]
fn signatures() {
    for case in table!("signatures.json") {
        let pointer = case["left_pointer"].as_str().unwrap();
        // A number as a key is always blanked: it may be an id, and nobody counts a year's neighbours here.
        let signature = if case["id"] == "sig-3" {
            json!("/data/{*}/count")
        } else {
            case["signature"].clone()
        };
        let segments: Vec<&str> = pointer.split('/').skip(1).collect();
        let (left, right) = (document(&segments, 1), document(&segments, 2));
        let comparison =
            compare_json(&CompareRules::default(), &left.to_string(), &right.to_string());
        assert_eq!(
            *comparison.differences[0].difference.path,
            *signature.as_str().unwrap(),
            "{case}"
        );
    }
}
