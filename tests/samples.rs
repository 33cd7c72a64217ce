//! Are values kept only where somebody wants that, shown only to whoever asks for them, and for no longer than they may?

use std::path::Path;

use serde_json::{Value, json};

use crate::kit::{
    Origin, Reply, Setup, Turnout, With, eventually, eventually_some, get, origin, sample,
};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// One route keeps samples and one does not; both answer with values that differ.
struct World {
    turnout: Turnout,
    _origins: [Origin; 2],
}

async fn world(key: &Path) -> World {
    let (old, new) = (origin("old").await, origin("new").await);
    for (service, name, iban) in [(&old, "Ann", "DE01"), (&new, "Bea", "DE02")] {
        service.behave(move |_| {
            let body = json!({"name": name, "account": {"iban": iban}, "token": iban, "same": 1});
            Reply::json(&body)
                .with("x-plan", name)
                .with("x-account", iban)
                .with("set-cookie", &format!("sid={iban}"))
        });
    }
    std::fs::write(key, KEY).unwrap();
    let yaml = format!(
        "samples: {{key: {{file: \"{}\"}}}}\nroutes:\n  \
         kept: {{canonical: /kept, stable: {{upstream: old}}, candidate: {{upstream: new}}, start: {{shadow: 100%}}, \
         shadow: {{samples: {{ttl: 1h, redact: [\"/**/iban\", X-Account]}}}}, compare: {{ignore_headers: [x-origin]}}}}\n  \
         plain: {{canonical: /plain, stable: {{upstream: old}}, candidate: {{upstream: new}}, start: {{shadow: 100%}}}}\n",
        key.display()
    );
    let setup = Setup::new(&yaml).upstream("old", old.address()).upstream("new", new.address());
    let turnout = setup.env("RUST_LOG", "trace").start().await;
    for path in ["/kept", "/plain"] {
        turnout.get(path).await.expect(200);
    }
    World { turnout, _origins: [old, new] }
}

/// The id of the signature at a path, once it is there.
async fn signature(turnout: &Turnout, route: &str, path: &str) -> String {
    eventually_some("the difference is known", async || {
        let all = turnout.view(&format!("/v1/routes/{route}/signatures")).await;
        let found = all.as_array()?.iter().find(|one| one["path"] == path)?;
        Some(found["id"].as_str()?.to_owned())
    })
    .await
}

fn place(route: &str, signature: &str) -> String {
    format!("/v1/routes/{route}/signatures/{signature}/samples")
}

async fn samples(turnout: &Turnout, path: &str) -> Value {
    let id = signature(turnout, "kept", path).await;
    turnout.view(&place("kept", &id)).await["samples"].clone()
}

#[tokio::test]
async fn whoever_asks_sees_both_values_and_nothing_that_is_redacted() {
    let elsewhere = tempfile::tempdir().unwrap();
    let World { turnout, _origins } = world(&elsewhere.path().join("key")).await;
    let kept = samples(&turnout, "/name").await;
    let side =
        |place: &str, value: &str| json!({"place": place, "value": value, "redacted": false});
    assert_eq!(kept[0]["stable"], side("/name", "\"Ann\""));
    assert_eq!(kept[0]["candidate"], side("/name", "\"Bea\""));
    assert_eq!(samples(&turnout, "x-plan").await[0]["stable"], side("x-plan", "Ann"));
    for path in ["/account/iban", "/token", "x-account"] {
        let redacted = json!({"place": path, "value": null, "redacted": true});
        assert_eq!(samples(&turnout, path).await[0]["candidate"], redacted);
    }
    let id = signature(&turnout, "kept", "/name").await;
    let shown = turnout.cli(&["diff-signature", &id, "--samples"]).await.expect(0).stdout;
    assert!(shown.contains("stable     /name  \"Ann\"\n  candidate  /name  \"Bea\""), "{shown}");
    let json = turnout.cli(&["diff-signature", &id, "--samples", "-o", "json"]).await.expect(0);
    assert_eq!(json.json()["samples"][0]["stable"]["value"], "\"Ann\"");

    let unknown = turnout.control_send(get(&place("kept", "kept-000000000000"))).await.expect(404);
    assert_eq!(unknown.problem(), "unknown_signature");
    let id = signature(&turnout, "plain", "/name").await;
    let none = turnout.control_send(get(&place("plain", &id))).await.expect(409);
    assert_eq!(none.problem(), "no_samples");
    let told = turnout.cli(&["diff-signature", &id, "--samples"]).await.expect(75).stderr;
    assert!(told.contains("samples: {redact: [..]}"), "{told}");
}

#[tokio::test]
async fn every_look_is_in_the_audit() {
    let elsewhere = tempfile::tempdir().unwrap();
    let World { turnout, _origins } = world(&elsewhere.path().join("key")).await;
    let id = signature(&turnout, "kept", "/name").await;
    let look = get(&place("kept", &id)).header("X-Turnout-Actor", "ann");
    turnout.control_send(look).await.expect(200);
    let lines = turnout.view("/v1/audit").await;
    let line = &lines[0];
    assert_eq!((&line["command"], &line["actor"]), (&json!("samples"), &json!("ann")), "{lines}");
    assert_eq!(line["arguments"], json!({"route": "kept", "signature": id}));
    assert_eq!(
        (&line["outcome"], &line["summary"]),
        (&json!("unchanged"), &json!("1 samples were shown"))
    );
    assert!(!lines.to_string().contains("Ann\""), "no value is in it: {lines}");
}

