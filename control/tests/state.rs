//! What is told of the running state: status, health, metrics, parity, the description of the API.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, Version};
use control::Phase;
use rules::Arm;
use rules::compare::{Comparison, Difference, DifferenceKind, Found, Location, ValueClass};
use rules::exchange::{ExchangeReport, NotComparable, Outcome};
use rules::route::FamilyId;
use rules::sli::{ErrorClass, Observation, Scheme, SeriesKey, ShadowResult};
use serde_json::json;

use crate::kit::{Running, YAML, ask, eventually};

#[tokio::test]
async fn ready_means_that_clients_are_served() {
    let running = Running::start(YAML).await;
    let ready = async || running.get("/readyz").await;
    assert_eq!((ready().await.status, &ready().await.json()["status"]), (503, &json!("starting")));
    running.phase.send_replace(Phase::Serving);
    assert_eq!(ready().await.ok(), json!({"status": "ready", "revision": 1, "degraded": []}));
    running.phase.send_replace(Phase::Draining);
    assert_eq!((ready().await.status, &ready().await.json()["status"]), (503, &json!("draining")));
    for path in ["/livez", "/healthz"] {
        let alive = ask(running.status, &format!("GET {path} HTTP/1.1"), &["Host: x"], "").await;
        assert_eq!(alive.status, 200);
    }
    running.stop().await;
}

#[tokio::test]
async fn status_and_metrics_tell_where_traffic_stands() {
    let running = Running::start(YAML).await;
    running.phase.send_replace(Phase::Serving);
    running.shift("5%").await;
    let status = running.get("/v1/status").await.ok();
    assert_eq!((&status["revision"], &status["phase"]), (&json!(2), &json!("serving")));
    let routes = status["routes"].as_array().unwrap();
    assert_eq!((routes.len(), &routes[0]["name"]), (2, &json!("sms")));
    assert_eq!(routes[0]["stable"], json!({"upstream": "old"}));
    assert_eq!(routes[0]["aliases"][0]["path"], "/v1/messaging/sms");
    assert_eq!(routes[0]["aliases"][0]["sunset"], "2037-03-31T00:00:00Z");
    assert_eq!(routes[1]["candidate"], json!(null));
    let metrics = ask(running.status, "GET /metrics HTTP/1.1", &["Host: x"], "").await;
    for line in [
        "turnout_revision 2",
        "turnout_store_up 1",
        r#"turnout_shift_share_ratio{route="sms"} 0.05"#,
        r#"turnout_stage{route="sms",stage="canary"} 1"#,
        r#"turnout_stage{route="sms",stage="off"} 0"#,
        "turnout_swap_seconds_count 1",
        "# EOF",
    ] {
        assert!(metrics.body.lines().any(|known| known == line), "{line} in\n{}", metrics.body);
    }
    assert!(metrics.body.contains("turnout_build_info{version="));
    running.stop().await;
}

#[tokio::test]
async fn slis_come_from_the_counters_that_the_proxy_fills() {
    let running = Running::start(YAML).await;
    let snapshot = running.cell.load();
    let counters = &snapshot.table.routes()[0].counters;
    for n in 0..20 {
        let error = (n < 5).then_some(ErrorClass::ServerError);
        counters.record(&Observation {
            arm: Arm::Candidate,
            cohort: None,
            family: FamilyId(1),
            tenant: Some(&"acme".parse().unwrap()),
            bucket: None,
            own: None,
            key: SeriesKey::new(&Method::GET, 200, error, Scheme::Http, Version::HTTP_11),
            duration: Duration::from_millis(40),
            overridden: false,
            now_unix: 1_790_000_000,
        });
    }
    counters.record_shadow(ShadowResult::Shed);
    counters.record_outcome(Outcome::Match);
    counters.record_outcome(Outcome::NotComparable(NotComparable::Shed));
    let route = async || running.get("/v1/routes/sms").await.ok();
    eventually("rates are taken", async || {
        route().await["sli"]["candidate"]["window_requests"] == 20
    })
    .await;
    let route = route().await;
    let candidate = &route["sli"]["candidate"];
    assert_eq!((&candidate["requests"], &candidate["errors"]), (&json!(20), &json!(5)));
    assert_eq!(candidate["errors_by_class"]["server_error"], 5);
    assert_eq!(candidate["error_ratio"], 0.25);
    assert!((40.0..43.0).contains(&candidate["p95_ms"].as_f64().unwrap()), "{candidate}");
    assert_eq!(route["sli"]["stable"]["requests"], 0);
    assert_eq!(route["aliases"][0]["tenants"][0]["tenant"], "acme");
    assert_eq!(route["shadowed"]["shed"], 1);
    let parity =
        json!({"compared": 1, "matched": 1, "mismatched": 0, "not_comparable": {"shed": 1}});
    assert_eq!(route["parity"], parity);
    running.stop().await;
}

