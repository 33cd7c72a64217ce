//! Revisions are listed, shown, compared and restored, across restarts.

use serde_json::json;

use crate::kit::{Running, YAML};

#[tokio::test]
async fn revisions_say_who_what_why() {
    let running = Running::start(YAML).await;
    running.shift("5%").await;
    running
        .send("PUT /v1/tenants/acme/lock", &[], r#"{"mode": "blocked", "why": "move"}"#)
        .await
        .ok();
    let all = running.get("/v1/revisions").await.ok();
    let numbers: Vec<u64> =
        all.as_array().unwrap().iter().map(|r| r["revision"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [3, 2, 1]);
    let shift = &all[1];
    assert_eq!((&shift["actor"], &shift["why"]), (&json!("ann"), &json!("a test")));
    assert_eq!(
        (&shift["command"], &shift["summary"]),
        (&json!("shift"), &json!("sms: off -> canary 5%"))
    );
    assert_eq!(shift["arguments"], json!({"route": "sms", "share": "5%"}));
    assert!(shift["at"].as_str().unwrap().ends_with('Z'));
    assert_eq!((&all[2]["command"], &all[2]["actor"]), (&json!("apply"), &json!("turnout")));
    let page = running.get("/v1/revisions?limit=1&before=3").await.ok();
    assert_eq!(page.as_array().unwrap().len(), 1);
    assert_eq!(page[0]["revision"], 2);
    running.stop().await;
}

#[tokio::test]
async fn any_revision_is_shown_compared_and_restored() {
    let running = Running::start(YAML).await;
    running.shift("5%").await;
    let text = format!("# second\n{YAML}");
    running.send("POST /v1/config", &["Content-Type: application/yaml"], &text).await.ok();
    running.post("/v1/routes/sms/rollback", r#"{"why": "w"}"#).await.ok();
    let second = running.get("/v1/revisions/r2").await.ok();
    assert_eq!(second["document"], YAML);
    assert_eq!(second["live"]["routes"]["sms"]["default"]["share"], "5%");
    let diff = running.get("/v1/revisions/4/diff?against=2").await.ok();
    let diff = diff["diff"].as_str().unwrap();
    assert!(diff.contains("+# second\n"), "{diff}");
    assert!(diff.contains("-shift/sms {\"share\":\"5%\""), "{diff}");
    let one_back = running.get("/v1/revisions/4/diff").await.ok();
    assert_eq!(one_back["against"], 3);
    let done = running.post("/v1/revisions/2/restore", r#"{"why": "it was better"}"#).await.ok();
    assert_eq!((&done["revision"], &done["summary"]), (&json!(5), &json!("restored r2")));
    assert_eq!(running.get("/v1/config").await.body, YAML);
    assert_eq!(running.get("/v1/routes/sms").await.ok()["share"], "5%");
    let again = running.post("/v1/revisions/2/restore", r#"{"why": "w"}"#).await.ok();
    assert_eq!((&again["revision"], &again["changed"]), (&json!(5), &json!(false)));
    running.stop().await;
}

#[tokio::test]
async fn state_and_history_outlive_the_process() {
    let running = Running::start(YAML).await;
    running.shift("25%").await;
    let tenant = r#"{"share": "100%", "tenant": "acme", "why": "w"}"#;
    running.post("/v1/routes/sms/shift", tenant).await.ok();
    let before = running.get("/v1/revisions").await.body;
    let running = Running::start_in(running.stop().await).await;
    assert_eq!(running.revision().await, 3);
    assert_eq!(running.cell.load().revision.0, 3);
    assert_eq!(running.get("/v1/revisions").await.body, before);
    let route = running.get("/v1/routes/sms").await.ok();
    assert_eq!((&route["share"], &route["tenants"]["count"]), (&json!("25%"), &json!(1)));
    running.stop().await;
}
