//! How soon does a shift serve, on the node that is told and on all? Measured and printed; `TURNOUT_LONG=1` has ten nodes and
//! 200 trials, which is what a claim needs.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use super::kit::{Clients, Fleet};
use crate::kit::{Turnout, eventually, get};

/// Nodes and trials.
fn size() -> (usize, usize) {
    if std::env::var_os("TURNOUT_LONG").is_some() { (10, 200) } else { (3, 5) }
}

/// Waits until a client of the node is served by this revision or a later one.
async fn serves(node: &Turnout, revision: u64) {
    eventually(&format!("r{revision} serves"), async || {
        let request = get("/v1/sms").header("turnout-debug", "1");
        let answer = node.client.send(node.proxy(), request).await.unwrap();
        let serving = answer.header("x-turnout-revision").unwrap().trim_start_matches('r');
        serving.parse::<u64>().unwrap() >= revision
    })
    .await;
}

/// How long the node that was told took, and all nodes, for each of so many shifts under load.
async fn trials(fleet: &Fleet, trials: usize) -> [Vec<Duration>; 2] {
    let clients: Vec<_> = fleet.nodes.iter().map(Clients::of).collect();
    let (mut one, mut all) = (Vec::new(), Vec::new());
    for trial in 0..trials {
        let told = &fleet.nodes[trial % fleet.nodes.len()];
        let body = json!({"share": format!("{}%", trial % 100 + 1), "why": "test"});
        let begun = Instant::now();
        let done = told.command("POST", "/v1/routes/sms/shift", body).await;
        let revision = done["revision"].as_u64().unwrap();
        serves(told, revision).await;
        one.push(begun.elapsed());
        join_all(fleet.nodes.iter().map(|node| serves(node, revision))).await;
        all.push(begun.elapsed());
    }
    for clients in clients {
        clients.end().await;
    }
    [one, all]
}

fn print(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    println!("{what}: p50 {:.1?}, p99 {:.1?}, of {} shifts", at(50), at(99), took.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shift_serves_everywhere_soon_with_hints_and_without() {
    let (nodes, count) = size();
    let fleet = Fleet::of(nodes).await;
    let [one, all] = trials(&fleet, count).await;
    print("one node", one);
    print(&format!("{nodes} nodes"), all);
    // Nobody may tell or hear anything any more.
    fleet.redis.say("ACL SETUSER default resetchannels").await.unwrap();
    fleet.redis.say("CLIENT KILL TYPE pubsub").await.unwrap();
    let [_, all] = trials(&fleet, count).await;
    print(&format!("{nodes} nodes, every message dropped"), all);
}
