//! What must hold for any two answers.

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::Value;

use super::kit::{of_json, typed};
use crate::compare::{
    Answer, ArrayRule, CompareRules, Comparison, DifferenceKind, Effect, Leniency, Pair, PlaceRule,
    compare,
};
use crate::exchange::Outcome;

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_u8..4).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map("[a-c]|id", inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn rules() -> impl Strategy<Value = CompareRules> {
    let pattern = || "(/(a|b|id|\\*|\\*\\*)){1,3}".prop_map(|text| text.parse().unwrap());
    let rule = prop_oneof![
        Just(ArrayRule::List),
        Just(ArrayRule::Set),
        Just(ArrayRule::Keyed(["id".into()].into())),
    ];
    let effect = prop_oneof![
        rule.prop_map(Effect::Array),
        Just(Effect::Ignore),
        Just(Effect::PresenceOnly),
        Just(Effect::Lenient(Leniency::CaseInsensitive)),
        Just(Effect::Lenient(Leniency::Number { absolute: 1.0, relative: 0.0 })),
    ];
    let place = (pattern(), effect).prop_map(|(at, effect)| PlaceRule::always(at, effect));
    prop::collection::vec(place, 0..5)
        .prop_map(|places| CompareRules { places: places.into(), ..CompareRules::default() })
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let names = prop::sample::select(vec![
        "content-type",
        "set-cookie",
        "link",
        "www-authenticate",
        "etag",
        "x-a",
        "connection",
        "vary",
    ]);
    let value = prop_oneof![
        "[ -~]{0,20}".prop_map(String::into_bytes),
        Just(b"application/json".to_vec()),
        Just(b"text/plain".to_vec()),
        prop::collection::vec(0x80_u8..=0xff, 0..4),
    ];
    prop::collection::vec((names, value), 0..6).prop_map(|fields| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(&value).unwrap());
        }
        headers
    })
}

fn as_json(rules: &CompareRules, left: &[u8], right: &[u8]) -> Comparison {
    of_json(left, right, |pair| compare(rules, pair))
}

/// Other blanks, other escapes, and members in another order: the same document.
fn respelled(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                let key: String = key
                    .chars()
                    .map(|character| format!("\\u{:04x}", u32::from(character)))
                    .collect();
                format!("\"{key}\" : {}", respelled(value))
            };
            format!("{{ {} }}", members.iter().rev().map(member).collect::<Vec<_>>().join(" ,\n"))
        }
        Value::Array(elements) => {
            format!("[\t{}]", elements.iter().map(respelled).collect::<Vec<_>>().join(" , "))
        }
        Value::Number(number) if number.as_u64() == Some(0) => "-0.0E7".to_owned(),
        Value::Number(number) => format!("{number}0.0e-1"),
        other => other.to_string(),
    }
}