#[tokio::test]
async fn signatures_come_from_the_reports_of_the_proxy() {
    let running = Running::start(YAML).await;
    let found = Found {
        difference: Difference {
            location: Location::Body,
            path: "/items/*/at".into(),
            kind: DifferenceKind::Value,
            classes: (ValueClass::Datetime, ValueClass::Number),
            relation: None,
        },
        fields: 1,
    };
    for exchange_id in ["x1", "x2"] {
        let report = ExchangeReport {
            route: "sms".parse().unwrap(),
            exchange_id: exchange_id.into(),
            cohort: None,
            tenant: None,
            stable_status: Some(200),
            candidate_status: Some(200),
            comparison: Comparison {
                outcome: Outcome::Mismatch,
                differences: vec![found.clone()],
                ..Comparison::impossible(NotComparable::Budget)
            },
            rules: Arc::default(),
            samples: None,
            at_unix_ms: 1_790_000_000_000,
        };
        running.reports.send(report).await.unwrap();
    }
    let signatures = async || running.get("/v1/routes/sms/signatures").await.ok();
    eventually("they are counted", async || signatures().await[0]["count"] == 2).await;
    let expected = json!([{
        "location": "body", "path": "/items/*/at", "kind": "value",
        "stable_class": "datetime", "candidate_class": "number", "relation": null,
        "count": 2, "first_seen": "2026-09-21T14:13:20Z", "last_seen": "2026-09-21T14:13:20Z",
        "examples": ["x1", "x2"], "id": "sms-08fac4fd5ebf", "share": 1.0, "fields": 2,
        "tenants": 0, "tenants_estimated": false,
        "suggestion": {
            "rule": "ignore: [\"/items/*/at\"]",
            "why": "if this is meant to differ, leave it out; nothing below it is looked at then",
        },
    }]);
    assert_eq!(signatures().await, expected);
    let one = running.get("/v1/routes/sms/signatures/sms-08fac4fd5ebf").await.ok();
    assert_eq!(one, expected[0]);
    let unknown = running.get("/v1/routes/sms/signatures/sms-0").await.problem(404);
    assert_eq!(unknown, "unknown_signature");
    let parity = running.get("/v1/routes/sms/parity").await.ok();
    let stage = &parity["windows"][3];
    assert_eq!((&stage["window"], &stage["mismatched"]), (&json!("stage"), &json!(2)), "{parity}");
    let all = running.get("/v1/parity").await.ok();
    assert_eq!(
        (&all["overall"]["compared"], &all["routes"][0]["route"]),
        (&json!(2), &json!("sms"))
    );
    let none = running.get("/v1/routes/sms/signatures?limit=0").await.ok();
    assert_eq!(none, json!([]));
    assert_eq!(running.get("/v1/routes/smss/signatures").await.problem(404), "unknown_route");
    running.stop().await;
}

#[tokio::test]
async fn the_description_that_is_served_is_the_one_that_is_checked_in() {
    let running = Running::start(YAML).await;
    let served = running.get("/openapi.json").await.ok();
    running.stop().await;
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1"));
    let checked_in = include_str!("../../openapi.json");
    assert_eq!(serde_json::from_str::<serde_json::Value>(checked_in).unwrap(), served);
}
