//! Rollouts of a fleet: judged by what all nodes serve, moved by one of them, and by another one when that is gone.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use super::kit::{Clients, Fleet};
use crate::kit::{Turnout, eventually, eventually_some, get, scripted, status};

/// Four steps, as short as the tests are patient.
const RAMP: &str = r#"
rollouts:
  ramp:
    steps: [{canary: 20%, for: 1s}, {canary: 40%, for: 1s}, {canary: 60%, for: 1s}, {live: true, for: 1s}]
    gates: {error_rate: {max: 20%}, low_traffic: absolute_only, min_requests: 20}
routes:
  sms:
    canonical: /v1/sms
    stable: {upstream: old}
    candidate: {upstream: new}
    rollout: ramp
"#;
/// Each step once, none left out.
const WHOLE: [&str; 5] = [
    "sms: rollout ramp started, step 1 of 4: canary 20%, off -> canary 20%",
    "sms: rollout, step 2 of 4: canary 40%, canary 20% -> 40%",
    "sms: rollout, step 3 of 4: canary 60%, canary 40% -> 60%",
    "sms: rollout, step 4 of 4: live, canary 60% -> live",
    "sms: rollout completed",
];

async fn start(node: &Turnout) {
    let body = json!({"action": "start", "why": "test"});
    node.command("POST", "/v1/routes/sms/rollout", body).await;
}

async fn rollout(node: &Turnout) -> Value {
    node.view("/v1/routes/sms/rollout").await[0].clone()
}

async fn reaches(node: &Turnout, phase: &str) {
    eventually(&format!("the rollout is {phase}"), async || rollout(node).await["phase"] == phase)
        .await;
}

async fn summaries(node: &Turnout) -> Vec<String> {
    let entries = node.view("/v1/routes/sms/rollout/history").await;
    let entries = entries.as_array().unwrap().iter().rev();
    entries.map(|entry| entry["summary"].as_str().unwrap().to_owned()).collect()
}

async fn leader(fleet: &Fleet) -> usize {
    eventually_some("one node holds the lease", async || fleet.leader().await).await
}

#[tokio::test]
async fn a_rollout_is_judged_by_what_other_nodes_serve() {
    let fleet = Fleet::with(2, RAMP).await;
    let leader = leader(&fleet).await;
    let other = &fleet.nodes[1 - leader];
    // The node that moves the rollout serves nobody itself.
    let clients = Clients::of(other);
    start(other).await;
    reaches(other, "completed").await;
    clients.end().await;
    reaches(&fleet.nodes[leader], "completed").await;
    assert_eq!(summaries(&fleet.nodes[leader]).await, WHOLE);
}

/// The node that moves it serves nobody of the tenant.
#[tokio::test]
async fn a_tenants_rollout_is_judged_by_what_other_nodes_serve_of_it() {
    let fleet =
        Fleet::with(2, &format!("{RAMP}    tenant: {{query: t, missing: {{tenant: acme}}}}\n"))
            .await;
    let leader = leader(&fleet).await;
    let other = &fleet.nodes[1 - leader];
    let clients = Clients::of(other);
    let body = json!({"action": "start", "tenant": "acme", "why": "test"});
    other.command("POST", "/v1/routes/sms/rollout", body).await;
    reaches(other, "completed").await;
    clients.end().await;
    let asked = rollout(&fleet.nodes[leader]).await;
    assert_eq!((&asked["tenant"], &asked["phase"]), (&json!("acme"), &json!("completed")));
}

/// Who is served by several nodes is one tenant, and who is served by another node counts.
#[tokio::test]
async fn tenants_are_counted_over_all_nodes() {
    let plan = RAMP.replace("{canary: 20%, for: 1s}, {canary: 40%, for: 1s}, ", "");
    let plan = plan.replace("canary: 60%", "canary: 99.99%");
    let plan = plan.replace("min_requests: 20}", "min_requests: 20, min_tenants: 7}");
    let fleet = Fleet::with(2, &format!("{plan}    tenant: {{query: t}}\n")).await;
    leader(&fleet).await;
    start(&fleet.nodes[0]).await;
    // Four on each, of whom one on both.
    let serve = async || {
        for (node, tenants) in fleet.nodes.iter().zip([["a", "b", "c", "d"], ["d", "e", "f", "g"]])
        {
            let of_tenants = tenants.map(|tenant| format!("/v1/sms?t={tenant}"));
            // Those of nobody are stable's.
            for path in of_tenants.iter().map(String::as_str).chain(["/v1/sms"]) {
                node.client.send(node.proxy(), get(path)).await.unwrap().expect(200);
            }
        }
    };
    eventually("the first step is over", async || {
        serve().await;
        rollout(&fleet.nodes[0]).await["step"] == 2
    })
    .await;
    let history = fleet.nodes[0].view("/v1/routes/sms/rollout/history").await;
    let why = history[0]["why"].as_str().unwrap();
    assert!(why.contains("min_tenants: seen 7 of 7 tenants"), "{why}");
}

#[tokio::test]
async fn a_node_that_says_nothing_holds_a_rollout() {
    let asking = RAMP.replace("{canary: 20%, for: 1s}", "{approval: {needed: 1}}");
    let fleet = Fleet::with(2, &asking).await;
    let leader = leader(&fleet).await;
    let asked = &fleet.nodes[leader];
    eventually("both are heard of", async || {
        asked.view("/v1/nodes").await.as_array().unwrap().len() == 2
    })
    .await;
    start(asked).await;
    // It serves on, but nobody hears of it.
    fleet.wires[1 - leader].cut();
    waits_for(asked, &["approvals", "requests"]).await;
    let body = json!({"action": "approve", "why": "test"});
    asked.command("POST", "/v1/routes/sms/rollout", body).await;
    waits_for(asked, &["requests"]).await;
    fleet.wires[1 - leader].mend();
    eventually("it goes on", async || rollout(asked).await["step"] == 2).await;
}

