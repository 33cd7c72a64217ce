//! Who may command: tokens, their scopes and limits, approvals by others, and a control API that is open to nobody by accident.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::kit::{Answer, Origin, Setup, Turnout, ask, eventually, get, origin, sample, turnout};

const SMS: &str = "routes:\n  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}, tenant: {header: X-Tenant-Id}}\n  other: {canonical: /v1/other, stable: {upstream: old}, candidate: {upstream: new}}\n";

/// A token, and the line that declares it.
async fn declared(name: &str, scopes: &str) -> (String, String) {
    let made = turnout(&["token", "hash"]).await.expect(0).stdout;
    let (token, hash) = made.trim().split_once('\n').unwrap();
    (token.to_owned(), format!("{name}: {{hash: \"{hash}\", scopes: [{scopes}]}}"))
}

async fn guarded(tokens: &[&str], more: &str) -> (Turnout, Origin, Origin) {
    let (old, new) = (origin("old").await, origin("new").await);
    let control = format!(", tokens: {{{}}}{more}", tokens.join(", "));
    let setup = Setup::new(SMS).upstream("old", old.address()).upstream("new", new.address());
    (setup.controlled(&control).start().await, old, new)
}

async fn as_holder(
    turnout: &Turnout,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Answer {
    let ask = ask(method, path).header("Authorization", &format!("Bearer {token}"));
    turnout.control_send(if method == "GET" { ask } else { ask.json(body) }).await
}

fn shift(share: &str) -> Value {
    json!({"share": share, "why": "test"})
}

#[tokio::test]
async fn nobody_comes_in_without_a_token_once_there_is_one() {
    let (admin, line) = declared("ops", "admin").await;
    let (turnout, _old, _new) = guarded(&[&line], "").await;
    let refused = turnout.control_send(get("/v1/status")).await.expect(401);
    assert_eq!(
        (refused.problem().as_str(), refused.header("www-authenticate")),
        ("token_required", Some("Bearer"))
    );
    let path = "/v1/routes/sms/shift";
    turnout.control_send(ask("POST", path).json(&shift("5%"))).await.expect(401);
    as_holder(&turnout, "turnout_wrong", "POST", path, &shift("5%")).await.expect(401);
    let odd = ask("POST", path).header("Authorization", "Basic YTpi").json(&shift("5%"));
    turnout.control_send(odd).await.expect(400);
    // Probes need none, and neither do scrapers.
    for open in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        turnout.control_send(get(open)).await.expect(200);
    }
    as_holder(&turnout, &admin, "POST", path, &shift("5%")).await.expect(200);
    let lines = as_holder(&turnout, &admin, "GET", "/v1/audit", &Value::Null).await.json();
    assert_eq!((&lines[0]["actor"], &lines[0]["auth"]), (&json!("ops"), &json!("token")));
    let unknown = lines.as_array().unwrap().iter().filter(|line| line["actor"] == "unknown");
    assert_eq!(unknown.count(), 3, "who was refused is in the audit, too: {lines}");
    assert!(!lines.to_string().contains("turnout_wrong"));
    assert!(!turnout.output().contains(&admin) && !turnout.output().contains("turnout_wrong"));
    let failures = turnout.metrics().await;
    let unknown = sample(&failures, "turnout_control_auth_failures_total", &["reason=\"unknown\""]);
    assert_eq!(unknown, Some(1.0));
}

