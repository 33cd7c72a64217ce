//! How does the control API answer? Bad input of every kind, events as they happen, and who may ask at all.

use serde_json::{Value, json};

use crate::kit::{
    Client, Origin, RawConnection, Setup, Turnout, ask, eventually, get, origin, post,
};

const SMS: &str = "routes:\n  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}, tenant: {header: X-Tenant-Id}}\n";

pub(crate) async fn sms() -> (Turnout, Origin, Origin) {
    let (old, new) = (origin("old").await, origin("new").await);
    let setup = Setup::new(SMS).upstream("old", old.address()).upstream("new", new.address());
    (setup.start().await, old, new)
}

#[tokio::test]
async fn bad_input_is_refused_with_what_is_wrong() {
    let (turnout, _old, _new) = sms().await;
    let before = turnout.revision().await;
    let good = json!({"share": "5%", "why": "w"});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body.to_string()
    };
    // (method, path, body, status, what the answer must mention)
    let cases = [
        ("POST", "/v1/routes/sms/shift", "{".to_owned(), 400, ""),
        ("POST", "/v1/routes/sms/shift", "[]".to_owned(), 400, ""),
        ("POST", "/v1/routes/sms/shift", String::new(), 400, ""),
        ("POST", "/v1/routes/sms/shift", with("share", json!("101%")), 400, "101%"),
        ("POST", "/v1/routes/sms/shift", with("share", json!("-1%")), 400, "-1%"),
        ("POST", "/v1/routes/sms/shift", with("share", json!("5")), 400, "5%"),
        ("POST", "/v1/routes/sms/shift", with("share", json!(5)), 400, "share"),
        ("POST", "/v1/routes/sms/shift", with("share", json!("0.001%")), 400, "0.01%"),
        ("POST", "/v1/routes/sms/shift", with("share", Value::Null), 400, ""),
        ("POST", "/v1/routes/sms/shift", with("shre", json!("5%")), 400, "shre"),
        ("POST", "/v1/routes/sms/shift", with("tenant", json!("a b")), 400, "tenant"),
        ("POST", "/v1/routes/sms/shift", json!({"share": "5%"}).to_string(), 400, "why"),
        ("POST", "/v1/routes/sms/shift", with("why", json!("  ")), 400, "why"),
        ("POST", "/v1/routes/sms/shift", json!({"why": "w"}).to_string(), 400, "share"),
        ("POST", "/v1/routes/sms/rollback", "{}".to_owned(), 400, "why"),
        ("POST", "/v1/routes/smss/shift", good.to_string(), 404, "sms"),
        ("POST", "/v1/routes/sms/shift", with("cohort", json!("nobody")), 404, "nobody"),
        (
            "PUT",
            "/v1/upstreams/odl/targets",
            json!({"targets": [{"address": "h:1", "weight": 1}], "why": "w"}).to_string(),
            404,
            "old",
        ),
        (
            "PUT",
            "/v1/upstreams/old/targets",
            json!({"targets": [], "why": "w"}).to_string(),
            422,
            "",
        ),
        (
            "PUT",
            "/v1/upstreams/old/targets",
            json!({"targets": [{"address": "nonsense", "weight": 1}], "why": "w"}).to_string(),
            400,
            "",
        ),
        (
            "PUT",
            "/v1/tenants/acme/lock",
            json!({"mode": "closed", "why": "w"}).to_string(),
            400,
            "read_only",
        ),
        ("GET", "/v1/routes/nope", String::new(), 404, "nope"),
        ("GET", "/v1/revisions/9999", String::new(), 404, "9999"),
        ("GET", "/v1/revisions/x", String::new(), 404, "x"),
        ("POST", "/v1/revisions/9999/restore", json!({"why": "w"}).to_string(), 404, "9999"),
        ("GET", "/v1/nothing", String::new(), 404, ""),
        ("DELETE", "/v1/routes/sms", String::new(), 405, ""),
    ];
    for (method, path, body, status, mentions) in cases {
        let ask = ask(method, path).header("content-type", "application/json").body(body.clone());
        let answer = turnout.control_send(ask).await;
        let context = format!("{method} {path} {body}: {answer:?}");
        // Whether a well-formed document says something impossible, is 400 or 422 to taste.
        let near = |status: u16| if status == 400 { vec![400, 422] } else { vec![status] };
        let expected = if status == 422 { near(400) } else { near(status) };
        assert!(expected.contains(&answer.status.as_u16()), "{context}");
        answer.problem();
        assert!(answer.text().contains(mentions), "{mentions}: {context}");
    }
    assert_eq!(turnout.revision().await, before, "nothing of all that changed anything");
}

