//! How alike are the arms' answers, and what of them may be seen? Matches, mismatches, signatures; never a value.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::kit::{Ask, Client, Fault, Reply, With, eventually, get, post, status};
use crate::shadow::{comparing, shadowed};

#[tokio::test]
async fn alike_answers_match_and_others_leave_a_signature() {
    let pair = shadowed("").await;
    pair.answer(json!({"id": 7, "items": [1, 2]}), json!({"items": [1, 2], "id": 7.0}));
    pair.turnout.get("/a").await.expect(200);
    let parity = pair.exchanges(1).await;
    assert_eq!((&parity["matched"], &parity["mismatched"]), (&json!(1), &json!(0)), "{parity}");

    pair.answer(json!({"id": 7, "name": "n"}), json!({"id": "7", "title": "n"}));
    pair.turnout.get("/a").await.expect(200);
    let parity = pair.exchanges(2).await;
    assert_eq!((&parity["matched"], &parity["mismatched"]), (&json!(1), &json!(1)), "{parity}");
    let signatures = pair.turnout.view("/v1/routes/a/signatures").await;
    let signatures = signatures.as_array().or_else(|| signatures["signatures"].as_array()).unwrap();
    let found = |path: &str, kind: &str| {
        signatures.iter().any(|s| s["location"] == "body" && s["path"] == path && s["kind"] == kind)
    };
    assert!(found("/id", "type"), "{signatures:?}");
    assert!(found("/name", "missing"), "{signatures:?}");
    assert!(found("/title", "extra"), "{signatures:?}");
    for signature in signatures {
        assert_eq!(signature["count"], 1, "{signature}");
    }

    pair.new.behave(|_| status(500));
    pair.turnout.get("/a").await.expect(200);
    let parity = pair.exchanges(3).await;
    assert_eq!(parity["mismatched"], 2, "a 5xx is an answer: {parity}");
}

/// One document as the old service answers, and as a new one that differs in every kind of way.
fn documents() -> (Value, Value) {
    let old = json!({
        "same": 1, "value": 1, "type": 1, "gone": {"a": 1, "b": 2}, "reordered": [1, 2, 3], "list": [1, 2],
        "close": "2026-01-02T03:04:05Z", "case": "Abc", "rounded": 12.345, "set": [1, 2], "ignored": 1,
    });
    let new = json!({
        "same": 1.0, "value": 2, "type": "1", "new": null, "reordered": [3, 1, 2], "list": [1, 2, 3],
        "close": "2026-01-02T03:04:06Z", "case": "aBC", "rounded": 12.35, "set": [2, 1], "ignored": 2,
    });
    (old, new)
}

