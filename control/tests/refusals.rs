//! What the API refuses, and how it says so.

use serde_json::json;

use crate::kit::{Running, YAML, ask};

const SHIFT: &str = "POST /v1/routes/sms/shift";

#[tokio::test]
async fn what_is_asked_wrongly_is_a_problem_with_a_code() {
    let running = Running::start(YAML).await;
    let cases = [
        (SHIFT, r#"{"share": "5%"}"#, 400, "why_required"),
        (SHIFT, r#"{"share": "5%", "why": "  "}"#, 400, "why_required"),
        (SHIFT, r#"{"share": "500%", "why": "w"}"#, 400, "bad_share"),
        (SHIFT, r#"{"share": 5, "why": "w"}"#, 400, "bad_body"),
        (SHIFT, r#"{"why": "w", "tenant": "acme"}"#, 400, "bad_body"),
        (SHIFT, r#"{"share": "5%", "why": "w", "shadow": true}"#, 400, "bad_body"),
        (SHIFT, r#"{"share": "5%""#, 400, "bad_body"),
        (SHIFT, r#"{"share": null, "why": "w"}"#, 400, "share_required"),
        (SHIFT, r#"{"share": "5%", "tenant": "a b", "why": "w"}"#, 400, "bad_tenant"),
        (SHIFT, r#"{"share": "5%", "tenant": "a", "cohort": "b", "why": "w"}"#, 400, "one_scope"),
        (SHIFT, r#"{"share": "5%", "cohort": "nobody", "why": "w"}"#, 404, "unknown_cohort"),
        ("POST /v1/routes/smss/shift", r#"{"share": "5%", "why": "w"}"#, 404, "unknown_route"),
        ("POST /v1/routes/billing/shift", r#"{"share": "5%", "why": "w"}"#, 409, "no_candidate"),
        ("POST /v1/routes/sms/rollback", "{}", 400, "why_required"),
        (
            "PUT /v1/upstreams/neww/targets",
            r#"{"targets": [], "why": "w"}"#,
            404,
            "unknown_upstream",
        ),
        ("PUT /v1/tenants/acme/lock", r#"{"mode": "shut", "why": "w"}"#, 400, "bad_body"),
        ("POST /v1/revisions/1/restore", "{}", 400, "why_required"),
        ("POST /v1/revisions/77/restore", r#"{"why": "w"}"#, 404, "unknown_revision"),
        ("GET /v1/revisions/first", "", 404, "unknown_revision"),
        ("GET /v1/revisions?limit=many", "", 400, "bad_query"),
        ("GET /v1/routes/nowhere", "", 404, "unknown_route"),
        ("GET /v2/routes", "", 404, "not_found"),
        ("DELETE /v1/routes", "", 405, "method_not_allowed"),
    ];
    for (line, body, status, code) in cases {
        assert_eq!(running.send(line, &[], body).await.problem(status), code, "{line} {body}");
    }
    let hint = running.send("POST /v1/routes/smss/rollback", &[], r#"{"why": "w"}"#).await.json();
    assert_eq!(hint["hint"], "did you mean \"sms\"?");
    let why = running.send(SHIFT, &[], r#"{"share": "5%"}"#).await.json();
    assert_eq!(why["errors"][0]["pointer"], "/why");
    assert_eq!(running.revision().await, 1, "nothing has changed");
    running.stop().await;
}

#[tokio::test]
async fn a_late_command_hears_of_the_present_revision() {
    let running = Running::start(YAML).await;
    running.shift("5%").await;
    let body = r#"{"share": "10%", "why": "w"}"#;
    let late = running.send(SHIFT, &["If-Match: \"r1\""], body).await;
    assert_eq!(late.problem(412), "revision_conflict");
    assert_eq!(late.header("etag"), Some("\"r2\""));
    assert_eq!((&late.json()["revision"], &late.json()["actor"]), (&json!(2), &json!("ann")));
    assert_eq!(running.revision().await, 2);
    running.send(SHIFT, &["If-Match: \"r2\""], body).await.ok();
    running.send(SHIFT, &["If-Match: *"], r#"{"share": "11%", "why": "w"}"#).await.ok();
    let odd = running.send(SHIFT, &["If-Match: 42"], body).await;
    assert_eq!(odd.problem(400), "bad_if_match");
    running.stop().await;
}

#[tokio::test]
async fn a_configuration_that_is_not_valid_comes_back_with_all_its_errors() {
    let running = Running::start(YAML).await;
    let text = YAML
        .replace("upstream: new", "upstream: nwe")
        .replace("canonical: /v1/billing", "canonicl: x");
    for path in ["POST /v1/config", "POST /v1/config?dry_run=true"] {
        let refused = running.send(path, &["Content-Type: application/yaml"], &text).await;
        assert_eq!(refused.problem(422), "invalid");
        let errors = refused.json()["errors"].as_array().unwrap().clone();
        assert!(errors.len() >= 2, "{errors:?}");
        assert!(errors.iter().all(|e| e["line"].as_u64().is_some() && e["detail"].is_string()));
        assert!(
            errors.iter().any(|e| e["pointer"] == "/routes/sms/candidate/upstream"),
            "{errors:?}"
        );
    }
    assert_eq!(running.get("/v1/config").await.body, YAML);
    running.stop().await;
}

#[tokio::test]
async fn bodies_are_bounded() {
    let running = Running::start(YAML).await;
    let large = format!(r#"{{"why": "{}"}}"#, "w".repeat(1 << 20));
    let refused = running.send("POST /v1/routes/sms/rollback", &[], &large).await;
    assert_eq!(refused.problem(413), "too_large");
    let long = format!(r#"{{"why": "{}"}}"#, "w".repeat(2_001));
    let refused = running.send("POST /v1/routes/sms/rollback", &[], &long).await;
    assert_eq!(refused.problem(400), "why_too_long");
    // A configuration may be larger than other bodies.
    let text = format!("{YAML}# {}\n", "x".repeat(2 << 20));
    running.send("POST /v1/config", &["Content-Type: application/yaml"], &text).await.ok();
    running.stop().await;
}

#[tokio::test]
async fn other_hosts_and_other_origins_are_turned_away() {
    let running = Running::start(YAML).await;
    let get =
        async |headers: &[&str]| ask(running.control, "GET /v1/status HTTP/1.1", headers, "").await;
    let port = running.control.port();
    assert_eq!(get(&[&format!("Host: 127.0.0.1:{port}")]).await.status, 200);
    assert_eq!(get(&["Host: evil.example.org"]).await.problem(403), "host_not_allowed");
    assert_eq!(get(&["Host: localhost", "Origin: http://localhost:1"]).await.status, 200);
    let foreign = get(&["Host: localhost", "Origin: https://evil.example.org"]).await;
    assert_eq!(foreign.problem(403), "origin_not_allowed");
    // A form of another page could send this without being asked first.
    let form = ["Content-Type: text/plain"];
    let sent = running.send("POST /v1/routes/sms/rollback", &form, r#"{"why": "w"}"#).await;
    assert_eq!(sent.problem(415), "json_required");
    // Probes come by any name; there is nothing to change on the status listener.
    let probe = ask(running.status, "GET /healthz HTTP/1.1", &["Host: 10.0.0.7"], "").await;
    assert_eq!(probe.status, 200);
    let outside = ask(running.status, "GET /v1/status HTTP/1.1", &["Host: localhost"], "").await;
    assert_eq!(outside.problem(404), "not_found");
    running.stop().await;
}
