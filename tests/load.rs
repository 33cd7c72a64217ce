//! Does traffic notice that it is shifted? Commands under load, every single answer held against what stood at its
//! revision; and requests in flight while everything around them changes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use loadtest::load::{Answer, Call, Load, Plan};
use rules::{Bucket, Share};
use serde_json::{Value, json};

use crate::kit::{Gate, Memory, Origin, Reply, Setup, Turnout, get, origin, scripted, status};

const TENANTS: u64 = 100;

/// `TURNOUT_LONG=1` makes the runs as long as the claims are.
fn long_or(short: u64, long: u64) -> u64 {
    if std::env::var_os("TURNOUT_LONG").is_some() { long } else { short }
}

/// Where traffic should stand at one revision.
#[derive(Clone)]
struct Standing {
    default: Share,
    tenants: BTreeMap<String, Share>,
    old: &'static str,
    new: &'static str,
}

impl Standing {
    /// The origin that serves a tenant.
    fn serves(&self, tenant: &str) -> &'static str {
        let share = self.tenants.get(tenant).unwrap_or(&self.default);
        if Bucket::of("sms", tenant).is_within(*share) { self.new } else { self.old }
    }
}

/// A command, and what should stand afterwards.
struct Step {
    method: &'static str,
    path: &'static str,
    body: Value,
    after: Standing,
}

fn step(number: u64, before: &Standing, addresses: &BTreeMap<&'static str, String>) -> Step {
    let mut after = before.clone();
    // Any fixed order would do; this one does not repeat soon.
    let dice =
        number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
            >> 33;
    let targets =
        |name: &str| json!({"targets": [{"address": addresses[name], "weight": 1}], "why": "load"});
    let (method, path, body) = match number % 6 {
        0 => {
            after.old = if before.old == "old-1" { "old-2" } else { "old-1" };
            ("PUT", "/v1/upstreams/old/targets", targets(after.old))
        }
        1 => {
            after.new = if before.new == "new-1" { "new-2" } else { "new-1" };
            ("PUT", "/v1/upstreams/new/targets", targets(after.new))
        }
        2 => {
            let tenant = format!("t{}", dice % TENANTS);
            let share = if dice.is_multiple_of(2) { Share::ALL } else { Share::NONE };
            let body = json!({"share": share.to_string(), "tenant": tenant, "why": "load"});
            after.tenants.insert(tenant, share);
            ("POST", "/v1/routes/sms/shift", body)
        }
        5 if dice.is_multiple_of(4) => {
            after.default = Share::NONE;
            after.tenants.clear();
            ("POST", "/v1/routes/sms/rollback", json!({"why": "load", "keep_shadow": true}))
        }
        _ => {
            after.default =
                Share::from_basis_points(u16::try_from(dice % 10_001).unwrap()).unwrap();
            let body = json!({"share": after.default.to_string(), "why": "load"});
            ("POST", "/v1/routes/sms/shift", body)
        }
    };
    Step { method, path, body, after }
}

const SMS: &str = r#"
routes:
  sms:
    canonical: /v1/sms
    stable: {upstream: old}
    candidate: {upstream: new}
    tenant: {header: X-Tenant-Id}
    start: {shadow: 5%}
"#;

struct Fleet {
    origins: Vec<Origin>,
    addresses: BTreeMap<&'static str, String>,
    turnout: Turnout,
}

async fn fleet() -> Fleet {
    let (mut origins, mut addresses) = (Vec::new(), BTreeMap::new());
    for name in ["old-1", "old-2", "new-1", "new-2"] {
        let origin = scripted(name, |_| Reply::text("ok")).await;
        addresses.insert(name, origin.address().to_string());
        origins.push(origin);
    }
    let setup =
        Setup::new(SMS).upstream("old", origins[0].address()).upstream("new", origins[2].address());
    Fleet { turnout: setup.start().await, origins, addresses }
}

fn asked_by_a_tenant(number: u64, acknowledged: &AtomicU64) -> Call {
    Call::get("/v1/sms/x")
        .with_header("x-tenant-id", format!("t{}", number % TENANTS))
        .with_header("turnout-debug", "1")
        .with_header("x-acknowledged", acknowledged.load(Ordering::SeqCst).to_string())
}

/// The tenant that asked, the revision that was in force when it did, and the answer's revision and origin.
struct Witness {
    tenant: String,
    acknowledged: u64,
    revision: u64,
    origin: String,
}