#[tokio::test]
async fn a_token_is_made_used_limited_and_revoked_on_the_command_line() {
    let (admin, line) = declared("ops", "admin").await;
    let (turnout, _old, _new) = guarded(&[&line], "").await;
    let file = turnout.setup().folder().join("token");
    std::fs::write(&file, format!("{admin}\n")).unwrap();
    let by_file = ["--token-file", file.to_str().unwrap()];
    let cli = async |arguments: &[&str]| turnout.cli(&[arguments, &by_file].concat()).await;
    let create = [
        "token", "create", "on-call", "--scope", "rollback", "--route", "sms", "--why", "night",
        "-o", "json",
    ];
    let made = cli(&create).await.expect(0).json();
    let on_call = made["token"].as_str().unwrap();
    let rollback = |route: &str| format!("/v1/routes/{route}/rollback");
    let why = json!({"why": "errors"});
    as_holder(&turnout, on_call, "POST", &rollback("sms"), &why).await.expect(200);
    let elsewhere =
        as_holder(&turnout, on_call, "POST", &rollback("other"), &why).await.expect(403);
    assert_eq!(elsewhere.problem(), "out_of_limits");
    let more = as_holder(&turnout, on_call, "POST", "/v1/routes/sms/shift", &shift("5%")).await;
    assert_eq!(more.expect(403).problem(), "scope_missing");
    as_holder(&turnout, on_call, "GET", "/v1/status", &why).await.expect(403);
    as_holder(&turnout, on_call, "GET", "/v1/tokens", &why).await.expect(403);
    let listed = cli(&["token", "list"]).await.expect(0).stdout;
    assert!(listed.contains("on-call") && listed.contains("rollback"), "{listed}");
    let everything = [
        std::fs::read(turnout.setup().folder().join("turnout.db")).unwrap(),
        std::fs::read(turnout.setup().folder().join("turnout.db-wal")).unwrap_or_default(),
    ]
    .concat();
    let secret = on_call.as_bytes();
    assert!(!everything.windows(secret.len()).any(|part| part == secret), "it is on disk");
    // What was revoked stays revoked, even where an older revision is brought back.
    let with_it = made["revision"].to_string();
    cli(&["token", "revoke", "on-call", "--why", "the night is over"]).await.expect(0);
    let gone = as_holder(&turnout, on_call, "POST", &rollback("sms"), &why).await.expect(401);
    assert_eq!(gone.problem(), "unknown_token");
    cli(&["restore", &with_it, "--why", "a test", "--yes"]).await.expect(0);
    as_holder(&turnout, on_call, "POST", &rollback("sms"), &why).await.expect(401);
    let diff = cli(&["revisions", &with_it]).await.expect(0).stdout;
    assert!(diff.contains("token/on-call") && !diff.contains("sha256:"), "{diff}");
    let expired = [
        "token",
        "create",
        "old",
        "--scope",
        "read",
        "--expires-in",
        "1ms",
        "--why",
        "w",
        "-o",
        "json",
    ];
    let expired = cli(&expired).await.expect(0).json()["token"].as_str().unwrap().to_owned();
    let over = as_holder(&turnout, &expired, "GET", "/v1/status", &why).await.expect(401);
    assert_eq!(over.problem(), "expired_token");
    cli(&["token", "revoke", "ops", "--why", "w"]).await.expect(75);
    let without = turnout.cli(&["status"]).await.expect(77);
    assert!(without.stderr.contains("token_required"), "{without:?}");
}

#[tokio::test]
async fn who_guesses_is_slowed_down_and_a_good_token_is_good_all_the_same() {
    let (admin, line) = declared("ops", "admin").await;
    let (turnout, _old, _new) = guarded(&[&line], "").await;
    let mut told = Vec::new();
    for n in 0..15 {
        let guess = format!("turnout_{n}");
        told.push(
            as_holder(&turnout, &guess, "GET", "/v1/status", &Value::Null).await.status.as_u16(),
        );
    }
    assert!(told[..10].iter().all(|status| *status == 401), "{told:?}");
    assert_eq!(told.last(), Some(&429));
    as_holder(&turnout, &admin, "GET", "/v1/status", &Value::Null).await.expect(200);
}

#[tokio::test]
async fn what_moves_traffic_waits_for_somebody_else_and_a_rollback_does_not() {
    let (ann, a) = declared("ann", "read, shift, rollback").await;
    let (bob, b) = declared("bob", "read, approve").await;
    let (turnout, _old, _new) = guarded(&[&a, &b], ", approvals: 1").await;
    let path = "/v1/routes/sms/shift";
    let waits = as_holder(&turnout, &ann, "POST", path, &shift("5%")).await.expect(403);
    assert_eq!(waits.problem(), "approval_required");
    let plan = waits.json()["plan"].as_str().unwrap().to_owned();
    let approve = format!("/v1/plans/{plan}/approve");
    let why = json!({"why": "looks right"});
    as_holder(&turnout, &ann, "POST", &approve, &why).await.expect(403);
    let waiting = as_holder(&turnout, &bob, "GET", "/v1/plans", &why).await.expect(200).json();
    assert_eq!(
        (&waiting[0]["actor"], &waiting[0]["summary"]),
        (&json!("ann"), &json!("sms: off -> canary 5%"))
    );
    as_holder(&turnout, &bob, "POST", &approve, &why).await.expect(200);
    as_holder(&turnout, &ann, "POST", path, &shift("50%")).await.expect(403);
    as_holder(&turnout, &ann, "POST", path, &shift("5%")).await.expect(200);
    as_holder(&turnout, &ann, "POST", "/v1/routes/sms/rollback", &why).await.expect(200);
    as_holder(&turnout, &ann, "POST", path, &shift("5%")).await.expect(403);
    let lines = as_holder(&turnout, &bob, "GET", "/v1/audit?actor=bob", &why).await.json();
    assert_eq!(lines[0]["command"], "approve");
}

