//! What is kept of differences where a route opted in, and what never is.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::{CONTENT_TYPE, HeaderName};
use serde_json::{Value, json};

use super::kit::typed;
use crate::compare::{
    Answer, CompareRules, Effect, Pair, PlaceRule, SamplePolicy, Samples, sample,
};

fn policy(places: &[&str], headers: &[&'static str]) -> Arc<SamplePolicy> {
    let ignore = |at: &&str| PlaceRule::always(at.parse().unwrap(), Effect::Ignore);
    let redacted = CompareRules {
        places: places.iter().map(ignore).collect(),
        ignore_headers: headers.iter().map(|name| HeaderName::from_static(name)).collect(),
        ..CompareRules::default()
    };
    Arc::new(SamplePolicy { time_to_live: Duration::from_secs(60), redacted })
}

/// The samples of two answers with these fields and bodies.
fn sampled(
    policy: &Arc<SamplePolicy>,
    left: (&[(&'static str, &str)], &str),
    right: (&[(&'static str, &str)], &str),
) -> Samples {
    let headers = |fields: &[(&'static str, &str)]| {
        let mut headers = typed("application/json");
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    };
    let (stable, candidate) = (headers(left.0), headers(right.0));
    let pair = Pair {
        method: &Method::GET,
        stable: Answer::new(200, &stable, left.1.as_bytes()),
        candidate: Answer::new(200, &candidate, right.1.as_bytes()),
        twin: None,
    };
    sample(&CompareRules::default(), &pair, policy).1.unwrap()
}

fn told(samples: &Samples) -> Value {
    let side = |side: &Option<crate::compare::SampledValue>| {
        side.as_ref().map(|side| json!([&*side.place, side.value.as_deref()]))
    };
    samples
        .taken
        .iter()
        .map(|sample| json!([side(&sample.stable), side(&sample.candidate)]))
        .collect()
}

fn of_json(policy: &Arc<SamplePolicy>, left: &Value, right: &Value) -> Value {
    told(&sampled(policy, (&[], &left.to_string()), (&[], &right.to_string())))
}

#[test]
fn both_values_come_with_their_places() {
    let left =
        json!({"items": [{"id": 1, "name": "a \"b\"\n"}, {"id": 2, "name": "c"}], "old": [1]});
    let right = json!({"items": [{"id": 2, "name": "C"}, {"id": 1, "name": "A"}], "new": null});
    assert_eq!(
        of_json(&policy(&[], &[]), &left, &right),
        json!([
            [["/items/0/name", "\"a \\\"b\\\"\\u000a\""], ["/items/1/name", "\"A\""]],
            [["/items/1/name", "\"c\""], ["/items/0/name", "\"C\""]],
            [
                [
                    "/items",
                    "[{\"id\":1,\"name\":\"a \\\"b\\\"\\u000a\"},{\"id\":2,\"name\":\"c\"}]"
                ],
                ["/items", "[{\"id\":2,\"name\":\"C\"},{\"id\":1,\"name\":\"A\"}]"]
            ],
            [null, ["/new", "null"]],
            [["/old", "[1]"], null],
        ])
    );
}

#[test]
fn what_is_redacted_is_not_kept_wherever_it_stands() {
    let left = json!({"patient": {"name": "Ann", "birth": 1}, "list": [{"name": "x", "n": 1}], "jane@example.org": 1});
    let right = json!({"patient": {"name": "Bea", "birth": 2}, "list": {}, "jane@example.org": 2});
    let policy = policy(&["/patient", "/**/name", "/*@example.org", "/*"], &[]);
    let kept = of_json(&policy, &left, &right);
    for value in ["Ann", "Bea", "jane", "\"x\""] {
        assert!(!kept.to_string().contains(value), "{kept}");
    }
    assert_eq!(kept[0], json!([["/{*}", null], ["/{*}", null]]));
    assert_eq!(kept[1], json!([["/list", null], ["/list", null]]));
    let below = self::policy(&["/**/name"], &[]);
    let kept = of_json(&below, &left, &right);
    assert_eq!(kept[0][0], json!(["/jane@example.org", "1"]));
    assert_eq!(
        kept[1],
        json!([["/list", null], ["/list", null]]),
        "who knows where it stands there"
    );
    assert_eq!(kept[2][0], json!(["/patient/birth", "1"]));
    assert_eq!(kept[3], json!([["/patient/name", null], ["/patient/name", null]]));
}

#[test]
fn what_is_built_otherwise_hides_nothing_that_is_redacted() {
    let left = json!({"patient": {"name": "Ann"}});
    for right in [json!({"patient": [{"name": "Bea"}]}), json!({"patient": "Bea"})] {
        let kept = of_json(&policy(&["/patient/name"], &[]), &left, &right).to_string();
        assert!(!kept.contains("Ann") && !kept.contains("Bea"), "{kept}");
    }
}

#[test]
fn credentials_and_cookies_are_never_kept() {
    let left =
        json!({"accessToken": "t1", "a": {"client_secret": "t2", "n": 1}, "password": {"x": "t3"}});
    let right = json!({"accessToken": "u1", "a": 7, "password": {"x": "u3"}});
    let fields = |value: &'static str| {
        [
            ("set-cookie", value),
            ("x-api-key", value),
            ("www-authenticate", value),
            ("x-plan", value),
        ]
    };
    let (one, other) = (fields("t4=t5"), fields("u4=u5"));
    let samples =
        sampled(&policy(&[], &[]), (&one, &left.to_string()), (&other, &right.to_string()));
    let kept = told(&samples).to_string();
    assert!(kept.contains("[\"x-plan\",\"t4=t5\"]"), "{kept}");
    let without = kept.replace("[\"x-plan\",\"t4=t5\"]", "").replace("[\"x-plan\",\"u4=u5\"]", "");
    for value in ["t1", "t2", "t3", "t4", "t5", "u1", "u3", "u4", "u5"] {
        assert!(!without.contains(value), "{value}: {without}");
    }
    assert!(without.contains("\\\"client_secret\\\":\\\"[redacted]\\\",\\\"n\\\":1"), "{without}");
    let printed = format!("{samples:?}");
    assert!(!printed.contains("t4") && !printed.contains("u4"), "{printed}");
    let redacted = sampled(&policy(&[], &["x-plan"]), (&one, "{}"), (&other, "{}"));
    assert!(!told(&redacted).to_string().contains("t4=t5"));
}

#[test]
fn what_has_no_places_is_not_kept() {
    let plain = typed("text/plain");
    let answer = |body: &'static str| Answer::new(200, &plain, body.as_bytes());
    let pair = Pair {
        method: &Method::GET,
        stable: answer("Dear Ann"),
        candidate: answer("Dear Bea"),
        twin: None,
    };
    let (comparison, samples) = sample(&CompareRules::default(), &pair, &policy(&[], &[]));
    assert_eq!((comparison.differences.len(), samples.unwrap().taken.len()), (1, 0));
    assert_eq!(plain.len(), 1, "{CONTENT_TYPE}");
}

#[test]
fn samples_are_few_and_short() {
    let wide = |value: &str| -> Value {
        (0..40).map(|n| ("k".repeat(n + 1), json!(value))).collect::<serde_json::Map<_, _>>().into()
    };
    let long = "é".repeat(9_000);
    let (left, right) = (wide(&long).to_string(), wide("b").to_string());
    let samples = sampled(&policy(&[], &[]), (&[], &left), (&[], &right));
    assert_eq!((samples.taken.len(), samples.left_out), (16, 24));
    for sample in &samples.taken {
        let value = sample.stable.as_ref().unwrap().value.as_deref().unwrap();
        assert!(value.len() < 520 && value.ends_with("é…"), "{value}");
    }
    let nested = |leaf: u8| format!("{}{leaf}{}", "{\"a\":[".repeat(60), "]}".repeat(60));
    let samples = sampled(&policy(&["/**/x/**"], &[]), (&[], &nested(1)), (&[], &nested(2)));
    assert_eq!(samples.taken[0].stable.as_ref().unwrap().value.as_deref(), Some("1"));
}