#[tokio::test]
async fn a_token_takes_a_scope_of_its_own_to_see_them() {
    let elsewhere = tempfile::tempdir().unwrap();
    let World { turnout, _origins } = world(&elsewhere.path().join("key")).await;
    let id = signature(&turnout, "kept", "/name").await;
    let make = async |name: &str, more: &[&str]| {
        let create = ["token", "create", name, "--scope", "read", "--why", "test", "-o", "json"];
        let ops = std::fs::read_to_string(elsewhere.path().join("ops")).unwrap_or_default();
        let file = elsewhere.path().join("ops").display().to_string();
        let by = if ops.is_empty() { vec![] } else { vec!["--token-file", &*file] };
        let made = turnout.cli(&[&create[..], more, &by].concat()).await.expect(0).json();
        made["token"].as_str().unwrap().to_owned()
    };
    let ops = make("ops", &["--scope", "admin"]).await;
    std::fs::write(elsewhere.path().join("ops"), &ops).unwrap();
    let reader = make("reader", &[]).await;
    let viewer = make("viewer", &["--scope", "samples"]).await;
    let limited = make("limited", &["--scope", "samples", "--route", "plain"]).await;
    let look = async |token: &str| {
        let ask = get(&place("kept", &id)).header("Authorization", &format!("Bearer {token}"));
        turnout.control_send(ask).await
    };
    look(&viewer).await.expect(200);
    look(&ops).await.expect(200);
    assert_eq!(look(&reader).await.expect(403).problem(), "scope_missing");
    assert_eq!(look(&limited).await.expect(403).problem(), "out_of_limits");
    let ask = get("/v1/audit").header("Authorization", &format!("Bearer {ops}"));
    let lines = turnout.control_send(ask).await.expect(200).json();
    let told: Vec<_> =
        lines.as_array().unwrap().iter().filter(|line| line["command"] == "samples").collect();
    let told: Vec<_> =
        told.iter().map(|line| format!("{} {}", line["actor"], line["outcome"])).collect();
    assert_eq!(
        told,
        [
            r#""limited" "refused""#,
            r#""reader" "refused""#,
            r#""ops" "unchanged""#,
            r#""viewer" "unchanged""#
        ]
    );
}

#[tokio::test]
async fn values_are_in_no_log_metric_or_file() {
    let elsewhere = tempfile::tempdir().unwrap();
    let World { turnout, _origins } = world(&elsewhere.path().join("key")).await;
    assert_eq!(samples(&turnout, "/name").await.as_array().unwrap().len(), 1);
    let metrics = turnout.metrics().await;
    assert!(sample(&metrics, "turnout_samples", &[]).unwrap() > 0.0, "{metrics}");
    let views =
        ["/v1/status", "/v1/routes/kept/signatures", "/v1/routes/kept/parity", "/v1/config"];
    let mut shown = metrics;
    for view in views {
        shown += &turnout.control_send(get(view)).await.expect(200).text();
    }
    let output = turnout.output().clone();
    let setup = turnout.kill();
    output.complete().await;
    shown += &output.text();
    let entries = std::fs::read_dir(setup.folder()).unwrap().map(|entry| entry.unwrap().path());
    for path in entries.filter(|path| path.is_file()) {
        shown += &String::from_utf8_lossy(&std::fs::read(path).unwrap());
    }
    for value in ["Ann", "Bea", "DE01", "DE02", KEY] {
        assert!(!shown.contains(value), "{value} is shown or kept");
    }
}

#[tokio::test]
async fn another_key_opens_nothing_that_was_taken_before() {
    let elsewhere = tempfile::tempdir().unwrap();
    let key = elsewhere.path().join("key");
    let World { turnout, _origins } = world(&key).await;
    let id = signature(&turnout, "kept", "/name").await;
    assert_eq!(samples(&turnout, "/name").await.as_array().unwrap().len(), 1);
    std::fs::write(&key, KEY.to_uppercase()).unwrap();
    turnout.signal("HUP");
    let refused = eventually_some("the other key is in force", async || {
        let answer = turnout.control_send(get(&place("kept", &id))).await;
        (answer.status == 409).then_some(answer)
    })
    .await;
    assert_eq!(refused.problem(), "sealed_with_another_key");
    turnout.get("/kept").await.expect(200);
    eventually("a new one is there", async || {
        let answer = turnout.control_send(get(&place("kept", &id))).await;
        answer.status == 200 && answer.json()["other_key"] == 1
    })
    .await;
    std::fs::write(&key, KEY).unwrap();
    turnout.signal("HUP");
    eventually("the former key is back", async || {
        let answer = turnout.control_send(get(&place("kept", &id))).await;
        let values = answer.json();
        answer.status == 200
            && values["samples"].as_array().is_some_and(|kept| kept.len() == 1)
            && values["other_key"] == 1
    })
    .await;
}
