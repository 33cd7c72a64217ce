//! Is nobody's data ever seen? A thousand values on every way in and through, at every log level; then a look at all that
//! is shown or kept. (INV-12)
//!
//! One route keeps samples of its differences: they are seen nowhere but where somebody asks for them.

mod journeys;
mod marks;

use std::net::SocketAddr;
use std::path::Path;

use marks::Marks;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kit::{
    Fault, Origin, RawOrigin, Reply, Setup, Turnout, With, dead_address, eventually, faulty, get,
    http2_origin, sample, scripted,
};

/// Every value that has a place in a request or an answer is marked, and so is what the configuration keeps secret.
const ROUTES: &str = r#"
samples: {key: {env: SILENT_SAMPLE_KEY}}
tenants: {acme: {}}
routes:
  plain:
    canonical: /plain
    stable: {upstream: old}
    candidate: {upstream: new}
    tenant: {header: X-Tenant-Id}
    start: {shadow: 100%}
    shadow: {methods: [GET, POST]}
    request_headers: {set: {X-Key: {env: SILENT_KEY}, X-File: {file: secret}, X-Var: "${SILENT_VARIABLE}"}}
    response_headers: {set: {X-Answer-Key: {env: SILENT_KEY}}}
  reverse: {canonical: /reverse, stable: {upstream: old}, candidate: {upstream: new}, start: {share: 100%, reverse_shadow: 100%}}
  sampled: {canonical: /sampled, stable: {upstream: old}, candidate: {upstream: new}, start: {shadow: 100%}, shadow: {samples: {}}}
  half: {canonical: /half, stable: {upstream: old}, candidate: {upstream: new}, start: {share: 50%}, sticky: {cookie: session}}
  bad-shadow: {canonical: /bad-shadow, stable: {upstream: old}, candidate: {upstream: cut}, start: {shadow: 100%}}
  dead-shadow: {canonical: /dead-shadow, stable: {upstream: old}, candidate: {upstream: dead}, start: {shadow: 100%}}
  fallback: {canonical: /fallback, stable: {upstream: old}, candidate: {upstream: failing}, fallback: stable, start: {share: 100%}}
  no-fallback: {canonical: /no-fallback, stable: {upstream: old}, candidate: {upstream: dead}, start: {share: 100%}}
  retry: {canonical: /retry, stable: {upstream: one-dead}}
  dead: {canonical: /dead, stable: {upstream: dead}}
  slow: {canonical: /slow, stable: {upstream: slow}, timeouts: {total: 300ms}}
  slow-read: {canonical: /slow-read, stable: {upstream: slow}, timeouts: {read: 100ms}}
  closing: {canonical: /closing, stable: {upstream: closing}}
  resetting: {canonical: /resetting, stable: {upstream: resetting}}
  cut: {canonical: /cut, stable: {upstream: cut}}
  failing: {canonical: /failing, stable: {upstream: failing}}
  http2: {canonical: /http2, stable: {upstream: http2}}
  not-http2: {canonical: /not-http2, stable: {upstream: not-http2}}
  raw: {canonical: /raw, stable: {upstream: raw}, websockets: true}
  by-path: {canonical: /t, stable: {upstream: old}, tenant: {path: "/t/{tenant}"}}
  by-query: {canonical: /q, stable: {upstream: old}, tenant: {query: tenant}}
  by-cookie: {canonical: /c, stable: {upstream: old}, tenant: {cookie: session}}
  by-host: {canonical: /h, hosts: ["*.example.org"], stable: {upstream: old}, tenant: {host: "{tenant}.example.org"}}
  known-only: {canonical: /known, stable: {upstream: old}, tenant: {query: none, missing: reject}}
  locked: {canonical: /locked, stable: {upstream: old}, tenant: {header: X-Locked}}
  moved: {canonical: /moved, redirect: {path: /there}}
  aliased: {canonical: /aliased, aliases: [{path: /former, deprecated: 2020-01-31, sunset: 2021-01-31}], after_sunset: redirect, stable: {upstream: old}}
  gone: {canonical: /new-place, aliases: [{path: /gone, deprecated: 2020-01-31, sunset: 2021-01-31}], after_sunset: gone, stable: {upstream: old}}
"#;

