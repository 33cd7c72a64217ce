//! Commands over HTTP, and what they leave.

use serde_json::{Value, json};

use crate::kit::{Running, YAML, ask};

#[tokio::test]
async fn a_shift_is_a_revision_that_serves() {
    let running = Running::start(YAML).await;
    let done = running.shift("5%").await;
    let expected =
        json!({"revision": 2, "changed": true, "summary": "sms: off -> canary 5%", "warnings": []});
    assert_eq!(done, expected);
    assert_eq!(running.cell.load().revision.0, 2);
    let again = running.shift("5%").await;
    assert_eq!((&again["revision"], &again["changed"]), (&json!(2), &json!(false)));
    let route = running.get("/v1/routes/sms").await;
    assert_eq!(route.header("etag"), Some("\"r2\""));
    let route = route.ok();
    assert_eq!((&route["stage"], &route["share"]), (&json!("canary"), &json!("5%")));
    assert_eq!(running.shift("25%").await["summary"], "sms: canary 5% -> 25%");
    running.stop().await;
}

#[tokio::test]
async fn tenants_and_cohorts_have_shifts_of_their_own() {
    let running = Running::start(YAML).await;
    let shift = |body: &'static str| running.post("/v1/routes/sms/shift", body);
    shift(r#"{"share": "10%", "cohort": "africa", "why": "w"}"#).await.ok();
    shift(r#"{"share": "100%", "tenant": "acme", "why": "w"}"#).await.ok();
    let route = running.get("/v1/routes/sms").await.ok();
    assert_eq!(route["stage"], "off");
    assert_eq!(route["cohorts"][0]["name"], "africa");
    assert_eq!(route["cohorts"][0]["share"], "10%");
    assert_eq!(route["tenants"]["count"], 1);
    assert_eq!(route["tenants"]["first"][0]["tenant"], "acme");
    assert_eq!(route["tenants"]["first"][0]["stage"], "live");
    let by = async |tenant: &str| {
        let view = running.get(&format!("/v1/tenants/{tenant}")).await.ok();
        let routes = view["routes"].as_array().unwrap().clone();
        assert_eq!(routes.len(), 1, "billing has no candidate: {routes:?}");
        (routes[0]["by"].clone(), routes[0]["share"].clone())
    };
    assert_eq!(by("acme").await, (json!("tenant"), json!("100%")));
    assert_eq!(by("c3").await, (json!("cohort"), json!("10%")));
    assert_eq!(by("stranger").await, (json!("route"), json!("0%")));
    let inherits = shift(r#"{"share": null, "tenant": "acme", "why": "w"}"#).await.ok();
    assert_eq!(inherits["summary"], "sms, tenant acme: live -> inherits (canary 10%)");
    assert_eq!(by("acme").await, (json!("cohort"), json!("10%")));
    running.stop().await;
}

#[tokio::test]
async fn a_rollback_needs_no_revision_and_takes_everything_back() {
    let running = Running::start(YAML).await;
    running.post("/v1/routes/sms/shadow", r#"{"share": "100%", "why": "w"}"#).await.ok();
    running.shift("50%").await;
    let tenant = r#"{"share": "100%", "tenant": "acme", "why": "w"}"#;
    running.post("/v1/routes/sms/shift", tenant).await.ok();
    let stale = ["If-Match: \"r1\""];
    let rollback = "POST /v1/routes/sms/rollback";
    let done = running.send(rollback, &stale, r#"{"why": "errors"}"#).await.ok();
    assert_eq!(done["changed"], true);
    let route = running.get("/v1/routes/sms").await.ok();
    assert_eq!((&route["stage"], &route["shadow"]), (&json!("off"), &json!("0%")));
    assert_eq!(route["tenants"]["count"], 0);
    let metrics = running.get("/metrics").await;
    let line = r#"turnout_rollbacks_total{route="sms",trigger="command"} 1"#;
    assert!(metrics.body.contains(line), "{}", metrics.body);
    running.stop().await;
}

#[tokio::test]
async fn targets_stand_in_for_those_of_the_file() {
    let running = Running::start(YAML).await;
    let body = r#"{"targets": [{"address": "127.0.0.1:4001"}, {"address": "127.0.0.1:4002", "weight": 3}], "why": "w"}"#;
    running.send("PUT /v1/upstreams/new/targets", &[], body).await.ok();
    let upstreams = running.get("/v1/upstreams").await.ok();
    let expected = json!({"name": "new", "overridden": true, "targets": [
        {"address": "127.0.0.1:4001", "weight": 1, "healthy": true, "resolved": ["127.0.0.1:4001"]},
        {"address": "127.0.0.1:4002", "weight": 3, "healthy": true, "resolved": ["127.0.0.1:4002"]},
    ]});
    assert_eq!(upstreams[1], expected);
    assert_eq!(upstreams[0]["overridden"], false);
    let bad = r#"{"targets": [{"address": "nowhere"}], "why": "w"}"#;
    let refused = running.send("PUT /v1/upstreams/new/targets", &[], bad).await;
    assert_eq!(refused.problem(422), "invalid");
    assert!(!refused.json()["errors"].as_array().unwrap().is_empty());
    assert_eq!(running.revision().await, 2);
    running.stop().await;
}

#[tokio::test]
async fn a_tenant_is_locked_and_unlocked() {
    let running = Running::start(YAML).await;
    let lock = |mode: &str| format!(r#"{{"mode": "{mode}", "why": "moving"}}"#);
    running.send("PUT /v1/tenants/acme/lock", &[], &lock("read_only")).await.ok();
    let view = running.get("/v1/tenants/acme").await.ok();
    assert_eq!((&view["lock"], &view["named"]), (&json!("read_only"), &json!(true)));
    assert_eq!(view["cohorts"], json!(["africa"]));
    running.send("PUT /v1/tenants/acme/lock", &[], &lock("blocked")).await.ok();
    let no_why = running.send("DELETE /v1/tenants/acme/lock", &[], "").await;
    assert_eq!(no_why.problem(400), "why_required");
    running.send("DELETE /v1/tenants/acme/lock?why=moved", &[], "").await.ok();
    assert_eq!(running.get("/v1/tenants/acme").await.ok()["lock"], Value::Null);
    running.stop().await;
}

#[tokio::test]
async fn a_configuration_is_tried_then_applied() {
    let running = Running::start(YAML).await;
    running.shift("25%").await;
    let text = YAML.replace("/v1/billing", "/v1/invoices");
    let yaml = ["Content-Type: application/yaml"];
    let tried = running.send("POST /v1/config?dry_run=true", &yaml, &text).await.ok();
    assert_eq!((&tried["changed"], &tried["revision"]), (&json!(true), &json!(2)));
    let diff = tried["diff"].as_str().unwrap();
    assert!(diff.contains("-    canonical: /v1/billing\n+    canonical: /v1/invoices"), "{diff}");
    assert_eq!(running.revision().await, 2);
    let applied = running.send("POST /v1/config?why=rename", &yaml, &text).await.ok();
    assert_eq!(applied["summary"], "configuration: routes changed: billing");
    let shown = running.get("/v1/config").await;
    assert_eq!((shown.body.as_str(), shown.header("etag")), (text.as_str(), Some("\"r3\"")));
    assert_eq!(running.get("/v1/routes/sms").await.ok()["share"], "25%", "live shifts stay");
    let again = running.send("POST /v1/config", &yaml, &text).await.ok();
    assert_eq!((&again["changed"], &again["revision"]), (&json!(false), &json!(3)));
    running.stop().await;
}

#[tokio::test]
async fn many_who_ask_at_once_each_get_a_revision_of_their_own() {
    let running = Running::start(YAML).await;
    let control = running.control;
    let tasks: Vec<_> = (1..=20)
        .map(|n| {
            tokio::spawn(async move {
                let body = format!(r#"{{"share": "1%", "tenant": "t{n}", "why": "w"}}"#);
                let headers = ["Host: localhost", "Content-Type: application/json"];
                ask(control, "POST /v1/routes/sms/shift HTTP/1.1", &headers, &body).await.ok()
            })
        })
        .collect();
    let mut revisions = Vec::new();
    for task in tasks {
        revisions.push(task.await.unwrap()["revision"].as_u64().unwrap());
    }
    revisions.sort_unstable();
    assert_eq!(revisions, (2..=21).collect::<Vec<u64>>());
    assert_eq!(running.get("/v1/routes/sms").await.ok()["tenants"]["count"], 20);
    running.stop().await;
}