proptest! {
    #[test]
    fn an_answer_is_itself(status in 100_u16..600, headers in headers(), body: Vec<u8>, rules in rules()) {
        let answer = Answer::new(status, &headers, &body);
        let pair = Pair { method: &Method::GET, stable: answer, candidate: answer, twin: None };
        prop_assert_eq!(compare(&rules, &pair).outcome, Outcome::Match);
    }

    #[test]
    fn a_document_is_itself_in_other_words(document in json(), rules in rules()) {
        let comparison = as_json(&rules, document.to_string().as_bytes(), respelled(&document).as_bytes());
        prop_assert_eq!(comparison.outcome, Outcome::Match, "{:?}", comparison.differences);
    }

    #[test]
    fn either_side_may_be_called_stable(left in json(), right in json(), rules in rules()) {
        let (left, right) = (left.to_string(), right.to_string());
        let forth = as_json(&rules, left.as_bytes(), right.as_bytes());
        let back = as_json(&rules, right.as_bytes(), left.as_bytes());
        prop_assert_eq!(forth.outcome, back.outcome);
        prop_assert_eq!(forth.outcome == Outcome::Match, forth.differences.is_empty());
    }

    #[test]
    fn either_headers_may_be_called_stables(
        one in headers(), other in headers(), left: Vec<u8>, right: Vec<u8>,
    ) {
        let stable = Answer::new(200, &one, &left);
        let candidate = Answer::new(200, &other, &right);
        let rules = CompareRules::default();
        let forth = Pair { method: &Method::GET, stable, candidate, twin: None };
        let back = Pair { stable: candidate, candidate: stable, ..forth };
        // Stable's media type says how bodies are read, so which fields there are may differ.
        if one.get("content-type") == other.get("content-type") {
            prop_assert_eq!(compare(&rules, &forth).outcome, compare(&rules, &back).outcome);
        }
    }

    /// Without rules, equality is that of JSON (RFC 6902 section 4.6), for numbers that are small integers.
    #[test]
    fn without_rules_what_is_equal_is_equal(left in json(), right in json()) {
        let comparison =
            as_json(&CompareRules::default(), left.to_string().as_bytes(), right.to_string().as_bytes());
        prop_assert_eq!(comparison.outcome == Outcome::Match, left == right);
    }

    #[test]
    fn any_bytes_are_compared_to_an_end(
        left in "[\\[\\]{}\",:\\\\ae0-9.\\-\u{0}-\u{20}ntfulrs]{0,60}", right: Vec<u8>, rules in rules(),
    ) {
        let forth = as_json(&rules, left.as_bytes(), &right);
        prop_assert_eq!(forth.outcome, as_json(&rules, &right, left.as_bytes()).outcome);
    }

    #[test]
    fn a_shuffled_set_is_the_same(
        (elements, shuffled) in prop::collection::vec(json(), 0..8)
            .prop_flat_map(|elements| (Just(elements.clone()), Just(elements).prop_shuffle())),
    ) {
        let rules = CompareRules {
            places: [PlaceRule::always("".parse().unwrap(), Effect::Array(ArrayRule::Set))].into(),
            ..CompareRules::default()
        };
        let text = |elements: &[Value]| Value::from(elements.to_vec()).to_string();
        let comparison = as_json(&rules, text(&elements).as_bytes(), text(&shuffled).as_bytes());
        prop_assert_eq!(comparison.outcome, Outcome::Match);
        let listed = as_json(&CompareRules::default(), text(&elements).as_bytes(), text(&shuffled).as_bytes());
        prop_assert_eq!(listed.outcome == Outcome::Match, elements == shuffled);
    }

    /// Whatever differs, the fields add up, and each mismatched one belongs to a signature.
    #[test]
    fn fields_add_up(left in json(), right in json(), rules in rules()) {
        let comparison = as_json(&rules, left.to_string().as_bytes(), right.to_string().as_bytes());
        let fields = comparison.fields;
        let listed: u64 = comparison.differences.iter().map(|found| u64::from(found.fields)).sum();
        prop_assert_eq!(fields.mismatched, listed + comparison.unlisted);
        prop_assert_eq!(fields.mismatched == 0, comparison.outcome == Outcome::Match);
        prop_assert_eq!(fields.all(), fields.equal + fields.mismatched + fields.ignored + fields.masked);
        // The union of both bodies has at least the leaves of each, beside the status and one header.
        let most = leaves(&left).max(leaves(&right));
        let has_presence =
            rules.places.iter().any(|rule| matches!(rule.effect, Effect::PresenceOnly));
        prop_assert!(has_presence || fields.all() >= most + 2, "{:?}", comparison);
    }

    #[test]
    fn fields_of_equal_documents_are_their_leaves(document in json()) {
        let (one, other) = (document.to_string(), respelled(&document));
        for text in [&one, &other] {
            let fields = as_json(&CompareRules::default(), one.as_bytes(), text.as_bytes()).fields;
            prop_assert_eq!((fields.equal, fields.all()), (leaves(&document) + 2, leaves(&document) + 2));
        }
    }

    /// A second answer of stable's hides values only: another structure, type or length stays a mismatch, and no field is
    /// lost or won.
    #[test]
    fn masking_never_makes_a_match_of_another_structure(
        stable in json(), candidate in json(), twin in json(), rules in rules(),
    ) {
        let (stable, candidate, twin) = (stable.to_string(), candidate.to_string(), twin.to_string());
        let plain = as_json(&rules, stable.as_bytes(), candidate.as_bytes());
        let headers = typed("application/json");
        let answer = |body| Answer::new(200, &headers, str::as_bytes(body));
        let (stable, candidate, twin) = (answer(&stable), answer(&candidate), answer(&twin));
        let pair = Pair { method: &Method::GET, stable, candidate, twin: Some(twin) };
        let masked = compare(&rules, &pair);
        let is_structural = |kind| kind != DifferenceKind::Value;
        if plain.differences.iter().any(|found| is_structural(found.difference.kind)) {
            prop_assert_eq!(masked.outcome, Outcome::Mismatch);
        }
        prop_assert!(plain.outcome == Outcome::Mismatch || masked.outcome == Outcome::Match);
        let kept = masked.differences.iter().map(|found| &found.difference);
        for difference in kept.filter(|difference| difference.kind != DifferenceKind::KeyMissing) {
            prop_assert!(plain.differences.iter().any(|found| found.difference == *difference));
        }
        let hidden: u32 = masked.drifts.iter().flatten().map(|drift| drift.fields).sum();
        prop_assert_eq!(u64::from(hidden), masked.fields.masked);
        let with_itself = compare(&rules, &Pair { twin: Some(stable), ..pair });
        prop_assert_eq!(with_itself.fields, plain.fields);
    }
}

fn leaves(value: &Value) -> u64 {
    match value {
        Value::Array(elements) if !elements.is_empty() => elements.iter().map(leaves).sum(),
        Value::Object(members) if !members.is_empty() => members.values().map(leaves).sum(),
        _ => 1,
    }
}
