//! What can an operator see, and what can nobody? The access log, the metrics, and what is left out of both.

use serde_json::{Value, json};

use crate::kit::{
    Client, Origin, Setup, Turnout, ask, eventually, eventually_some, get, origin, post, sample,
    status,
};

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

/// The access log's line about a request.
async fn logged(turnout: &Turnout, request_id: &str) -> (String, Value) {
    eventually_some("the request is logged", async || {
        let lines = turnout.output().lines();
        let line =
            lines.into_iter().find(|line| line.contains(request_id) && line.contains("http."))?;
        let fields = serde_json::from_str(&line).ok()?;
        Some((line, fields))
    })
    .await
}

fn field<'v>(fields: &'v Value, name: &str) -> &'v Value {
    fields.get(name).unwrap_or_else(|| panic!("no {name}: {fields}"))
}

#[tokio::test]
async fn each_request_has_one_line_that_says_what_was_decided() {
    let (turnout, _old, _new) = sms().await;
    turnout.shift_tenant("sms", "acme", "100%").await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = get("/v1/messaging/sms/threads/4711?token=t0ps3cret")
        .tenant("acme")
        .header("x-request-id", "req-log-1")
        .header("traceparent", trace)
        .header("authorization", "Bearer t0ps3cret");
    turnout.send(request).await.expect(200);
    let (line, fields) = logged(&turnout, "req-log-1").await;
    assert!(!line.contains("t0ps3cret"), "{line}");
    for (name, value) in [
        ("http.request.method", "GET"),
        ("turnout.route", "sms"),
        ("turnout.arm", "candidate"),
        ("turnout.tenant", "acme"),
        ("turnout.cohort", "africa"),
        ("trace_id", "0af7651916cd43dd8448eb211c80319c"),
    ] {
        assert_eq!(field(&fields, name), value, "{line}");
    }
    assert_eq!(field(&fields, "http.response.status_code"), 200, "{line}");
    assert!(field(&fields, "turnout.reason").as_str().unwrap().contains("tenant"), "{line}");
    assert!(field(&fields, "timestamp").is_string(), "{line}");
    assert!(field(&fields, "severity").is_string(), "{line}");
    let lines = turnout.output().lines();
    assert_eq!(lines.iter().filter(|line| line.contains("req-log-1")).count(), 1);
}

#[tokio::test]
async fn strangers_and_their_data_are_in_no_log_and_no_metric() {
    let (turnout, old, _new) = sms().await;
    let request = get("/v1/messaging/sms/threads/patient-4711?name=Mustermann")
        .tenant("clinic-xyz")
        .header("x-request-id", "req-log-2")
        .header("cookie", "sid=c00kie");
    turnout.send(request.clone()).await.expect(200);
    old.behave(|_| crate::kit::Reply::fault(crate::kit::Fault::Reset));
    turnout.send(request.header("x-again", "1")).await.expect(502);
    let elsewhere =
        post("/nowhere/patient-4711?name=Mustermann", "Mustermann").tenant("clinic-xyz");
    Client::new().send(turnout.proxy(), elsewhere).await.unwrap().expect(404);
    logged(&turnout, "req-log-2").await;
    eventually("the 404 is logged", async || {
        turnout.output().lines().iter().any(|line| line.contains("404"))
    })
    .await;
    let metrics = turnout.metrics().await;
    let api = turnout.view("/v1/status").await.to_string();
    for secret in ["clinic-xyz", "patient-4711", "Mustermann", "c00kie", "nowhere"] {
        for (place, text) in
            [("log", turnout.output().text()), ("metrics", metrics.clone()), ("api", api.clone())]
        {
            assert!(!text.contains(secret), "{secret} is in the {place}: {text}");
        }
    }
}