#[tokio::test]
async fn an_unknown_route_gets_a_hint_and_a_missing_reason_its_code() {
    let (turnout, _old, _new) = sms().await;
    let body = json!({"share": "5%", "why": "w"});
    let answer =
        turnout.control_send(ask("POST", "/v1/routes/smss/shift").json(&body)).await.expect(404);
    assert!(answer.text().contains("did you mean"), "{}", answer.text());
    let body = json!({"share": "5%"});
    let answer =
        turnout.control_send(ask("POST", "/v1/routes/sms/shift").json(&body)).await.expect(400);
    assert_eq!(answer.problem(), "why_required");
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let (turnout, _old, _new) = sms().await;
    let huge = format!("{{\"share\": \"5%\", \"why\": \"{}\"}}", "x".repeat(2_000_000));
    let shift = post("/v1/routes/sms/shift", huge).header("content-type", "application/json");
    // Refused, or closed while it was still being sent.
    if let Ok(answer) = Client::new().send(turnout.control(), shift).await {
        assert!(answer.status == 413 || answer.status == 400, "{answer:?}");
    }
    assert_eq!(turnout.route("sms").await["share"], "0%");
    let large =
        format!("{}{}", turnout.setup().text(), format!("# {}\n", "x".repeat(98)).repeat(30_000));
    let apply = post("/v1/config?why=large", large).header("content-type", "application/yaml");
    Client::new().send(turnout.control(), apply).await.unwrap().expect(200);
}

/// A page in an operator's browser must not reach the API through a name that somebody points to 127.0.0.1.
#[tokio::test]
async fn only_loopback_names_are_answered() {
    let (turnout, _old, _new) = sms().await;
    for host in ["evil.example.org", "evil.example.org:7081", "127.0.0.1.nip.io", "10.0.0.1"] {
        let answer = turnout.control_send(get("/v1/status").host(host)).await;
        assert!(answer.status.is_client_error(), "{host}: {answer:?}");
    }
    let port = turnout.control().port();
    for host in [
        "localhost".to_owned(),
        format!("localhost:{port}"),
        "127.0.0.1".to_owned(),
        format!("[::1]:{port}"),
    ] {
        turnout.control_send(get("/v1/status").host(&host)).await.expect(200);
    }
    let preflight = ask("OPTIONS", "/v1/routes/sms/shift")
        .header("origin", "https://evil.example.org")
        .header("access-control-request-method", "POST");
    let answer = turnout.control_send(preflight).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn the_status_port_shows_health_and_metrics_only() {
    let (turnout, _old, _new) = sms().await;
    let at = async |path: &str| {
        turnout.client.send(turnout.status(), get(path)).await.unwrap().status.as_u16()
    };
    for path in ["/livez", "/readyz", "/healthz", "/metrics"] {
        assert_eq!(at(path).await, 200, "{path}");
    }
    for path in ["/v1/status", "/v1/routes", "/v1/config", "/openapi.json", "/"] {
        assert_eq!(at(path).await, 404, "{path}");
    }
    let body = json!({"share": "100%", "why": "w"});
    let shift = ask("POST", "/v1/routes/sms/shift").json(&body);
    let answer = turnout.client.send(turnout.status(), shift).await.unwrap();
    assert!(answer.status.is_client_error());
    assert_eq!(turnout.route("sms").await["share"], "0%");
}

#[tokio::test]
async fn the_api_is_not_on_the_traffic_port() {
    let (turnout, _old, _new) = sms().await;
    for path in ["/v1/status", "/metrics", "/readyz", "/v1/routes"] {
        turnout.get(path).await.expect(404);
    }
}

#[tokio::test]
async fn the_api_describes_itself_and_its_health() {
    let (turnout, _old, _new) = sms().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        turnout.control_send(get(path)).await.expect(200);
    }
    let openapi = turnout.view("/openapi.json").await;
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3.1"), "{}", openapi["openapi"]);
    for path in
        ["/v1/routes/{route}/shift", "/v1/routes/{route}/rollback", "/v1/events", "/v1/config"]
    {
        let known = openapi["paths"].as_object().unwrap();
        let shape = |path: &str| {
            path.split('/')
                .map(|part| if part.starts_with('{') { "{}" } else { part })
                .collect::<Vec<_>>()
                .join("/")
        };
        assert!(known.keys().any(|key| shape(key) == shape(path)), "{path}: {:?}", known.keys());
    }
}

