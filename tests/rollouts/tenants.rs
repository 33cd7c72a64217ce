//! Do single tenants move by rollouts of their own, judged by their own requests?

use loadtest::load::Load;
use serde_json::{Value, json};

use super::{load, same};
use crate::kit::{Reply, Setup, Turnout, eventually, eventually_some, get, scripted, status};

const PLANS: &str = r#"
rollouts:
  one:
    steps: [{shadow: 100%, for: 1s}, {canary: 50%, for: 1s}, {live: true, for: 1s}]
    gates: {error_rate: {max: 20%}, parity: {max: 50%}, low_traffic: absolute_only, min_requests: 20}
routes:
  sms:
    canonical: /v1/sms
    stable: {upstream: old}
    candidate: {upstream: new}
    tenant: {query: t}
    compare: {ignore_headers: [x-origin], limits: {min_coverage: 50%}}
cohorts: {all: {tenants: [acme, b2, c3]}}
"#;

/// Requests without a tenant, which stable serves.
const NOBODY: &str = "";

/// Requests of some tenants, as long as it lives.
fn load_of(turnout: &Turnout, ids: &[&str]) -> Load {
    let path = |id: &&str| match *id {
        NOBODY => "/v1/sms".to_owned(),
        id => format!("/v1/sms?t={id}"),
    };
    let paths: Vec<String> = ids.iter().map(path).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    load(turnout, 240.0, &paths)
}

async fn start(turnout: &Turnout, tenant: &str) {
    let asked = ["rollout", "start", "sms", "--tenant", tenant, "--plan", "one", "--why", "test"];
    turnout.cli(&asked).await.expect(0);
}

async fn reaches(turnout: &Turnout, tenant: &str, phase: &str) -> Value {
    eventually_some(&format!("the rollout of {tenant} is {phase}"), async || {
        let asked = format!("/v1/routes/sms/rollout?tenant={tenant}");
        let rollouts = turnout.view(&asked).await;
        assert_eq!(rollouts.as_array().unwrap().len(), 1, "of {tenant} alone: {rollouts}");
        (rollouts[0]["phase"] == phase).then(|| rollouts[0].clone())
    })
    .await
}

#[tokio::test]
async fn each_tenant_is_judged_by_its_own_requests() {
    let old = scripted("old", same).await;
    // Of one tenant the new service fails everything.
    let new = scripted("new", |seen| {
        if seen.path_and_query.contains("t=b2") { status(500) } else { Reply::text("ok") }
    })
    .await;
    let setup = Setup::new(PLANS).upstream("old", old.address()).upstream("new", new.address());
    let turnout = setup.start().await;
    let _load = load_of(&turnout, &["acme", "b2", "c3"]);
    for tenant in ["acme", "b2"] {
        start(&turnout, tenant).await;
    }
    let done = reaches(&turnout, "acme", "completed").await;
    assert_eq!((&done["tenant"], &done["step"]), (&json!("acme"), &json!(3)));
    let back = reaches(&turnout, "b2", "aborted").await;
    assert_eq!(back["step"], 1, "its answers differ from stable's before anybody gets them");
    let shown =
        turnout.cli(&["rollout", "history", "sms", "--tenant", "b2"]).await.expect(0).stdout;
    assert!(shown.contains("tenant b2") && !shown.contains("acme"), "{shown}");
    assert!(shown.contains("a gate fails: "), "{shown}");
    // Nobody else was moved, and nobody is named in metrics.
    let route = turnout.route("sms").await;
    assert_eq!((&route["stage"], &route["tenants"]["count"]), (&json!("off"), &json!(2)));
    assert!(!turnout.metrics().await.contains("b2"));

    // A rollback of the cohort takes back what its tenant's rollout moved, although that is completed.
    turnout.cli(&["rollback", "sms", "--cohort", "all", "--why", "test"]).await.expect(0);
    reaches(&turnout, "acme", "aborted").await;
    let before = new.count();
    for _ in 0..20 {
        let answer = turnout.client.send(turnout.proxy(), get("/v1/sms?t=acme")).await.unwrap();
        assert_eq!(answer.expect(200).header("x-origin"), Some("old"));
    }
    assert_eq!(new.count(), before);
}

