//! Flags over HTTP: how they stand, who has which variant, and what is refused.

use serde_json::json;

use crate::kit::{Running, YAML};

#[tokio::test]
async fn a_flag_is_changed_and_says_who_has_it() {
    let running = Running::start(YAML).await;
    let serve = |body: &'static str| running.post("/v1/flags/report/serve", body);
    let done = serve(r#"{"share": "25%", "cohort": "africa", "why": "w"}"#).await.ok();
    assert_eq!(done["summary"], "flag report, cohort africa: inherits -> on 25%");
    serve(r#"{"share": "100%", "tenant": "acme", "why": "w"}"#).await.ok();
    let flag = running.get("/v1/flags/report?tenant=acme").await.ok();
    assert_eq!(flag["kind"], "boolean");
    assert_eq!(flag["default"], json!({"variant": "on", "share": "0%"}));
    assert_eq!(flag["cohorts"], json!([{"name": "africa", "variant": "on", "share": "25%"}]));
    assert_eq!(flag["requires"], json!({"base": "on"}));
    assert_eq!(flag["tenants"]["first"], json!([{"tenant": "acme", "variant": "on"}]));
    let found = json!({
        "tenant": "acme", "variant": "on", "value": true, "reason": "TARGETING_MATCH", "because": "tenant"
    });
    assert_eq!(flag["evaluation"], found);

    running.post("/v1/flags/base/off", r#"{"why": "w"}"#).await.ok();
    let flag = running.get("/v1/flags/report?tenant=acme").await.ok();
    assert_eq!(flag["evaluation"]["reason"], "DISABLED");
    assert_eq!(flag["evaluation"]["because"], "prerequisite base");
    running.post("/v1/flags/base/on", r#"{"why": "w"}"#).await.ok();
    serve(r#"{"share": null, "tenant": "acme", "why": "w"}"#).await.ok();
    let all = running.get("/v1/flags").await.ok();
    assert_eq!(all[0]["tenants"]["count"], 0);
    assert_eq!((&all[1]["on"], &all[2]["archived"]), (&json!(true), &json!(true)));
    running.stop().await;
}

#[tokio::test]
async fn a_shift_moves_a_flag_with_it() {
    let running = Running::start(YAML).await;
    let body = r#"{"share": "5%", "flag": "report", "why": "w"}"#;
    let done = running.post("/v1/routes/sms/shift", body).await.ok();
    assert_eq!(done["revision"], 2);
    assert_eq!(done["summary"], "sms: off -> canary 5%; flag report: nobody -> on 5%");
    let wrong = r#"{"share": "50%", "flag": "reprot", "why": "w"}"#;
    let refused = running.post("/v1/routes/sms/shift", wrong).await;
    assert_eq!(refused.problem(404), "unknown_flag");
    assert_eq!(running.get("/v1/routes/sms").await.ok()["share"], "5%");
    running.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let running = Running::start(YAML).await;
    for (path, body, status, code) in [
        ("reprot/on", r#"{"why": "w"}"#, 404, "unknown_flag"),
        ("no%20name/on", r#"{"why": "w"}"#, 404, "unknown_flag"),
        ("report/off", "{}", 400, "why_required"),
        ("gone/on", r#"{"why": "w"}"#, 409, "archived_flag"),
        ("report/serve", r#"{"why": "w"}"#, 400, "bad_body"),
        ("report/serve", r#"{"share": "5", "why": "w"}"#, 400, "bad_share"),
        ("report/serve", r#"{"share": "5%", "tenant": "acme", "why": "w"}"#, 400, "bad_share"),
        (
            "report/serve",
            r#"{"share": "5%", "variant": "onn", "why": "w"}"#,
            404,
            "unknown_variant",
        ),
        (
            "report/serve",
            r#"{"share": "5%", "cohort": "afrika", "why": "w"}"#,
            404,
            "unknown_cohort",
        ),
    ] {
        let answer = running.post(&format!("/v1/flags/{path}"), body).await;
        assert_eq!(answer.problem(status), code, "{path} {body}");
    }
    assert_eq!(running.get("/v1/flags/reprot").await.problem(404), "unknown_flag");
    assert_eq!(running.get("/v1/flags/report?tenant=a%20b").await.problem(400), "bad_tenant");
    assert_eq!(running.revision().await, 1);
    running.stop().await;
}