/// A command may know a tenant that the configuration does not name: requests still do not tell of it.
#[tokio::test]
async fn a_tenant_that_only_commands_know_stays_a_stranger() {
    let (turnout, _old, _new) = sms().await;
    let lock = json!({"mode": "read_only", "why": "w"});
    turnout.command("PUT", "/v1/tenants/clinic-xyz/lock", lock).await;
    turnout.shift_tenant("sms", "clinic-xyz", "100%").await;
    let read = get("/v1/messaging/sms").tenant("clinic-xyz").header("x-request-id", "req-log-3");
    turnout.send(read).await.expect(200);
    let write = post("/v1/sms", "x").tenant("clinic-xyz").header("x-request-id", "req-log-4");
    Client::new().send(turnout.proxy(), write).await.unwrap().expect(503);
    for id in ["req-log-3", "req-log-4"] {
        let (line, _fields) = logged(&turnout, id).await;
        assert!(!line.contains("clinic-xyz"), "{line}");
    }
    assert!(!turnout.metrics().await.contains("clinic-xyz"));
    let aliases = turnout.route("sms").await["aliases"].to_string();
    assert!(!aliases.contains("clinic-xyz"), "{aliases}");
}

#[tokio::test]
async fn metrics_have_the_names_and_labels_that_dashboards_know() {
    let (turnout, _old, _new) = sms().await;
    turnout.shift("sms", "25%").await;
    turnout.shadow("sms", "100%").await;
    for _ in 0..3 {
        turnout.get("/v1/sms").await.expect(200);
    }
    turnout.get("/v1/messaging/sms").await.expect(200);
    turnout.rollback("sms").await;
    turnout.shift("sms", "25%").await;
    let present: [(&str, &[&str], Option<f64>); 14] = [
        (
            "http_server_request_duration_seconds_count",
            &[
                "http_request_method=\"GET\"",
                "http_response_status_code=\"200\"",
                "url_scheme=\"http\"",
                "turnout_route=\"sms\"",
                "turnout_arm=\"stable\"",
                "network_protocol_version=\"1.1\"",
            ],
            Some(4.0),
        ),
        (
            "http_server_request_duration_seconds_bucket",
            &["le=\"0.005\"", "turnout_route=\"sms\""],
            None,
        ),
        ("http_server_request_duration_seconds_bucket", &["le=\"10.0\""], None),
        ("http_server_active_requests", &[], Some(0.0)),
        ("turnout_build_info", &["version=\""], Some(1.0)),
        ("turnout_revision", &[], None),
        ("turnout_config_last_reload_successful", &[], Some(1.0)),
        ("turnout_shift_share_ratio", &["route=\"sms\""], Some(0.25)),
        ("turnout_stage", &["route=\"sms\"", "stage=\"canary\""], Some(1.0)),
        ("turnout_stage", &["route=\"sms\"", "stage=\"off\""], Some(0.0)),
        ("turnout_shadow_requests_total", &["route=\"sms\"", "result=\""], None),
        ("turnout_shadow_queue_bytes", &[], None),
        ("turnout_comparisons_total", &["route=\"sms\"", "outcome=\"mismatch\""], None),
        ("turnout_rollbacks_total", &["route=\"sms\""], Some(1.0)),
    ];
    let metrics = eventually_some("all requests are counted", async || {
        let metrics = turnout.metrics().await;
        let counted = sample(&metrics, present[0].0, present[0].1) == present[0].2;
        counted.then_some(metrics)
    })
    .await;
    for (name, labels, value) in present {
        let found = sample(&metrics, name, labels);
        assert!(found.is_some(), "no {name} {labels:?} in\n{metrics}");
        assert!(value.is_none() || found == value, "{name} {labels:?}: {found:?} in\n{metrics}");
    }
    for name in [
        "turnout_store_up",
        "turnout_target_up",
        "turnout_alias_requests_total",
        "turnout_swap_seconds",
    ] {
        assert!(
            metrics.contains(&format!("# TYPE {}", name.trim_end_matches("_total"))),
            "no {name} in\n{metrics}"
        );
    }
}