#[tokio::test]
async fn who_may_apply_may_not_change_who_may_command() {
    let (admin, ops) = declared("ops", "admin").await;
    let (deploy, line) = declared("deploy", "read, apply").await;
    let (turnout, _old, _new) = guarded(&[&ops, &line], "").await;
    let with = async |token: &str, method: &str, path: &str, body: &str| {
        let ask = ask(method, path).header("Authorization", &format!("Bearer {token}"));
        turnout.control_send(ask.body(body.to_owned())).await
    };
    let text = with(&deploy, "GET", "/v1/config", "").await.expect(200).text();
    let more = text.replace("scopes: [read, apply]", "scopes: [read, admin]");
    let billing = format!("billing: {{hash: 'sha256:{}'}}", "0".repeat(64));
    assert_ne!(more, text);
    for path in ["/v1/config", "/v1/config?dry_run=true"] {
        let refused = with(&deploy, "POST", path, &more).await.expect(403);
        assert_eq!(refused.problem(), "admin_required");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert_eq!(detail, "this changes control.tokens.deploy, which takes the scope `admin`");
    }
    for (key, changed) in [
        ("insecure_control", format!("insecure_control: true\n{text}")),
        ("control.approvals", text.replace("tokens: {", "approvals: 1, tokens: {")),
        ("control.hosts", text.replace("tokens: {", "hosts: [evil.example.org], tokens: {")),
        (
            "ofrep, ofrep.tokens.billing",
            format!("ofrep: {{address: '127.0.0.1:1', tokens: {{{billing}}}}}\n{text}"),
        ),
        ("ofrep", format!("ofrep: {{address: '127.0.0.1:1'}}\n{text}")),
    ] {
        let refused = with(&deploy, "POST", "/v1/config", &changed).await.expect(403).json();
        assert!(refused["detail"].as_str().unwrap().contains(key), "{refused}");
    }
    // Everything else is what the scope is for.
    let routes = text.replace("canonical: /v1/other", "canonical: /v1/another");
    with(&deploy, "POST", "/v1/config", &routes).await.expect(200);
    // An administrator may, and what was then is brought back by nobody else.
    with(&admin, "POST", "/v1/config", &more).await.expect(200);
    let restore = json!({"why": "test"});
    with(&admin, "POST", "/v1/config", &routes).await.expect(200);
    let again = "/v1/revisions/3/restore";
    let refused = as_holder(&turnout, &deploy, "POST", again, &restore).await.expect(403);
    assert_eq!(refused.problem(), "admin_required");
    as_holder(&turnout, &deploy, "POST", "/v1/revisions/1/restore", &restore).await.expect(200);
    as_holder(&turnout, &admin, "POST", again, &restore).await.expect(200);
}

#[tokio::test]
async fn the_control_api_is_open_to_nobody_by_accident() {
    let old = origin("old").await;
    let yaml = "routes:\n  sms: {canonical: /v1/sms, stable: {upstream: old}}\n";
    let beyond = Setup::new(yaml).upstream("old", old.address()).beyond_loopback();
    beyond.write();
    let mut refused = beyond.spawn();
    assert!(!refused.ended().await.success());
    refused.output().complete().await;
    assert!(refused.output().contains("insecure_control"), "{}", refused.output().text());
    let turnout = beyond.rewritten(&format!("insecure_control: true\n{yaml}")).start().await;
    let address = SocketAddr::from(([127, 0, 0, 1], turnout.control().port()));
    turnout.client.send(address, get("/v1/status")).await.unwrap().expect(200);
    eventually("it warns", async || {
        turnout.output().contains("whoever reaches the control API can move traffic")
    })
    .await;
    let (token, line) = declared("ops", "read").await;
    let guarded = turnout
        .kill()
        .rewritten(yaml)
        .controlled(&format!(", tokens: {{{line}}}, hosts: [turnout.internal]"));
    let turnout = guarded.start().await;
    let address = SocketAddr::from(([127, 0, 0, 1], turnout.control().port()));
    let asked = async |host: &str| {
        let ask = get("/v1/status").host(host).header("Authorization", &format!("Bearer {token}"));
        turnout.client.send(address, ask).await.unwrap().status.as_u16()
    };
    assert_eq!(asked("turnout.internal").await, 200);
    assert_eq!(asked("10.1.2.3:7081").await, 200);
    assert_eq!(asked("evil.example.org").await, 403);
}