const PATHS: [&str; 27] = [
    "/sampled",
    "/plain",
    "/plain",
    "/reverse",
    "/half",
    "/bad-shadow",
    "/dead-shadow",
    "/fallback",
    "/no-fallback",
    "/retry",
    "/dead",
    "/slow",
    "/slow-read",
    "/closing",
    "/resetting",
    "/cut",
    "/failing",
    "/http2",
    "/not-http2",
    "/t",
    "/q",
    "/c",
    "/h",
    "/known",
    "/moved",
    "/former",
    "/gone",
];

/// Origins that answer with values, or fail with them.
struct World {
    turnout: Turnout,
    h2c: SocketAddr,
    tls: SocketAddr,
    raw: RawOrigin,
    _origins: Vec<Origin>,
}

async fn answering(name: &str, marks: &mut Marks) -> Origin {
    let body = json!({
        "name": marks.put("an answer's body"), "side": name,
        "list": [{"v": marks.put("an answer's body")}, {"v": marks.put("an answer's body")}]
    });
    let header = marks.put("an answer's header");
    let cookie = marks.fill("an answer's cookie", "sid={}; Path=/{}");
    scripted(name, move |_| {
        Reply::json(&body).with("x-secret", &header).with("set-cookie", &cookie)
    })
    .await
}