#[tokio::test]
async fn metrics_are_openmetrics_text() {
    let (turnout, _old, _new) = sms().await;
    turnout.get("/v1/sms").await.expect(200);
    let answer = turnout.client.send(turnout.status(), get("/metrics")).await.unwrap().expect(200);
    let kind = answer.header("content-type").unwrap();
    assert!(
        kind.starts_with("application/openmetrics-text") || kind.starts_with("text/plain"),
        "{kind}"
    );
    let text = answer.text();
    for line in text.lines() {
        let is_comment = line.starts_with("# ");
        let value = line.split(' ').next_back().unwrap();
        assert!(is_comment || value.parse::<f64>().is_ok(), "{line}");
    }
    let mut samples: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    let all = samples.len();
    samples.sort_unstable();
    samples.dedup();
    assert_eq!(samples.len(), all, "a sample is there twice");
}

#[tokio::test]
async fn unhealthy_and_healthy_targets_are_told_apart() {
    let (turnout, old, _new) = sms().await;
    let label = format!("target=\"{}\"", old.address());
    let metrics = turnout.metrics().await;
    assert_eq!(
        sample(&metrics, "turnout_target_up", &["upstream=\"old\"", &label]),
        Some(1.0),
        "{metrics}"
    );
}

#[tokio::test]
async fn figures_survive_a_change_of_the_file() {
    let (turnout, _old, _new) = sms().await;
    let labels: &[&str] = &["turnout_route=\"sms\"", "turnout_arm=\"stable\""];
    let count = async || {
        sample(&turnout.metrics().await, "http_server_request_duration_seconds_count", labels)
    };
    turnout.get("/v1/sms").await.expect(200);
    eventually("it is counted", async || count().await == Some(1.0)).await;
    turnout
        .setup()
        .rewritten(&format!("{SMS}  more: {{canonical: /more, stable: {{upstream: old}}}}\n"))
        .write();
    turnout.signal("HUP");
    eventually("the new file is served", async || turnout.get("/more").await.status == 200).await;
    turnout.get("/v1/sms").await.expect(200);
    eventually("it goes on counting", async || count().await == Some(2.0)).await;
}

#[tokio::test]
async fn the_access_log_can_be_turned_off() {
    let api = origin("api").await;
    api.behave(|_| status(200));
    let yaml = "access_log: false\nroutes:\n  a: {canonical: /a, stable: {upstream: api}}\n";
    let mut turnout = Setup::new(yaml).upstream("api", api.address()).start().await;
    turnout.get("/a").await.expect(200);
    turnout.signal("TERM");
    turnout.ended().await;
    turnout.output().complete().await;
    assert!(!turnout.output().contains("http.request.method"), "{}", turnout.output().text());
}

/// What the gate refuses is no request yet: its line tells why, to whom, and nothing of what came.
#[tokio::test]
async fn what_is_refused_unread_has_a_line_without_any_of_it() {
    let (turnout, _old, _new) = sms().await;
    let stranger = Client::from_address(Some([127, 0, 0, 2].into()));
    for (client, address) in [(&turnout.client, None), (&stranger, Some("127.0.0.2"))] {
        let refused = ask("T0PS3CRET", "/v1/sms/t0ps3cret?t0ps3cret").header("x-a", "t0ps3cret");
        let answer = client.send(turnout.proxy(), refused).await.unwrap().expect(501);
        let (line, fields) = logged(&turnout, answer.header("x-request-id").unwrap()).await;
        assert!(!line.to_lowercase().contains("t0ps3cret"), "{line}");
        assert_eq!(field(&fields, "error.type"), "method_not_served");
        assert_eq!(field(&fields, "http.response.status_code"), 501);
        assert_eq!(field(&fields, "http.response.body.size"), answer.body.len());
        assert_eq!(field(&fields, "turnout.revision"), 1);
        // The harness's own address is trusted to pass on what others send.
        assert_eq!(fields.get("client.address").and_then(Value::as_str), address, "{line}");
    }
}