fn typed(body: impl Into<Bytes>, media: &str) -> Reply {
    Reply { body: body.into(), ..status(200) }.with("content-type", media)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn differences_of_every_kind_are_named_and_nothing_else() {
    let rules = "ignore: [/ignored], unordered: [/set], ignore_headers: [x-origin]";
    let pair = comparing(rules, "").await;
    let (old, new) = documents();
    let plain = old.to_string();
    pair.old.behave(move |_| {
        Reply::json(&old)
            .with("cache-control", "no-store, max-age=0")
            .with("x-version", "1")
            .with("set-cookie", "sid=1; Path=/old/a; Secure")
            .with("location", "/old/a/7")
    });
    pair.new.behave(move |_| {
        Reply::json(&new)
            .with("cache-control", "max-age=0,no-store")
            .with("x-version", "2")
            .with("set-cookie", "sid=2; Path=/new/a")
            .with("location", "/new/a/7")
    });
    pair.turnout.get("/a").await.expect(200);
    pair.exchanges(1).await;
    assert_eq!(
        pair.signatures().await,
        [
            "body /case value case_only",
            "body /close value datetime_close",
            "body /gone missing -",
            "body /list/* extra -",
            "body /new extra null_vs_missing",
            "body /reordered order sorted_equal",
            "body /rounded value number_rounding",
            "body /type type number_vs_numeric_string",
            "body /value value -",
            "header set-cookie:sid:secure missing -",
            "header x-version value -",
        ]
    );

    // Another coding of the same document, other spellings of it, and another media type and status.
    let pair = comparing(rules, "").await;
    let coded = gzip(&plain);
    let text = plain.clone();
    pair.old.behave(move |_| typed(text.clone(), "application/json"));
    pair.new
        .behave(move |_| typed(coded.clone(), "application/json").with("content-encoding", "gzip"));
    pair.turnout.get("/a").await.expect(200);
    let parity = pair.exchanges(1).await;
    assert_eq!(parity["matched"], 1, "{parity}");
    pair.new.behave(|_| typed("<a/>", "application/xml"));
    pair.turnout.get("/a").await.expect(200);
    pair.exchanges(2).await;
    pair.new.behave(|_| status(404));
    pair.turnout.get("/a").await.expect(200);
    pair.exchanges(3).await;
    assert_eq!(
        pair.signatures().await,
        ["body  unparseable -", "header content-type value -", "status 200 -> 404 value -"]
    );
}

#[tokio::test]
async fn what_the_configuration_ignores_is_not_a_mismatch() {
    let pair =
        comparing("ignore: [/id, \"/items/*/at\"], ignore_headers: [x-build, x-origin]", "").await;
    pair.old.behave(|_| {
        Reply::json(&json!({"id": 1, "items": [{"at": 1, "v": 1}]})).with("x-build", "1")
    });
    pair.new.behave(|_| {
        Reply::json(&json!({"id": 2, "items": [{"at": 2, "v": 1}]})).with("x-build", "2")
    });
    pair.turnout.get("/a").await.expect(200);
    let parity = pair.exchanges(1).await;
    assert_eq!(parity["matched"], 1, "{parity}");
    pair.new.behave(|_| Reply::json(&json!({"id": 2, "items": [{"at": 2, "v": 2}]})));
    pair.turnout.get("/a").await.expect(200);
    let parity = pair.exchanges(2).await;
    assert_eq!(parity["mismatched"], 1, "{parity}");
}

/// INV-12: what stands in requests and answers is nobody's to see but the two arms'.
#[tokio::test]
async fn no_value_of_a_request_or_an_answer_is_shown_or_kept_anywhere() {
    let pair = shadowed("shadow: {methods: [GET, POST]}\n    tenant: {header: X-Tenant-Id}").await;
    let marked = |side: &str| json!({"name": format!("MARK-{side}"), "list": [{"MARKKEY": 1, "v": format!("MARK-{side}")}], side: "MARK"});
    pair.old.behave({
        let body = marked("old");
        move |_| Reply::json(&body).with("x-secret", "MARK-header-old")
    });
    pair.new.behave({
        let body = marked("new");
        move |_| Reply::json(&body).with("x-secret", "MARK-header-new")
    });
    let request = |ask: Ask| {
        ask.tenant("MARK-tenant")
            .header("authorization", "Bearer MARK-token")
            .header("cookie", "sid=MARK-cookie")
            .header("x-api-key", "MARK-key")
    };
    for _ in 0..5 {
        pair.turnout.send(request(get("/a/x?q=MARK-query"))).await.expect(200);
        pair.turnout.send(request(post("/a/x", "{\"b\":\"MARK-body\"}"))).await.expect(200);
    }
    pair.new.behave(|_| Reply::fault(Fault::Reset));
    pair.turnout.send(request(get("/a/x?q=MARK-query"))).await.expect(200);
    pair.exchanges(11).await;
    pair.old.behave(|_| Reply::fault(Fault::Close));
    pair.turnout.send(request(get("/a/x?q=MARK-query"))).await.expect(502);
    pair.turnout.shift("a", "5%").await;

    for place in [
        "/v1/status",
        "/v1/routes",
        "/v1/routes/a",
        "/v1/routes/a/signatures",
        "/v1/routes/a/parity",
        "/v1/parity",
        "/v1/revisions",
        "/metrics",
    ] {
        let shown = pair.turnout.control_send(get(place)).await.expect(200).text();
        assert!(!shown.contains("MARK-"), "{place}: {shown}");
    }
    let signatures = pair.turnout.control_send(get("/v1/routes/a/signatures")).await.text();
    assert!(signatures.contains("/list/*/v"), "{signatures}");
    eventually("the last request is in the access log", async || {
        pair.turnout.output().lines().iter().filter(|line| line.contains("502")).count() >= 1
    })
    .await;
    assert!(!pair.turnout.output().contains("MARK-"), "the log tells");
    let folder = pair.turnout.setup().folder().to_owned();
    let _kept = pair.turnout.kill();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // The place where processes hand sockets over holds nothing to read.
        if path.is_dir() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"MARK-"), "{}", path.display());
    }
}

#[tokio::test]
async fn a_failing_serving_arm_is_not_held_against_the_other() {
    let pair = shadowed("").await;
    pair.old.behave(|_| Reply::fault(Fault::Close));
    pair.turnout.get("/a").await.expect(502);
    let parity = pair.exchanges(1).await;
    assert_eq!(parity["not_comparable"]["primary_connect"], 1, "{parity}");
}

#[tokio::test]
async fn a_client_that_goes_away_is_not_held_against_the_other_arm() {
    let pair = shadowed("").await;
    pair.old.behave(|_| status(200).after(Duration::from_secs(30)));
    let client = Client::new();
    let request = client.send(pair.turnout.proxy(), get("/a"));
    assert!(tokio::time::timeout(Duration::from_millis(300), request).await.is_err());
    drop(client);
    let parity = pair.exchanges(1).await;
    assert_eq!(parity["not_comparable"]["client_abort"], 1, "{parity}");
}
