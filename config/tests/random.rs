//! Whatever stands in a file, reading and compiling it ends with an answer.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::kit::{check, files};

/// A value as people might write one anywhere.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        prop::sample::select(
            &[
                "api",
                "/a",
                "5%",
                "30s",
                "1KiB",
                "GET",
                "*.x.org",
                "${A:-b}",
                "2026-01-01",
                "{tenant}.x"
            ][..]
        )
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..3)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(
            &[
                "header", "path", "regex", "prefix", "exact", "upstream", "share", "methods",
                "file", "env", "targets", "x"
            ][..]
        )
        .prop_map(str::to_owned),
        ".{0,8}",
    ]
}

/// Every place in a value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (key, below) in map {
                places(
                    below,
                    &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                    found,
                );
            }
        }
        Value::Array(items) => {
            for (i, below) in items.iter().enumerate() {
                places(below, &format!("{at}/{i}"), found);
            }
        }
        _ => {}
    }
}

fn full() -> Value {
    let file =
        files("good", &["yaml"]).into_iter().find(|file| file.ends_with("full.yaml")).unwrap();
    let document = crate::kit::read("full.yaml", &std::fs::read_to_string(file).unwrap()).unwrap();
    serde_json::to_value(document).unwrap()
}

/// Either a snapshot, or problems that each have a place and a code.
fn ends_with_an_answer(text: &str) -> Result<(), TestCaseError> {
    if let Err(problems) = check("random", text) {
        prop_assert!(!problems.is_empty());
        for problem in &problems {
            prop_assert!(problem.line > 0 && problem.column > 0, "{problem} in {text}");
            prop_assert!(!problem.code.is_empty() && !problem.message.is_empty());
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_good_file_with_anything_anywhere(changes in prop::collection::vec((any::<prop::sample::Index>(), value()), 1..4)) {
        let mut document = full();
        for (index, value) in changes {
            let mut all = Vec::new();
            places(&document, "", &mut all);
            let at = index.get(&all);
            if let Some(place) = document.pointer_mut(at) {
                *place = value;
            }
        }
        ends_with_an_answer(&document.to_string())?;
    }

    #[test]
    fn routes_of_anything(routes in prop::collection::vec((key(), value()), 0..4)) {
        let routes: Map<String, Value> = routes.into_iter().collect();
        let document = json!({"upstreams": {"api": {"targets": [{"address": "a:1"}]}}, "routes": routes});
        ends_with_an_answer(&document.to_string())?;
    }

    #[test]
    fn any_text_at_all(text in "(?s).{0,80}") {
        ends_with_an_answer(&text)?;
    }

    #[test]
    fn any_yaml_like_text(text in "([a-z&*!|>'\"#%@`{}\\[\\],?:\\- \n~<$]{0,6}){0,20}") {
        ends_with_an_answer(&text)?;
    }
}
