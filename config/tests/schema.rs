//! The JSON Schema takes what the reader takes, and refuses what people get wrong.

use serde_json::{Value, json};

use crate::kit::{files, read};

fn validator() -> jsonschema::Validator {
    let schema = config::json_schema();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    jsonschema::draft7::new(&schema).unwrap()
}

/// A good file as JSON, as an editor sees it: read by the crate and written again.
fn as_json(text: &str) -> Value {
    serde_json::to_value(read("turnout.yaml", text).unwrap()).unwrap()
}

#[test]
fn good_files_are_taken() {
    let validator = validator();
    for file in files("good", &["yaml", "json"]) {
        let text = std::fs::read_to_string(&file).unwrap();
        let value = as_json(&text);
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{} {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", file.display());
    }
}

#[test]
fn what_people_get_wrong_is_refused() {
    let validator = validator();
    let good = || {
        json!({
            "upstreams": {"api": {"targets": [{"address": "a:1"}]}},
            "routes": {"a": {"canonical": "/a", "stable": {"upstream": "api"}, "start": {"share": "5%"}}}
        })
    };
    assert!(validator.is_valid(&good()));
    for (pointer, wrong) in [
        ("/routes/a", json!({"stable": {"upstream": "api"}})),
        ("/routes/a", json!({"canonical": "/a", "stabel": {}})),
        ("/routes/a/start/share", json!("101%")),
        ("/routes/a/start/share", json!(5)),
        ("/routes/a/stable", json!("api")),
        ("/routes/a/canonical", json!({"prefix": "/a", "exact": "/b"})),
        ("/routes/a/canonical", json!(7)),
        ("/upstreams/api", json!({})),
        ("/upstreams/api/targets", json!(["a:1"])),
        ("/upstreams/api/targets/0", json!({"address": "a:1", "weight": -1})),
        ("", json!({})),
    ] {
        let mut value = good();
        *value.pointer_mut(pointer).unwrap() = wrong.clone();
        assert!(!validator.is_valid(&value), "{pointer} {wrong}");
    }
    for (key, wrong) in [
        ("drain", json!("30")),
        ("drain", json!(30)),
        ("threads", json!("two")),
        ("jwt", json!({})),
    ] {
        let mut value = good();
        value[key] = wrong.clone();
        assert!(!validator.is_valid(&value), "{key} {wrong}");
    }
}

#[test]
fn variables_may_stand_for_numbers() {
    let mut value = json!({"threads": "${THREADS}", "access_log": "${LOG:-true}", "drain": "${DRAIN}", "routes": {}});
    assert!(validator().is_valid(&value));
    value["threads"] = json!("THREADS");
    assert!(!validator().is_valid(&value));
}

#[test]
fn every_key_is_described() {
    fn described(value: &Value, path: &str, missing: &mut Vec<String>) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (key, property) in properties {
                if property.get("description").is_none() {
                    missing.push(format!("{path}/{key}"));
                }
            }
        }
        for (key, below) in value.as_object().into_iter().flatten() {
            described(below, &format!("{path}/{key}"), missing);
        }
    }
    let mut missing = Vec::new();
    described(&config::json_schema(), "", &mut missing);
    assert!(missing.is_empty(), "{missing:#?}");
}