impl Witness {
    fn of(answer: &Answer) -> Result<Self, String> {
        let asked = |name: &str| {
            let found = answer.call.headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let told = |name: &str| {
            let value = answer.header(name).map(str::to_owned);
            value.ok_or_else(|| format!("no {name}: {:?} {:?}", answer.status, answer.headers))
        };
        if !answer.is_ok() {
            return Err(format!("{:?} {}", answer.status, String::from_utf8_lossy(&answer.body)));
        }
        Ok(Self {
            tenant: asked("x-tenant-id"),
            acknowledged: asked("x-acknowledged").parse().unwrap(),
            revision: told("x-turnout-revision")?.trim_start_matches('r').parse().unwrap(),
            origin: told("x-origin")?,
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shifts_and_swaps_under_load_fail_and_misroute_nothing() {
    let Fleet { turnout, origins, addresses } = fleet().await;
    let acknowledged = Arc::new(AtomicU64::new(turnout.revision().await));
    let witnesses = Arc::new(Mutex::new((Vec::new(), Vec::new())));

    let first =
        Standing { default: Share::NONE, tenants: BTreeMap::new(), old: "old-1", new: "new-1" };
    let mut stood = BTreeMap::from([(acknowledged.load(Ordering::SeqCst), first.clone())]);
    let load = {
        let (acknowledged, witnesses) = (Arc::clone(&acknowledged), Arc::clone(&witnesses));
        let seen = move |answer: &Answer| {
            let (good, bad) = &mut *witnesses.lock().unwrap();
            match Witness::of(answer) {
                Ok(witness) => good.push(witness),
                Err(why) => bad.push(why),
            }
        };
        let call = move |number| asked_by_a_tenant(number, &acknowledged);
        Load::start(Plan::connections(turnout.proxy(), 8), call, seen).unwrap()
    };
    let mut standing = first;
    for number in 0..long_or(300, 10_000) {
        let step = step(number, &standing, &addresses);
        let answer = turnout.command(step.method, step.path, step.body).await;
        let revision = answer["revision"].as_u64().unwrap();
        stood.insert(revision, step.after.clone());
        acknowledged.store(revision, Ordering::SeqCst);
        standing = step.after;
    }
    let figures = load.stop().await;

    let (good, bad) = &*witnesses.lock().unwrap();
    println!(
        "{} requests over {} revisions, p99 {:?}",
        figures.ended(),
        stood.len(),
        figures.latency.p99
    );
    assert!(
        bad.is_empty(),
        "{} of {} failed: {:?}",
        bad.len(),
        figures.ended(),
        &bad[..bad.len().min(5)]
    );
    assert!(good.len() as u64 >= long_or(300, 10_000), "too little load: {}", good.len());
    for witness in good {
        let Witness { tenant, acknowledged, revision, origin } = witness;
        assert!(
            revision >= acknowledged,
            "served by r{revision} after r{acknowledged} was answered"
        );
        let (_, standing) = stood.range(..=revision).next_back().unwrap();
        assert_eq!(origin, standing.serves(tenant), "{tenant} at r{revision}");
    }
    for origin in &origins {
        assert!(origin.count() > 0, "an origin was never asked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applying_configurations_under_load_fails_nothing() {
    let Fleet { turnout, origins: _origins, .. } = fleet().await;
    let plan = Plan::connections(turnout.proxy(), 4);
    let load = Load::start(
        plan,
        |n| Call::get("/v1/sms").with_header("x-tenant-id", format!("t{n}")),
        |_| (),
    )
    .unwrap();
    let plain = turnout.setup().text();
    for round in 0..long_or(20, 200) {
        let changed =
            format!("{plain}  more-{round}: {{canonical: /more, stable: {{upstream: new}}}}\n");
        for text in [&changed, &plain] {
            let apply = crate::kit::post("/v1/config?why=load", text.clone());
            turnout
                .control_send(apply.header("content-type", "application/yaml"))
                .await
                .expect(200);
        }
    }
    let figures = load.stop().await;
    assert_eq!(figures.failed, 0, "{figures:?}");
    assert!(figures.ok > 20, "{figures:?}");
}

#[tokio::test]
async fn requests_in_flight_end_on_the_snapshot_they_began_with() {
    let gate = Gate::closed();
    let (old, new) = (origin("old").await, origin("new").await);
    old.behave({
        let gate = gate.clone();
        move |_| status(200).held_by(&gate)
    });
    let before = "routes:\n  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}, response_headers: {set: {X-File: before}}}\n";
    let setup = Setup::new(before).upstream("old", old.address()).upstream("new", new.address());
    let turnout = setup.start().await;
    let began_with = turnout.revision().await;

    let held: Vec<_> = (0..3)
        .map(|_| {
            let (client, proxy) = (turnout.client.clone(), turnout.proxy());
            let ask = get("/v1/sms").header("turnout-debug", "1");
            tokio::spawn(async move { client.send(proxy, ask).await.unwrap() })
        })
        .collect();
    old.was_asked(3).await;

    // Shifted, swapped, and at last the route itself is another.
    turnout.shift("sms", "100%").await;
    let away =
        json!({"targets": [{"address": new.address().to_string(), "weight": 1}], "why": "test"});
    turnout.command("PUT", "/v1/upstreams/old/targets", away).await;
    turnout.setup().rewritten(&before.replace("X-File: before", "X-File: after")).write();
    turnout.signal("HUP");
    crate::kit::eventually("new requests see the new file", async || {
        turnout.get("/v1/sms").await.header("x-file") == Some("after")
    })
    .await;

    gate.open();
    for request in held {
        let answer = request.await.unwrap().expect(200);
        assert_eq!(answer.origin(), "old");
        assert_eq!(answer.header("x-file"), Some("before"));
        let revision = answer.header("x-turnout-revision").unwrap().trim_start_matches('r');
        assert_eq!(revision, began_with.to_string());
    }
    assert_eq!(turnout.get("/v1/sms").await.origin(), "new");
    assert_eq!(old.count(), 3);
}

#[tokio::test]
async fn a_swap_is_served_by_the_next_request_on_every_connection() {
    let Fleet { turnout, origins: _origins, addresses } = fleet().await;
    for name in ["old-2", "old-1", "old-2"] {
        let body = json!({"targets": [{"address": addresses[name], "weight": 1}], "why": "test"});
        turnout.command("PUT", "/v1/upstreams/old/targets", body).await;
        for _ in 0..10 {
            assert_eq!(turnout.get("/v1/sms").await.expect(200).origin(), name);
        }
    }
}
