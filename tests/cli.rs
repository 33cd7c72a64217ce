//! Does each command do what it says and end with the code that scripts rely on? The same binary, as people run it.

use serde_json::Value;

use crate::kit::{Origin, Setup, Turnout, dead_address, get, origin, turnout};

const SMS: &str = r#"
tenants: {acme: {residency: AF}}
cohorts: {africa: {attribute: {residency: AF}}}
routes:
  sms:
    canonical: /v1/sms
    aliases: [{path: /v1/messaging/sms}]
    stable: {upstream: old}
    candidate: {upstream: new}
    tenant: {header: X-Tenant-Id}
"#;

async fn sms() -> (Turnout, Origin, Origin) {
    let (old, new) = (origin("old").await, origin("new").await);
    let setup = Setup::new(SMS).upstream("old", old.address()).upstream("new", new.address());
    (setup.start().await, old, new)
}

async fn serves(turnout: &Turnout, tenant: &str) -> String {
    turnout.send(get("/v1/sms").tenant(tenant)).await.expect(200).origin().to_owned()
}

fn written(yaml: &str) -> (Setup, String) {
    let setup = Setup::new(yaml)
        .upstream("old", ([127, 0, 0, 1], 1).into())
        .upstream("new", ([127, 0, 0, 1], 2).into());
    let file = setup.write().display().to_string();
    (setup, file)
}

#[tokio::test]
async fn check_accepts_a_good_file_and_tells_all_about_a_bad_one() {
    let (_setup, file) = written(SMS);
    turnout(&["check", &file]).await.expect(0);

    let (_setup, bad) = written(
        "routes:\n  a: {canonical: /a, stable: {upstream: odl}}\n  b: {canonical: b, stable: {upstream: old}}\n",
    );
    let ran = turnout(&["check", &bad]).await.expect(1);
    assert!(ran.text().contains("did you mean `old`") || ran.text().contains("old"), "{ran:?}");
    assert!(
        ran.text().contains("/routes/a/stable") && ran.text().contains("/routes/b/canonical"),
        "{ran:?}"
    );

    let ran = turnout(&["check", &bad, "-o", "json"]).await.expect(1);
    let problems = ran.json();
    let list = problems.as_array().or_else(|| problems["problems"].as_array()).unwrap();
    assert_eq!(list.len(), 2, "{problems}");
    for problem in list {
        for member in ["pointer", "line", "column", "code", "message"] {
            assert!(!problem[member].is_null(), "no {member}: {problem}");
        }
    }
    turnout(&["check", "/no/such/file.yaml"]).await.expect(1);
}

#[tokio::test]
async fn schema_prints_a_json_schema() {
    let schema = turnout(&["schema"]).await.expect(0).json();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#", "{schema}");
    assert!(schema["properties"]["routes"].is_object(), "{schema}");
}

#[tokio::test]
async fn explain_says_where_a_request_would_go_and_why() {
    let (_setup, file) = written(&format!("{SMS}    start: {{share: 100%}}\n"));
    let explain = async |arguments: &[&str]| {
        let mut all = vec!["explain", &file];
        all.extend(arguments);
        turnout(&all).await.expect(0)
    };
    let ran = explain(&[
        "--method",
        "GET",
        "--host",
        "h",
        "--path",
        "/v1/messaging/sms/x",
        "--header",
        "X-Tenant-Id=zeta",
    ])
    .await;
    for part in ["sms", "candidate", "live", "/v1/sms/x"] {
        assert!(ran.stdout.contains(part), "no {part}: {ran:?}");
    }
    let ran = explain(&["--path", "/v1/sms"]).await;
    assert!(ran.stdout.contains("stable") && ran.stdout.contains("no-tenant"), "{ran:?}");
    let ran = turnout(&["explain", &file, "--path", "/nowhere"]).await;
    assert!(ran.text().contains("no route"), "{ran:?}");
}

#[tokio::test]
async fn help_version_and_completion_need_no_server() {
    for arguments in [
        &["--help"][..],
        &["help", "shift"],
        &["shift", "--help"],
        &["completion", "bash"],
        &["completion", "zsh"],
    ] {
        let ran = turnout(arguments).await.expect(0);
        assert!(!ran.stdout.is_empty(), "{arguments:?}");
    }
    let ran = turnout(&["--version"]).await.expect(0);
    assert!(ran.stdout.starts_with("turnout "), "{ran:?}");
}