#[tokio::test]
async fn status_tells_what_stands_where() {
    let (turnout, old, _new) = sms().await;
    turnout.shift("sms", "25%").await;
    turnout.shift_tenant("sms", "acme", "100%").await;
    let status = turnout.view("/v1/status").await;
    assert_eq!(
        status["phase"].as_str().map(str::to_lowercase).as_deref(),
        Some("serving"),
        "{status}"
    );
    assert!(status["started_at"].is_string() || status["started_at"].is_number());
    assert_eq!(status["config"]["last_reload_ok"], true, "{status}");
    let route = &status["routes"][0];
    for (member, value) in [
        ("name", json!("sms")),
        ("canonical", json!("/v1/sms")),
        ("stage", json!("canary")),
        ("share", json!("25%")),
        ("shadow", json!("0%")),
    ] {
        assert_eq!(route[member], value, "{member}: {route}");
    }
    assert_eq!(
        (&route["stable"]["upstream"], &route["candidate"]["upstream"]),
        (&json!("old"), &json!("new"))
    );
    assert_eq!(route["tenants"]["count"], 1, "{route}");
    let upstream =
        status["upstreams"].as_array().unwrap().iter().find(|up| up["name"] == "old").unwrap();
    assert_eq!(upstream["targets"][0]["address"], old.address().to_string());
    assert_eq!(upstream["targets"][0]["healthy"], true);
}

#[tokio::test]
async fn figures_of_each_arm_are_counted() {
    let (turnout, old, _new) = sms().await;
    turnout.shift_tenant("sms", "acme", "100%").await;
    for tenant in ["acme", "zeta", "zeta", "zeta"] {
        turnout.send(get("/v1/sms").tenant(tenant)).await.expect(200);
    }
    old.behave(|_| crate::kit::status(500));
    turnout.send(get("/v1/sms").tenant("zeta")).await.expect(500);
    eventually("all five are counted", async || {
        let sli = turnout.route("sms").await["sli"].clone();
        sli["stable"]["requests"] == 4
            && sli["stable"]["errors"] == 1
            && sli["stable"]["errors_by_class"]["server_error"] == 1
            && sli["candidate"]["requests"] == 1
            && sli["candidate"]["errors"] == 0
    })
    .await;
    eventually("rates and quantiles follow", async || {
        let arm = turnout.route("sms").await["sli"]["stable"].clone();
        arm["rate_per_s"].as_f64().is_some_and(|rate| rate > 0.0)
            && arm["p95_ms"].as_f64().is_some_and(|ms| ms > 0.0)
    })
    .await;
}

#[tokio::test]
async fn a_client_that_says_nothing_holds_up_nobody() {
    let (turnout, _old, _new) = sms().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        let mut connection = RawConnection::open(turnout.control()).await;
        connection.write("POST /v1/routes/sms/shift HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{").await;
        silent.push(connection);
    }
    let fresh = Client::new();
    fresh.send(turnout.control(), get("/v1/status")).await.unwrap().expect(200);
}