async fn world(marks: &mut Marks, secret: &Path) -> World {
    let (old, new) = (answering("old", marks).await, answering("new", marks).await);
    let text = marks.put("an answer's body");
    let failing = scripted("failing", move |_| {
        Reply::text(text.clone()).with_status(http::StatusCode::SERVICE_UNAVAILABLE)
    })
    .await;
    let cut = faulty("cut", Fault::Truncate).await;
    let closing = faulty("closing", Fault::Close).await;
    let resetting = faulty("resetting", Fault::Reset).await;
    let slow = faulty("slow", Fault::BlackHole).await;
    let (http2, raw) = (http2_origin().await, RawOrigin::listen().await);
    let targets = |addresses: &[SocketAddr], more: &str| {
        let list = addresses.iter().map(|address| format!("{{address: \"{address}\"}}"));
        let list = list.collect::<Vec<_>>().join(", ");
        format!(
            "{{targets: [{list}], passive: {{consecutive: 10000}}, breaker: {{min: 10000}}{more}}}"
        )
    };
    let yaml = ROUTES.replace("file: secret", &format!("file: \"{}\"", secret.display()));
    let setup = Setup::new(&yaml)
        .env("RUST_LOG", "trace")
        .env("SILENT_KEY", &marks.put("a secret of the environment"))
        .env("SILENT_SAMPLE_KEY", &marks.fill("a key", "{}{}{}{}"))
        .env("SILENT_VARIABLE", &marks.put("a variable"));
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/tests");
    let certificate = format!(
        "{{cert: {{file: \"{0}/server.pem\"}}, key: {{file: \"{0}/server.key\"}}}}",
        keys.display()
    );
    let (setup, h2c) = setup.listening("h2c: true");
    let (mut setup, tls) = setup.listening(&format!("tls: {{certificates: [{certificate}]}}"));
    for (name, addresses, more) in [
        ("old", &[old.address()][..], ", health: {path: /health, interval: 100ms}"),
        ("new", &[new.address()], ""),
        ("failing", &[failing.address()], ", health: {path: /health, interval: 100ms}"),
        ("cut", &[cut.address()], ""),
        ("closing", &[closing.address()], ""),
        ("resetting", &[resetting.address()], ", health: {path: /health, interval: 100ms}"),
        ("slow", &[slow.address()], ""),
        ("dead", &[dead_address()], ""),
        ("one-dead", &[dead_address(), new.address()], ""),
        ("http2", &[http2.address()], ", http2: true"),
        ("not-http2", &[new.address()], ", http2: true"),
        ("raw", &[raw.address()], ""),
    ] {
        setup = setup.upstream_as(name, &targets(addresses, more));
    }
    let turnout = setup.start().await;
    let origins = vec![old, new, failing, cut, closing, resetting, slow];
    World { turnout, h2c, tls, raw, _origins: origins }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_values_are_never_seen_again() {
    let mut marks = Marks::default();
    let elsewhere = tempfile::tempdir().unwrap();
    let secret = elsewhere.path().join("secret");
    std::fs::write(&secret, marks.put("a secret of a file")).unwrap();
    let World { turnout, h2c, tls, mut raw, _origins } = world(&mut marks, &secret).await;
    let lock = json!({"mode": "blocked", "why": "test"});
    turnout.command("PUT", "/v1/tenants/acme/lock", lock).await;
    let mut events = listen(&turnout).await;

    journeys::through_every_route(&turnout, &mut marks, &PATHS).await;
    journeys::through_every_route(&turnout, &mut marks, &["/nowhere", ""]).await;
    journeys::in_raw_bytes(&turnout, [h2c, tls], &mut marks).await;
    journeys::over_http2(h2c, &mut marks, &["/plain", "/half", "/nowhere", "/dead", "/cut"]).await;
    journeys::over_tls(tls, &mut marks).await;
    journeys::from_a_broken_upstream(&turnout, &mut marks, &mut raw).await;
    journeys::over_an_upgrade(&turnout, &mut marks, &mut raw).await;
    let locked = journeys::full(&mut marks, "GET", "/locked").header("x-locked", "acme");
    turnout.send(locked).await.expect(503);
    journeys::to_the_control_api(&turnout, &mut marks).await;
    std::fs::write(&secret, marks.put("a secret of a file")).unwrap();
    turnout.signal("HUP");
    turnout.shift("plain", "5%").await;
    assert!(marks.count() >= 1_000, "only {} values", marks.count());

    all_is_done(&turnout).await;
    for place in views(&turnout).await {
        let shown = turnout.control_send(get(&place)).await.expect(200);
        marks.assert_unseen(&place, format!("{:?}{}", shown.headers, shown.text()).as_bytes());
    }
    let metrics = turnout.metrics().await;
    marks.assert_unseen("/metrics", metrics.as_bytes());
    let kept = sample(&metrics, "turnout_samples", &[]);
    assert!(kept.is_some_and(|kept| kept > 0.0), "a route opted in, and shows {kept:?} samples");
    let mut heard = Vec::new();
    turnout.signal("TERM");
    events.read_to_end(&mut heard).await.unwrap();
    assert!(heard.len() > 100, "{}", String::from_utf8_lossy(&heard));
    marks.assert_unseen("/v1/events", &heard);
    let output = turnout.output().clone();
    let setup = turnout.kill();
    output.complete().await;
    assert!(output.lines().iter().any(|line| line.contains("\"level\":\"DEBUG\"")));
    marks.assert_unseen("the log", output.text().as_bytes());
    let written = std::fs::read_dir(setup.folder()).unwrap().map(|entry| entry.unwrap().path());
    // The only folder among them holds a socket, which holds nothing.
    for path in written.filter(|path| path.is_file()) {
        marks.assert_unseen(&path.display().to_string(), &std::fs::read(&path).unwrap());
    }
}

/// Listens to events, from the first revision on.
async fn listen(turnout: &Turnout) -> TcpStream {
    let mut stream = TcpStream::connect(turnout.control()).await.unwrap();
    let request = "GET /v1/events HTTP/1.1\r\nHost: h\r\nLast-Event-ID: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Everything that the control API shows.
async fn views(turnout: &Turnout) -> Vec<String> {
    let mut places: Vec<String> = [
        "/v1/status",
        "/v1/routes",
        "/v1/upstreams",
        "/v1/config",
        "/v1/tenants/acme",
        "/v1/revisions",
        "/metrics",
        "/openapi.json",
    ]
    .map(str::to_owned)
    .into();
    for line in ROUTES.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = line.trim().split(':').next().unwrap();
        places.push(format!("/v1/routes/{name}"));
        places.push(format!("/v1/routes/{name}/signatures"));
    }
    for revision in 1..=turnout.revision().await {
        places.push(format!("/v1/revisions/{revision}"));
        if revision > 1 {
            places.push(format!("/v1/revisions/{revision}/diff?against={}", revision - 1));
        }
    }
    places
}

/// Waits until every copy has its outcome, and the last request stands in the access log.
async fn all_is_done(turnout: &Turnout) {
    eventually("no copy is under way", async || {
        sample(&turnout.metrics().await, "turnout_shadow_in_flight", &[]) == Some(0.0)
    })
    .await;
    turnout.send(get("/nowhere").header("x-request-id", "the-last-one")).await.expect(404);
    eventually("the last request is in the access log", async || {
        turnout.output().contains("the-last-one")
    })
    .await;
}
