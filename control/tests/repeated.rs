//! What is asked twice is done once, and what is only tried is not done at all.

use std::time::Duration;

use control::store::{Sqlite, Store};
use serde_json::{Value, json};

use crate::kit::{Running, YAML};

const SHIFT: &str = "POST /v1/routes/sms/shift";

#[tokio::test]
async fn with_a_key_it_is_done_once_and_heard_of_twice() {
    let running = Running::start(YAML).await;
    let (key, body) = (["Idempotency-Key: a-1"], r#"{"share": "5%", "why": "w"}"#);
    let first = running.send(SHIFT, &key, body).await;
    assert_eq!(
        (first.ok()["revision"].as_u64(), first.header("idempotent-replayed")),
        (Some(2), None)
    );
    running.shift("50%").await;
    let again = running.send(SHIFT, &key, body).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!((again.header("etag"), again.body.as_str()), (Some("\"r2\""), first.body.as_str()));
    assert_eq!(running.get("/v1/routes/sms").await.ok()["share"], "50%");
    let other = running.send(SHIFT, &key, r#"{"share": "6%", "why": "w"}"#).await;
    assert_eq!(other.problem(422), "key_used_before");
    let elsewhere = running.send("POST /v1/routes/billing/shift", &key, body).await;
    assert_eq!(elsewhere.problem(422), "key_used_before");
    assert_eq!(
        running.send(SHIFT, &["Idempotency-Key: "], body).await.problem(400),
        "bad_idempotency_key"
    );
    let long = format!("Idempotency-Key: {}", "x".repeat(256));
    assert_eq!(running.send(SHIFT, &[&long], body).await.problem(400), "bad_idempotency_key");
    running.stop().await;
}

#[tokio::test]
async fn a_key_outlives_a_restart_and_what_failed_may_be_tried_again() {
    let running = Running::start(YAML).await;
    let key = ["Idempotency-Key: b-1"];
    let bad = r#"{"share": "500%", "why": "w"}"#;
    assert_eq!(running.send(SHIFT, &key, bad).await.problem(400), "bad_share");
    let good = r#"{"share": "5%", "why": "w"}"#;
    running.send(SHIFT, &key, good).await.ok();
    let running = Running::start_in(running.stop().await).await;
    let again = running.send(SHIFT, &key, good).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(running.revision().await, 2);
    running.stop().await;
}

#[tokio::test]
async fn what_was_stored_when_the_process_was_killed_is_not_done_twice() {
    let running = Running::start(YAML).await;
    let (key, body) = (["Idempotency-Key: d-1"], r#"{"share": "5%", "why": "w"}"#);
    let first = running.send(SHIFT, &key, body).await.ok();
    running.shift("50%").await;
    let folder = running.stop().await;
    // As it is after a kill between the revision and its answer: both are kept together, the answer is not there yet.
    let store = Sqlite::open(&folder.path().join("turnout.db")).unwrap();
    let (note, text) = store.notes("once/").unwrap().pop().unwrap();
    let kept: Value = serde_json::from_str(&text).unwrap();
    let killed = json!({"asked": kept["asked"], "made": 2}).to_string();
    store.renote(&note, Some(&killed), Duration::from_secs(60)).unwrap();
    drop(store);
    let running = Running::start_in(folder).await;
    let again = running.send(SHIFT, &key, body).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("etag"), Some("\"r2\""));
    let again = again.ok();
    assert_eq!((&again["revision"], &again["summary"]), (&first["revision"], &first["summary"]));
    assert_eq!(running.revision().await, 3, "it was not done again");
    running.stop().await;
}

#[tokio::test]
async fn many_at_once_with_one_key_make_one_revision() {
    let running = Running::start(YAML).await;
    let key = ["Idempotency-Key: c-1"];
    let ask = || running.send(SHIFT, &key, r#"{"share": "5%", "why": "w"}"#);
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    // Whoever comes while it is under way waits for its answer.
    for answer in [a, b, c] {
        assert_eq!(answer.ok()["revision"], 2, "{answer:?}");
    }
    assert_eq!(running.revision().await, 2);
    let lines = running.get("/v1/audit").await.ok();
    let shifts = lines.as_array().unwrap().iter().filter(|line| line["command"] == "shift");
    assert_eq!(shifts.count(), 1);
    running.stop().await;
}

#[tokio::test]
async fn what_is_only_tried_says_what_would_change_and_who_would_notice() {
    let running = Running::start(YAML).await;
    let body = r#"{"share": "100%", "why": "w"}"#;
    let tried = running.send("POST /v1/routes/sms/shift?dry_run=true", &[], body).await;
    assert_eq!(tried.header("etag"), Some("\"r1\""));
    let tried = tried.ok();
    assert_eq!((&tried["changed"], &tried["summary"]), (&json!(true), &json!("sms: off -> live")));
    assert!(tried["diff"].as_str().unwrap().contains("+shift/sms {\"share\":\"100%\""), "{tried}");
    assert_eq!(tried["blast"]["first_tenants"], json!(["acme", "b2", "c3"]));
    assert_eq!(tried["blast"]["routes"][0]["route"], "sms");
    for (line, body) in [
        ("POST /v1/routes/sms/shadow?dry_run=true", r#"{"share": "5%", "why": "w"}"#),
        ("POST /v1/routes/sms/rollback?dry_run=true", r#"{"why": "w"}"#),
        ("PUT /v1/tenants/acme/lock?dry_run=true", r#"{"mode": "blocked", "why": "w"}"#),
        ("DELETE /v1/tenants/acme/lock?dry_run=true&why=w", ""),
        ("POST /v1/revisions/1/restore?dry_run=true", r#"{"why": "w"}"#),
        (
            "PUT /v1/upstreams/new/targets?dry_run=true",
            r#"{"targets": [{"address": "127.0.0.1:9"}], "why": "w"}"#,
        ),
    ] {
        let tried = running.send(line, &[], body).await.ok();
        assert!(tried["blast"].is_object() && tried["diff"].is_string(), "{line}: {tried}");
    }
    let refused = running.send("POST /v1/routes/billing/shift?dry_run=true", &[], body).await;
    assert_eq!(refused.problem(409), "no_candidate");
    let odd = running.send("POST /v1/routes/sms/shift?dry_run=perhaps", &[], body).await;
    assert_eq!(odd.problem(400), "bad_query");
    assert_eq!(running.revision().await, 1, "nothing has changed");
    let lines = running.get("/v1/audit").await.ok();
    assert!(lines.as_array().unwrap().iter().all(|line| line["command"] != "shift"), "{lines}");
    running.stop().await;
}
