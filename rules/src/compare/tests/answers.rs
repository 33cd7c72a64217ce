//! The tables of `rules/cases/compare` on whole answers: headers, bodies of all classes, fields.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::kit::{compare_json, table, typed};
use crate::compare::{
    Answer, Body, CompareRules, Comparison, DifferenceKind, Effect, Fields, Found, Pair, PlaceRule,
    Relation, compare,
};
use crate::exchange::Outcome;

fn header_map(fields: &Value) -> HeaderMap {
    let field = |field: &Value| {
        let text = |place: usize| field[place].as_str().unwrap().to_owned();
        (text(0).parse::<HeaderName>().unwrap(), text(1).parse().unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in fields.as_array().unwrap().iter().map(field) {
        headers.append(name, value);
    }
    headers
}

fn get<'a>(stable: Answer<'a>, candidate: Answer<'a>) -> Pair<'a> {
    Pair { method: &Method::GET, stable, candidate, twin: None }
}

fn paths(comparison: &Comparison) -> Vec<&str> {
    comparison.differences.iter().map(|found| &*found.difference.path).collect()
}

#[test]
fn headers() {
    for case in table!("headers.json") {
        // Entity tags are compared by presence alone; see the README of the cases.
        if case["id"] == "etag-weakness" {
            continue;
        }
        let hosts = case["host_map"].as_object().into_iter().flatten();
        let hosts = hosts.map(|(from, to)| (from.as_str().into(), to.as_str().unwrap().into()));
        let rules = CompareRules { hosts: hosts.collect(), ..CompareRules::default() };
        let (left, right) = (header_map(&case["left"]), header_map(&case["right"]));
        let comparison =
            compare(&rules, &get(Answer::new(200, &left, b""), Answer::new(200, &right, b"")));
        assert_eq!(json!(paths(&comparison)), case["mismatched"], "{case}");
    }
}

#[test]
fn bodies() {
    for case in table!("bodies.json") {
        let id = case["id"].as_str().unwrap();
        let (left, right) = (side(&case["left"]), side(&case["right"]));
        let comparison = compare(&CompareRules::default(), &get(left.answer(), right.answer()));
        let is_match = comparison.outcome == Outcome::Match;
        assert_eq!(is_match, case["equal"] == true, "{case} {comparison:?}");
        let first = comparison.differences.first().map(|found| &found.difference);
        match id {
            "problem-json" => assert_eq!(paths(&comparison), ["content-type"]),
            "json-invalid-one" => {
                assert_eq!(first.unwrap().kind, DifferenceKind::Unparseable, "{comparison:?}");
            }
            "ndjson" => assert_eq!(paths(&comparison), ["/*/a"]),
            "form-repeat-order" => assert_eq!(paths(&comparison), ["/a"]),
            "text-trailing-newline" => {
                assert_eq!(first.unwrap().relation.unwrap().as_str(), "whitespace_only");
            }
            "oversize-diff-hash" => {
                assert_eq!(
                    (first.unwrap().kind, comparison.is_whole),
                    (DifferenceKind::Length, false)
                );
            }
            _ => {}
        }
    }
}

struct Side {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    hash: Option<([u8; 32], u64)>,
}

impl Side {
    fn answer(&self) -> Answer<'_> {
        let whole = Answer::new(self.status, &self.headers, &self.body);
        let hashed = |(digest, bytes)| Body::Hashed { digest, bytes };
        Answer { body: self.hash.map_or(whole.body, hashed), ..whole }
    }
}

fn side(side: &Value) -> Side {
    let mut headers = HeaderMap::new();
    for (name, field) in [(CONTENT_TYPE, "ct"), (CONTENT_ENCODING, "ce")] {
        if let Some(value) = side[field].as_str() {
            headers.insert(name, value.parse().unwrap());
        }
    }
    let text = side["text"].as_str().map(|text| text.as_bytes().to_vec());
    let body = text.or_else(|| side["b64"].as_str().map(base64)).unwrap_or_default();
    let status = side["status"].as_u64().unwrap_or(200).try_into().unwrap();
    let digest = |text: &str| [text.as_bytes()[0]; 32];
    let hash = side["sha256"].as_str().map(|text| (digest(text), side["size"].as_u64().unwrap()));
    Side { status, headers, body, hash }
}

/// Undoes Base64 (RFC 4648 section 4).
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in text.chars().filter_map(|digit| DIGITS.find(digit)) {
        bits = bits << 6 | u32::try_from(digit).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff).try_into().unwrap());
            bits &= (1 << held) - 1;
        }
    }
    // One image of the table ends in bits that are none of its own: it is told from the other by its text.
    if bits & ((1 << held) - 1) == 0 { bytes } else { text.into() }
}

/// The fields of the bodies alone: the status and one Content-Type are equal fields of their own.
fn of_bodies(comparison: &Comparison) -> Fields {
    Fields { equal: comparison.fields.equal - 2, ..comparison.fields }
}

