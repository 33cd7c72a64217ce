//! Flags over OpenFeature's remote evaluation protocol: values, caching, and what is refused.

use serde_json::{Value, json};

use crate::kit::{Answer, Listening, Running};

const YAML: &str = r##"
control: {address: "127.0.0.1:0"}
status: {address: "127.0.0.1:0"}
tenants: {acme: {residency: AF}}
cohorts: {africa: {attribute: {residency: AF}}}
flags:
  truth: {start: {share: 100%}}
  text: {variants: {old: a, new: "ü"}, off: old, start: {share: 100%}}
  count: {variants: {off: 0, many: 9007199254740993}, start: {share: 100%}}
  ratio: {variants: {off: 0.5, half: 1.25}}
  tree: {variants: {off: {a: [1, {b: null}]}, on: []}}
  ramped: {start: {share: 50%}}
  gone: {archived: true}
routes: {}
"##;

const ALL: &str = "POST /ofrep/v1/evaluate/flags";

fn one(key: &str) -> String {
    format!("POST /ofrep/v1/evaluate/flags/{key}")
}

fn context(tenant: &str) -> String {
    json!({"context": {"targetingKey": tenant, "plan": "gold"}}).to_string()
}

async fn evaluated(running: &Running, key: &str, tenant: &str) -> Value {
    let answer = running.send(&one(key), &[], &context(tenant)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn every_kind_of_value_is_told_with_its_variant_and_reason() {
    let running = Running::start(YAML).await;
    for (key, value, variant, reason) in [
        ("truth", json!(true), "on", "DEFAULT"),
        ("text", json!("ü"), "new", "DEFAULT"),
        ("count", json!(9_007_199_254_740_993_i64), "many", "DEFAULT"),
        ("ratio", json!(0.5), "off", "DEFAULT"),
        ("tree", json!({"a": [1, {"b": null}]}), "off", "DEFAULT"),
    ] {
        let found = evaluated(&running, key, "acme").await;
        assert_eq!((&found["key"], &found["value"]), (&json!(key), &value));
        assert_eq!((&found["variant"], &found["reason"]), (&json!(variant), &json!(reason)));
    }
    let target = r#"{"share": "100%", "tenant": "acme", "why": "w"}"#;
    running.post("/v1/flags/ratio/serve", target).await.ok();
    assert_eq!(evaluated(&running, "ratio", "acme").await["value"], 1.25);
    assert_eq!(evaluated(&running, "ratio", "b2").await["value"], 0.5);
    running.post("/v1/flags/truth/off", r#"{"why": "w"}"#).await.ok();
    assert_eq!(evaluated(&running, "truth", "acme").await["reason"], "DISABLED");
    let split = evaluated(&running, "ramped", "acme").await;
    assert_eq!(split["reason"], "SPLIT");
    assert!(split["metadata"]["because"].as_str().unwrap().starts_with("bucket "), "{split}");
    let used = running.get("/v1/flags/ratio").await.ok();
    assert_eq!(used["variants"][1]["evaluations"], 1, "{used}");
    running.stop().await;
}

#[tokio::test]
async fn all_flags_are_told_at_once_and_not_again_while_they_stay() {
    let running = Running::start(YAML).await;
    let ask = async |headers: &[&str]| running.send(ALL, headers, &context("acme")).await;
    let first = ask(&[]).await;
    let all = first.json();
    let keys: Vec<&str> =
        all["flags"].as_array().unwrap().iter().map(|flag| flag["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["truth", "text", "count", "ratio", "tree", "ramped"]);
    assert_eq!(all["eventStreams"][0]["endpoint"]["requestUri"], "/ofrep/v1/events");
    let tag = first.header("etag").unwrap().to_owned();
    let known = format!("If-None-Match: {tag}");
    let same = ask(&[&known]).await;
    assert_eq!((same.status, same.header("etag"), &*same.body), (304, Some(&*tag), ""));
    let other = running.send(ALL, &[&known], &context("b2")).await;
    assert_eq!(other.status, 200, "another tenant's answer is another");
    running.post("/v1/flags/truth/off", r#"{"why": "w"}"#).await.ok();
    assert_eq!(ask(&[&known]).await.status, 200);
    let nobody = running.send(ALL, &[], "{}").await.json();
    assert_eq!(nobody["flags"][5]["errorCode"], "TARGETING_KEY_MISSING");
    running.stop().await;
}

fn told(answer: &Answer) -> (u16, String) {
    let body = answer.json();
    assert!(body["errorDetails"].is_string(), "{body}");
    (answer.status, body["errorCode"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn what_cannot_be_evaluated_says_so_in_the_protocols_words() {
    let running = Running::start(YAML).await;
    let huge = json!({"context": {"targetingKey": "acme", "a": "x".repeat(17 << 10)}}).to_string();
    let deep = format!(r#"{{"context": {{"a": {}{}}}}}"#, "[".repeat(9), "]".repeat(9));
    let acme = context("acme");
    for (line, body, status, code) in [
        (one("nothing"), &*acme, 404, "FLAG_NOT_FOUND"),
        (one("gone"), &acme, 404, "FLAG_NOT_FOUND"),
        (one("a%20b"), &acme, 400, "GENERAL"),
        (one("%FF"), &acme, 400, "GENERAL"),
        (one(&"x".repeat(65)), &acme, 400, "GENERAL"),
        (one("truth"), "", 400, "PARSE_ERROR"),
        (one("truth"), "[]", 400, "PARSE_ERROR"),
        (one("truth"), r#"{"context": 7}"#, 400, "INVALID_CONTEXT"),
        (one("truth"), &context("a b"), 400, "INVALID_CONTEXT"),
        (one("truth"), &deep, 400, "INVALID_CONTEXT"),
        (one("truth"), &huge, 400, "INVALID_CONTEXT"),
        (one("ramped"), "{}", 400, "TARGETING_KEY_MISSING"),
        (ALL.to_owned(), &huge, 400, "INVALID_CONTEXT"),
        (ALL.replace("POST", "GET"), "", 404, "GENERAL"),
        (one("truth").replace("POST", "PUT"), &acme, 404, "GENERAL"),
        ("GET /ofrep/v1/configuration".to_owned(), "", 404, "GENERAL"),
    ] {
        let answer = running.send(&line, &[], body).await;
        assert_eq!(told(&answer), (status, code.to_owned()), "{line} {answer:?}");
    }
    let unknown = running.send(&one("nothing"), &[], &acme).await.body;
    let archived = running.send(&one("gone"), &[], &acme).await.body;
    assert_eq!(archived.replace("gone", "nothing"), unknown, "nobody learns which flags were");
    assert_eq!(running.send(&one("truth"), &[], "{}").await.json()["value"], true);
    running.stop().await;
}

#[tokio::test]
async fn whoever_listens_is_told_when_flags_change_and_only_then() {
    let running = Running::start(&YAML.replace(
        "routes: {}",
        "upstreams: {api: {targets: [{address: \"127.0.0.1:1\"}]}}\nroutes: {a: {canonical: /a, stable: {upstream: api}, candidate: {upstream: api}}}",
    ))
    .await;
    let mut events = Listening::at(&running, "/ofrep/v1/events", None).await;
    running.post("/v1/routes/a/shift", r#"{"share": "5%", "why": "w"}"#).await.ok();
    running.post("/v1/flags/ratio/serve", r#"{"share": "5%", "why": "w"}"#).await.ok();
    let (id, event, data) = events.next().await.unwrap();
    assert_eq!((id, &*event), (3, "message"), "a shift changes no flag");
    assert_eq!((&data["type"], &data["etag"]), (&json!("refetchEvaluation"), &json!("\"r3\"")));
    drop(events);
    let mut again = Listening::at(&running, "/ofrep/v1/events", Some(1)).await;
    assert_eq!(again.next().await.unwrap().0, 3, "whoever missed something is told at once");
    running.stop().await;
}
