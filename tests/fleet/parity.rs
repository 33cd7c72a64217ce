//! Parity of a fleet: what all nodes have found of the answers is what any of them shows, and what a gate goes by.

use serde_json::{Value, json};

use super::kit::{Clients, Fleet};
use crate::kit::{Reply, Turnout, eventually, eventually_some, get};

/// Each answer differs in one field of about thirty: all exchanges differ, and few fields do.
const RAMP: &str = r#"
rollouts:
  ramp:
    steps: [{shadow: 100%, for: 1s}, {approval: {needed: 1}}, {live: true, for: 1h}]
    gates: {error_rate: {max: 20%}, parity: {max: 10%}, low_traffic: absolute_only, min_requests: 20}
routes:
  sms:
    canonical: /v1/sms
    stable: {upstream: old}
    candidate: {upstream: new}
    compare: {ignore_headers: [x-origin], limits: {min_coverage: 50%}}
    rollout: ramp
"#;

fn answer(first: u32) -> Value {
    let fields = (0..30).map(|n| (format!("field{n}"), if n == 0 { first } else { n }.into()));
    Value::Object(fields.collect())
}

/// A rollout under way whose candidate answers so. The node that moves it sees no exchange itself.
async fn begun(candidate: Value) -> (Fleet, usize, [Clients; 2]) {
    let fleet = Fleet::with(3, RAMP).await;
    let [old, new] = &fleet.origins;
    old.behave(|_| Reply::json(&answer(1)));
    new.behave(move |_| Reply::json(&candidate));
    let leader = eventually_some("one node holds the lease", async || fleet.leader().await).await;
    let body = json!({"action": "start", "why": "test"});
    fleet.nodes[leader].command("POST", "/v1/routes/sms/rollout", body).await;
    let clients = [1, 2].map(|next| Clients::of(&fleet.nodes[(leader + next) % 3]));
    (fleet, leader, clients)
}

#[tokio::test]
async fn a_gate_goes_by_the_figures_of_all_nodes() {
    let (fleet, leader, clients) = begun(answer(2)).await;
    eventually("the first step is passed", async || {
        let rollout = fleet.nodes[leader].view("/v1/routes/sms/rollout").await[0].clone();
        assert_ne!(rollout["phase"], "aborted", "{rollout}");
        rollout["step"] == 2
    })
    .await;
    for clients in clients {
        assert!(clients.end().await > 0);
    }
}

#[tokio::test]
async fn what_other_nodes_find_takes_a_rollout_back() {
    let (fleet, leader, clients) = begun(json!({"other": true})).await;
    let asked = &fleet.nodes[leader];
    eventually("it is taken back", async || {
        asked.view("/v1/routes/sms/rollout").await[0]["phase"] == "aborted"
    })
    .await;
    for clients in clients {
        clients.end().await;
    }
    let history = asked.view("/v1/routes/sms/rollout/history").await;
    let mut reasons = history.as_array().unwrap().iter().filter_map(|entry| entry["why"].as_str());
    assert!(reasons.any(|why| why.contains("parity: ")), "{history}");
}

const SHADOWED: &str = "routes:\n  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}, \
                        compare: {ignore_headers: [x-origin]}, start: {shadow: 100%}}\n";

async fn serve(node: &Turnout, many: usize) {
    for _ in 0..many {
        node.get("/v1/sms").await.expect(200);
    }
}

/// How often each place differs, by what a node shows.
async fn signatures(node: &Turnout) -> Vec<(Value, Value)> {
    let seen = node.view("/v1/routes/sms/signatures").await;
    let of = |one: &Value| (one["path"].clone(), one["count"].clone());
    seen.as_array().unwrap().iter().map(of).collect()
}

#[tokio::test]
async fn any_node_shows_what_all_have_found() {
    let fleet = Fleet::with(3, SHADOWED).await;
    let [old, new] = &fleet.origins;
    old.behave(|_| Reply::json(&answer(1)));
    new.behave(|_| Reply::json(&answer(2)));
    let [idle, one, two] = &fleet.nodes[..] else { panic!("three nodes") };
    serve(one, 7).await;
    // What differs elsewhere is seen by one node alone.
    new.behave(|request| {
        let (mut answer, also) = (answer(2), request.headers.contains_key("x-also"));
        answer["field1"] = if also { json!("one") } else { json!(1) };
        Reply::json(&answer)
    });
    serve(two, 4).await;
    for _ in 0..2 {
        two.send(get("/v1/sms").header("x-also", "1")).await.expect(200);
    }
    for node in [idle, one, two] {
        eventually("all exchanges are shown", async || {
            let parity = node.view("/v1/routes/sms/parity").await;
            let stage = parity["windows"].as_array().unwrap().last().unwrap().clone();
            let counts = (&stage["window"], &stage["compared"], &stage["mismatched"]);
            counts == (&json!("stage"), &json!(13), &json!(13))
        })
        .await;
        let expected = [(json!("/field0"), json!(13)), (json!("/field1"), json!(2))];
        assert_eq!(signatures(node).await, expected);
    }
    // A node that saw nothing has nothing to add, and is not counted.
    assert_eq!(idle.view("/v1/routes/sms/parity").await["nodes"], 3);
    assert_eq!(one.view("/v1/routes/sms/parity").await["nodes"], 2);
    let shown = one.cli(&["parity", "sms"]).await;
    assert!(shown.stdout.contains("2 nodes"), "{shown:?}");
}