#[test]
fn fields() {
    for case in table!("fmr_accounting.json") {
        let number = |name: &str| case[name].as_u64().unwrap_or(0);
        let patterns = case["ignore"].as_array().map_or(&[] as &[Value], Vec::as_slice);
        let ignored = patterns
            .iter()
            .map(|text| PlaceRule::always(text.as_str().unwrap().parse().unwrap(), Effect::Ignore));
        let rules = CompareRules { places: ignored.collect(), ..CompareRules::default() };
        let fields = match case["scope"].as_str() {
            Some("exchange") => {
                let none = HeaderMap::new();
                let text = |side: &Value| side["body"].to_string();
                let status = |side: &Value| side["status"].as_u64().unwrap().try_into().unwrap();
                let (left, right) = (text(&case["left"]), text(&case["right"]));
                let stable = Answer::new(status(&case["left"]), &none, left.as_bytes());
                let candidate = Answer::new(status(&case["right"]), &none, right.as_bytes());
                compare(&rules, &get(stable, candidate)).fields
            }
            Some(_) => {
                let plain = typed("text/plain");
                let text = |side: &'static str| case[side].as_str().unwrap().as_bytes();
                let (left, right) = (text("left"), text("right"));
                let answer = |body| Answer::new(200, &plain, body);
                of_bodies(&compare(&rules, &get(answer(left), answer(right))))
            }
            None => {
                let headers = typed("application/json");
                let text = |side: &str| case.get(side).map(Value::to_string);
                let (left, right) = (text("left").unwrap(), text("right").unwrap());
                let twin = text("second_primary");
                let answer = |body| Answer::new(200, &headers, str::as_bytes(body));
                let twin = twin.as_deref().map(answer);
                let pair = Pair { twin, ..get(answer(&left), answer(&right)) };
                of_bodies(&compare(&rules, &pair))
            }
        };
        let told = (fields.compared(), fields.mismatched, fields.ignored, fields.masked);
        let expected = (
            number("compared_fields"),
            number("mismatched_fields"),
            number("ignored_fields"),
            number("noise_masked_fields"),
        );
        assert_eq!(told, expected, "{case}");
    }
}

#[test]
fn another_status_is_one_difference() {
    let (json, text) = (typed("application/json"), typed("text/plain"));
    let stable = Answer::new(200, &json, b"{\"a\":1}");
    let candidate = Answer::new(500, &text, b"oops");
    let comparison = compare(&CompareRules::default(), &get(stable, candidate));
    assert_eq!((comparison.outcome, paths(&comparison)), (Outcome::Mismatch, vec!["200 -> 500"]));
}

#[test]
fn headers_named_by_a_rule_or_by_connection_are_not_looked_at() {
    let rules = CompareRules {
        ignore_headers: [HeaderName::from_static("x-build")].into(),
        ..CompareRules::default()
    };
    let headers = |build: &str, hop: &str| {
        header_map(&json!([["x-build", build], ["Connection", "close, X-Hop"], ["X-Hop", hop]]))
    };
    let (left, right) = (headers("1", "a"), headers("2", "b"));
    let pair = get(Answer::new(200, &left, b""), Answer::new(200, &right, b""));
    let comparison = compare(&rules, &pair);
    assert_eq!((comparison.outcome, comparison.fields.ignored), (Outcome::Match, 1));
    assert_eq!(compare(&CompareRules::default(), &pair).differences.len(), 1);
}

#[test]
fn differences_are_kept_once_and_up_to_a_bound() {
    let rules = CompareRules::default();
    let wide = |value: u8| {
        let member = |n: usize| format!("\"{}\":{value}", "x".repeat(n + 1));
        format!("{{{}}}", (0..60).map(member).collect::<Vec<_>>().join(","))
    };
    let weight = |comparison: &Comparison| -> u64 {
        let listed = comparison.differences.iter().map(|Found { fields, .. }| u64::from(*fields));
        listed.sum::<u64>() + comparison.unlisted
    };
    let comparison = compare_json(&rules, &wide(1), &wide(2));
    assert_eq!((comparison.differences.len(), weight(&comparison)), (60, 60));
    let many = |value: u8| format!("[{}]", vec![wide(value); 3].join(","));
    let comparison = compare_json(&rules, &many(1), &many(2));
    assert_eq!((comparison.differences.len(), weight(&comparison)), (60, 180));
    let both = |value: u8| format!("{{\"a\":{},\"b\":{}}}", wide(value), wide(value));
    let comparison = compare_json(&rules, &both(1), &both(2));
    assert_eq!((comparison.differences.len(), comparison.unlisted), (100, 20));
    assert_eq!(comparison.fields.mismatched, 120);
}

/// What a twin showed to be unsteady is masked, and not the same: a hint is about the values that are there.
#[test]
fn a_twin_does_not_change_the_hint_of_another_type() {
    let json = typed("application/json");
    let (stable, candidate, twin) = ("[[true]]", "[false]", "[[false]]");
    let answer = |body| Answer::new(200, &json, str::as_bytes(body));
    let pair = get(answer(stable), answer(candidate));
    let masked = Pair { twin: Some(answer(twin)), ..pair };
    let hints = |pair: &Pair<'_>| -> Vec<Option<Relation>> {
        let found = compare(&CompareRules::default(), pair).differences;
        found.iter().map(|found| found.difference.relation).collect()
    };
    assert_eq!((hints(&pair), hints(&masked)), (vec![None], vec![None]));
}