async fn waits_for(node: &Turnout, kinds: &[&str]) {
    eventually(&format!("it waits for {kinds:?}"), async || {
        let rollout = rollout(node).await;
        let waits = rollout["waits"].as_array().unwrap().iter();
        waits.map(|wait| wait["kind"].as_str().unwrap()).eq(kinds.iter().copied())
    })
    .await;
}

/// Waits until another node has the lease, and says which and after how long.
async fn taken_over(fleet: &Fleet, from: u16) -> usize {
    let begun = Instant::now();
    let heir = eventually_some("another node has the lease", async || {
        let leader = fleet.leader().await?;
        (fleet.nodes[leader].control().port() != from).then_some(leader)
    })
    .await;
    println!("another node took over after {:.1?}", begun.elapsed());
    heir
}

async fn at_second_step(node: &Turnout) {
    eventually("the second step is reached", async || rollout(node).await["step"] != 1).await;
}

#[tokio::test]
async fn when_the_node_that_moves_a_rollout_is_killed_another_one_goes_on() {
    let mut fleet = Fleet::with(3, RAMP).await;
    let leader = leader(&fleet).await;
    let killed = fleet.nodes.remove(leader);
    let clients: Vec<_> = fleet.nodes.iter().map(Clients::of).collect();
    start(&killed).await;
    at_second_step(&killed).await;
    let port = killed.control().port();
    let setup = killed.kill();
    taken_over(&fleet, port).await;
    let mut again = setup.spawn();
    again.ready().await;
    reaches(&fleet.nodes[0], "completed").await;
    for clients in clients {
        clients.end().await;
    }
    reaches(&again, "completed").await;
    assert_eq!(summaries(&again).await, WHOLE);
    again.cli(&["audit", "verify"]).await.expect(0);
}

#[tokio::test]
async fn when_the_node_that_moves_a_rollout_hangs_another_one_goes_on_and_it_does_nothing_late() {
    let fleet = Fleet::with(3, RAMP).await;
    let leader = leader(&fleet).await;
    let (hangs, heir) = (&fleet.nodes[leader], &fleet.nodes[(leader + 1) % 3]);
    let clients = Clients::of(heir);
    start(hangs).await;
    at_second_step(hangs).await;
    hangs.signal("STOP");
    taken_over(&fleet, hangs.control().port()).await;
    hangs.signal("CONT");
    reaches(heir, "completed").await;
    clients.end().await;
    for node in &fleet.nodes {
        reaches(node, "completed").await;
        assert_eq!(summaries(node).await, WHOLE);
    }
}

/// Whoever is told does not answer, and the node that tells is killed: another one tells the same message.
#[tokio::test]
async fn what_waits_on_a_node_that_is_killed_is_told_by_another_one() {
    let desk = scripted("desk", |_| status(503)).await;
    let told = format!(
        "externals: {{desk: {{url: \"http://{}\"}}}}\nnotifications: [{{to: desk}}]",
        desk.address()
    );
    let mut fleet = Fleet::with(2, &format!("{told}{RAMP}")).await;
    let leader = leader(&fleet).await;
    start(&fleet.nodes[leader]).await;
    eventually("it is tried", async || desk.count() > 0).await;
    fleet.nodes.remove(leader).kill();
    let tried = desk.count();
    desk.behave(|_| status(204));
    eventually("the other one tells it", async || desk.count() > tried).await;
    let deliveries: Vec<_> = desk.requests();
    let deliveries: BTreeSet<_> =
        deliveries.iter().map(|one| one.header("turnout-delivery")).collect();
    assert_eq!(deliveries.len(), 1, "the same message");
}

/// As an upgrade of a fleet does it: one is replaced while it serves, the other one is stopped in good order and started again.
#[tokio::test]
async fn a_rollout_goes_on_by_itself_when_nodes_were_restarted_one_by_one() {
    let asking = RAMP.replace("{canary: 40%, for: 1s}", "{approval: {needed: 1}}");
    let mut fleet = Fleet::with(2, &asking).await;
    let leader = leader(&fleet).await;
    let (mut other, mut moves) = (fleet.nodes.remove(1 - leader), fleet.nodes.remove(0));
    let clients = Clients::of(&other);
    start(&moves).await;
    waits_for(&moves, &["approvals"]).await;
    let upgraded = moves.upgrade().await;
    moves.ended().await;
    clients.end().await;
    let clients = Clients::of(&upgraded);
    other.signal("TERM");
    other.ended().await;
    let mut again = other.setup().spawn();
    again.ready().await;
    assert_eq!(rollout(&again).await["step"], 2, "nothing moves by a restart");
    let body = json!({"action": "approve", "why": "test"});
    again.command("POST", "/v1/routes/sms/rollout", body).await;
    reaches(&upgraded, "completed").await;
    clients.end().await;
    reaches(&again, "completed").await;
    let expected = [
        "sms: rollout ramp started, step 1 of 4: canary 20%, off -> canary 20%",
        "sms: rollout, step 2 of 4: approval by 1, canary 20%",
        "sms: approved, 1 of 1",
        "sms: rollout, step 3 of 4: canary 60%, canary 20% -> 60%",
        "sms: rollout, step 4 of 4: live, canary 60% -> live",
        "sms: rollout completed",
    ];
    assert_eq!(summaries(&again).await, expected);
}