#[tokio::test]
async fn wrong_usage_is_64_whatever_the_command() {
    for arguments in [
        &["shift"][..],
        &["shift", "sms"],
        &["shift", "sms", "25%"],
        &["shift", "sms", "101%", "--why", "w"],
        &["shift", "sms", "25", "--why", "w"],
        &["shift", "sms", "25%", "--why", " "],
        &["shift", "sms", "25%", "--tenant", "a", "--cohort", "b", "--why", "w"],
        &["rollback", "sms"],
        &["rollback", "--why", "w"],
        &["swap", "old", "--why", "w"],
        &["swap", "old", "nonsense", "--why", "w"],
        &["tenant", "lock", "acme", "ajar", "--why", "w"],
        &["restore", "x", "--why", "w"],
        &["nonsense"],
        &["status", "-o", "xml"],
        &["serve", "--nonsense"],
        &[],
    ] {
        let ran = turnout(arguments).await;
        assert_eq!(ran.code, 64, "{arguments:?}: {ran:?}");
        assert!(!ran.stderr.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_69() {
    let server = format!("http://{}", dead_address());
    for arguments in [
        &["status"][..],
        &["shift", "sms", "5%", "--why", "w"],
        &["rollback", "sms", "--why", "w"],
        &["revisions"],
        &["export"],
        &["events"],
    ] {
        let mut all = arguments.to_vec();
        all.extend(["--server", &server]);
        let ran = turnout(&all).await.expect(69);
        assert!(ran.stderr.contains(&server), "{ran:?}");
    }
    turnout(&["healthcheck", "--url", &server]).await.expect(69);
}

#[tokio::test]
async fn status_shows_where_traffic_stands() {
    let (turnout, _old, _new) = sms().await;
    turnout.shift("sms", "25%").await;
    for _ in 0..3 {
        serves(&turnout, "zeta").await;
    }
    let ran = turnout.cli(&["status"]).await.expect(0);
    for part in ["sms", "canary", "25%"] {
        assert!(ran.stdout.contains(part), "no {part}: {ran:?}");
    }
    let ran = turnout.cli(&["status", "sms"]).await.expect(0);
    assert!(ran.stdout.contains("/v1/messaging/sms"), "{ran:?}");
    let json = turnout.cli(&["status", "-o", "json"]).await.expect(0).json();
    assert_eq!(json["routes"][0]["share"], "25%", "{json}");
    let yaml = turnout.cli(&["status", "-o", "yaml"]).await.expect(0).stdout;
    assert!(yaml.contains("share: 25%") || yaml.contains("share: \"25%\""), "{yaml}");
    assert!(!ran.stdout.contains('\u{1b}'), "colours without a terminal");

    let ran = turnout.cli(&["status", "smss"]).await.expect(1);
    assert!(ran.stderr.contains("sms"), "no hint: {ran:?}");
}

#[tokio::test]
async fn status_can_be_watched_for_a_while() {
    let (turnout, _old, _new) = sms().await;
    let ran = turnout.cli(&["status", "-w", "--timeout", "1s"]).await.expect(124);
    assert!(ran.stdout.contains("sms"), "{ran:?}");
    let ran = turnout.cli(&["status", "sms", "-w", "--timeout", "1s"]).await.expect(124);
    assert!(ran.stdout.contains("/v1/messaging/sms"), "{ran:?}");
}

#[tokio::test]
async fn shift_shadow_and_rollback_move_traffic() {
    let (turnout, _old, _new) = sms().await;
    let ran = turnout.cli(&["shadow", "sms", "100%", "--why", "compare"]).await.expect(0);
    assert!(ran.stdout.contains("sms"), "{ran:?}");
    assert_eq!(turnout.route("sms").await["shadow"], "100%");

    turnout.cli(&["shift", "sms", "100%", "--why", "parity is fine"]).await.expect(0);
    assert_eq!(serves(&turnout, "zeta").await, "new");
    turnout
        .cli(&["shift", "sms", "off", "--tenant", "acme", "--why", "acme is not ready"])
        .await
        .expect(0);
    assert_eq!(serves(&turnout, "acme").await, "old");
    turnout.cli(&["shift", "sms", "inherit", "--tenant", "acme", "--why", "it is"]).await.expect(0);
    assert_eq!(serves(&turnout, "acme").await, "new");
    turnout
        .cli(&["shift", "sms", "off", "--cohort", "africa", "--why", "they are not"])
        .await
        .expect(0);
    assert_eq!(serves(&turnout, "acme").await, "old");

    let ran = turnout.cli(&["rollback", "sms", "--why", "errors rise"]).await.expect(0);
    assert!(ran.stdout.contains("sms"), "{ran:?}");
    assert_eq!(serves(&turnout, "zeta").await, "old");
    let json = turnout
        .cli(&["shift", "sms", "live", "--why", "again", "-o", "json"])
        .await
        .expect(0)
        .json();
    assert_eq!(json["changed"], true, "{json}");
    assert_eq!(serves(&turnout, "zeta").await, "new");

    let ran = turnout.cli(&["shift", "smss", "5%", "--why", "w"]).await.expect(1);
    assert!(ran.stderr.contains("sms"), "no hint: {ran:?}");
}

#[tokio::test]
async fn a_conflict_is_75() {
    let (turnout, _old, _new) = sms().await;
    let based_on = turnout.revision().await.to_string();
    let shift = ["shift", "sms", "5%", "--why", "w", "--if-revision", &based_on];
    turnout.cli(&shift).await.expect(0);
    let ran = turnout
        .cli(&["shift", "sms", "9%", "--why", "w", "--if-revision", &based_on])
        .await
        .expect(75);
    assert!(ran.stderr.contains(&turnout.revision().await.to_string()), "{ran:?}");
    assert_eq!(turnout.route("sms").await["share"], "5%");
}

#[tokio::test]
async fn swap_replaces_targets() {
    let (turnout, _old, new) = sms().await;
    let target = format!("{}=3", new.address());
    turnout.cli(&["swap", "old", &target, "--why", "moved"]).await.expect(0);
    assert_eq!(serves(&turnout, "zeta").await, "new");
    let ran = turnout.cli(&["swap", "odl", &target, "--why", "moved"]).await.expect(1);
    assert!(ran.stderr.contains("old"), "no hint: {ran:?}");
}

#[tokio::test]
async fn tenants_are_locked_shown_and_unlocked() {
    let (turnout, _old, _new) = sms().await;
    turnout.cli(&["tenant", "lock", "acme", "blocked", "--why", "moving"]).await.expect(0);
    turnout.send(get("/v1/sms").tenant("acme")).await.expect(503);
    let ran = turnout.cli(&["tenant", "show", "acme"]).await.expect(0);
    assert!(ran.stdout.contains("blocked") && ran.stdout.contains("africa"), "{ran:?}");
    turnout.cli(&["tenant", "unlock", "acme", "--why", "moved"]).await.expect(0);
    assert_eq!(serves(&turnout, "acme").await, "old");
}

#[tokio::test]
async fn diff_apply_and_export_go_round() {
    let (turnout, _old, _new) = sms().await;
    let file = turnout.setup().folder().join("next.yaml");
    let path = file.display().to_string();
    let text = turnout.setup().rewritten(&SMS.replace("/v1/sms", "/v2/sms")).text();
    std::fs::write(&file, &text).unwrap();

    let ran = turnout.cli(&["diff", "-f", &path]).await.expect(0);
    assert!(ran.stdout.contains("+    canonical: /v2/sms"), "{ran:?}");
    turnout.cli(&["diff", "-f", &path, "--exit-code"]).await.expect(2);
    turnout.get("/v2/sms").await.expect(404);

    turnout.cli(&["apply", "-f", &path]).await.expect(0);
    turnout.get("/v2/sms").await.expect(200);
    turnout.cli(&["diff", "-f", &path, "--exit-code"]).await.expect(0);
    assert_eq!(turnout.cli(&["export"]).await.expect(0).stdout.trim_end(), text.trim_end());
    let whole = turnout.cli(&["export", "-o", "json"]).await.expect(0).json();
    assert!(whole.to_string().contains("/v2/sms"), "{whole}");

    std::fs::write(&file, "routes: {a: {canonical: /a, stable: {upstream: nobody}}}\n").unwrap();
    let ran = turnout.cli(&["apply", "-f", &path]).await.expect(1);
    assert!(ran.stderr.contains("/routes/a/stable"), "{ran:?}");
    turnout.get("/v2/sms").await.expect(200);
}

#[tokio::test]
async fn revisions_are_listed_shown_and_restored() {
    let (turnout, _old, _new) = sms().await;
    turnout.cli(&["shift", "sms", "100%", "--why", "the first reason"]).await.expect(0);
    let live = turnout.revision().await.to_string();
    turnout.cli(&["rollback", "sms", "--why", "the second reason"]).await.expect(0);
    let ran = turnout.cli(&["revisions"]).await.expect(0);
    let (first, second) =
        (ran.stdout.find("the first reason"), ran.stdout.find("the second reason"));
    assert!(second.is_some() && second < first, "newest first: {ran:?}");
    let ran = turnout.cli(&["revisions", &live]).await.expect(0);
    assert!(ran.stdout.contains("the first reason") && ran.stdout.contains("100%"), "{ran:?}");
    let json = turnout.cli(&["revisions", "-o", "json"]).await.expect(0).json();
    assert!(json.to_string().contains("the second reason"), "{json}");

    turnout.cli(&["restore", &live, "--why", "it was fine"]).await.expect(0);
    assert_eq!(serves(&turnout, "zeta").await, "new");
    turnout.cli(&["restore", "9999", "--why", "w"]).await.expect(1);
}

#[tokio::test]
async fn events_show_what_happened_and_follow_what_happens() {
    let (turnout, _old, _new) = sms().await;
    turnout.cli(&["shift", "sms", "5%", "--why", "before"]).await.expect(0);
    let ran = turnout.cli(&["events"]).await.expect(0);
    assert!(ran.stdout.contains("5%"), "{ran:?}");
    // Followed for a while: code 124 says that the time is over.
    let shifting = async {
        for n in (1..=99).cycle() {
            turnout.shift("sms", &format!("{n}%")).await;
        }
    };
    let ran = tokio::select! {
        ran = turnout.cli(&["events", "-f", "-n", "1", "--timeout", "2s"]) => ran.expect(124),
        () = shifting => unreachable!("it never ends"),
    };
    assert!(ran.stdout.lines().count() > 3, "{ran:?}");
}

#[tokio::test]
async fn signatures_and_watch_show_differences() {
    let (turnout, old, new) = sms().await;
    turnout.cli(&["shadow", "sms", "100%", "--why", "w"]).await.expect(0);
    old.behave(|_| crate::kit::Reply::json(&serde_json::json!({"name": "n"})));
    new.behave(|_| crate::kit::Reply::json(&serde_json::json!({"title": "n"})));
    serves(&turnout, "zeta").await;
    crate::kit::eventually("the differences are listed", async || {
        let ran = turnout.cli(&["signatures", "sms"]).await.expect(0);
        ran.stdout.contains("/title") && ran.stdout.contains("/name")
    })
    .await;
}

#[tokio::test]
async fn healthcheck_tells_containers() {
    let (turnout, _old, _new) = sms().await;
    let url = format!("http://{}", turnout.status());
    turnout.cli(&["healthcheck", "--url", &url]).await.expect(0);
    let ready: Value = turnout.view("/v1/status").await;
    assert!(ready.is_object());
}

#[tokio::test]
async fn compare_tells_what_differs_between_two_saved_answers() {
    let (setup, file) = written(&format!(
        "{SMS}    compare: {{ignore: [/at], hosts: {{new.example: old.example}}}}\n"
    ));
    let save = |name: &str, text: &str| {
        let path = setup.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLocation: https://";
    let old = save("old.http", &format!("{head}old.example/7\r\n\r\n{{\"at\":1,\"n\":[1,2.0]}}"));
    let new = save("new.http", &format!("{head}new.example/7\r\n\r\n{{\"at\":2,\"n\":[1,2]}}"));
    let ran = turnout(&["compare", &old, &new, "-o", "json"]).await.expect(1).json();
    let places: Vec<&Value> =
        ran["differences"].as_array().unwrap().iter().map(|one| &one["left"]).collect();
    assert_eq!(places, ["location", "/at"], "{ran}");
    assert_eq!(ran["fields"]["mismatched"], 2, "{ran}");

    let with = ["--config", &file, "--route", "sms"];
    let ran = turnout(&[&["compare", &old, &new, "-o", "json"][..], &with].concat()).await;
    let ran = ran.expect(0).json();
    assert_eq!(
        (&ran["outcome"], &ran["rules"][0]["rule"]),
        (&"match".into(), &"ignore /at".into())
    );

    let other = save("other.json", "{\"n\":[1,3]}");
    let body = save("body.json", "{\"n\":[1,2]}");
    let ran = turnout(&["compare", &body, &other]).await.expect(1);
    assert!(ran.text().contains("/n/1"), "{ran:?}");
    turnout(&["compare", &body, &body]).await.expect(0);

    let cut = save("cut.http", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
    turnout(&["compare", &cut, &body]).await.expect(65);
    turnout(&["compare", &body, "/no/such/file"]).await.expect(65);
    turnout(&["compare", &body, &other, "--route", "sms"]).await.expect(64);
    turnout(&["compare", &body, &other, "--config", &file, "--route", "smss"]).await.expect(64);
}