/// A step waits for different tenants, and not for requests of the same ones.
#[tokio::test]
async fn a_step_waits_for_its_smallest_number_of_tenants() {
    let (old, new) = (scripted("old", same).await, scripted("new", same).await);
    let plan = PLANS.replace("min_requests: 20}", "min_requests: 20, min_tenants: 6}");
    let plan = plan.replace("{canary: 50%, for: 1s}, ", "");
    let setup = Setup::new(&plan.replace("shadow: 100%, for: 1s", "canary: 99.99%, for: 1s"));
    let setup = setup.upstream("old", old.address()).upstream("new", new.address());
    let turnout = setup.start().await;
    let of_one = ["rollout", "start", "sms", "--tenant", "a", "--plan", "one", "--why", "test"];
    let refused = turnout.cli(&of_one).await.expect(75).stderr;
    assert!(refused.contains("asks for more tenants than one (`min_tenants`)"), "{refused}");

    let _few = load_of(&turnout, &[NOBODY, "t1", "t2", "t3"]);
    turnout.cli(&["rollout", "start", "sms", "--plan", "one", "--why", "test"]).await.expect(0);
    let waits = |text: &'static str| {
        let turnout = &turnout;
        async move || {
            let rollout = turnout.view("/v1/routes/sms/rollout").await[0].clone();
            let waits: Vec<Value> = rollout["waits"].as_array().unwrap().clone();
            waits.len() == 1 && waits[0]["text"] == text
        }
    };
    let missing = "min_tenants tenants: seen 3 of 6 tenants";
    eventually("only tenants are waited for", waits(missing)).await;
    let shown = turnout.cli(&["rollout", "status", "sms"]).await.expect(0).stdout;
    assert!(shown.contains(missing), "{shown}");
    let metrics = turnout.metrics().await;
    assert_eq!(
        crate::kit::sample(&metrics, "turnout_gate_status", &[r#"gate="min_tenants""#]),
        Some(0.0)
    );

    let _more = load_of(&turnout, &["t4", "t5", "t6"]);
    eventually("it goes on with six of them", async || {
        turnout.view("/v1/routes/sms/rollout").await[0]["step"] == 2
    })
    .await;
    let history = turnout.view("/v1/routes/sms/rollout/history").await;
    assert!(
        history[0]["why"].as_str().unwrap().contains("min_tenants: seen 6 of 6 tenants"),
        "{history}"
    );
}

#[tokio::test]
async fn a_rollback_beats_a_tenants_rollout_and_so_does_its_routes() {
    let (old, new) = (scripted("old", same).await, scripted("new", same).await);
    let setup = Setup::new(&PLANS.replace("for: 1s", "for: 1h"));
    let setup = setup.upstream("old", old.address()).upstream("new", new.address());
    let turnout = setup.start().await;
    let _load = load_of(&turnout, &["acme", "b2"]);
    for tenant in ["acme", "b2"] {
        start(&turnout, tenant).await;
        let why = ["--tenant", tenant, "--why", "test"];
        turnout.cli(&[&["rollout", "promote", "sms"][..], &why].concat()).await.expect(0);
        turnout.cli(&[&["rollout", "pause", "sms"][..], &why].concat()).await.expect(0);
        turnout.cli(&[&["rollout", "resume", "sms"][..], &why].concat()).await.expect(0);
    }
    eventually("both are judged by requests of their own", async || {
        let rollouts = turnout.view("/v1/routes/sms/rollout").await;
        rollouts.as_array().unwrap().iter().all(|rollout| {
            let gates = rollout["gates"].as_array().unwrap().iter();
            let sample = gates.filter(|gate| gate["gate"] == "min_requests");
            sample.map(|gate| gate["verdict"] == "pass").next() == Some(true)
        })
    })
    .await;
    turnout.cli(&["rollout", "abort", "sms", "--tenant", "acme", "--why", "test"]).await.expect(0);
    reaches(&turnout, "acme", "aborted").await;
    reaches(&turnout, "b2", "running").await;
    turnout.rollback("sms").await;
    reaches(&turnout, "b2", "aborted").await;
    let watched = ["rollout", "status", "sms", "--tenant", "b2", "--watch"];
    assert!(turnout.cli(&watched).await.expect(1).stdout.contains("sms, tenant b2"));
}
