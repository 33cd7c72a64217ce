//! What one node is told, all serve.

use serde_json::json;

use super::kit::{Fleet, degraded, try_shift};
use crate::kit::eventually;

#[tokio::test]
async fn what_one_node_is_told_all_serve() {
    let fleet = Fleet::of(3).await;
    fleet.nodes[0].shift("sms", "25%").await;
    fleet.all_at("25%").await;
    fleet.nodes[2].rollback("sms").await;
    fleet.all_at("0%").await;
    let revisions = fleet.nodes[1].cli(&["revisions", "-o", "json"]).await.expect(0).json();
    assert_eq!(revisions.as_array().unwrap().len(), 3, "{revisions}");
    let verified = fleet.nodes[1].cli(&["audit", "verify"]).await.expect(0).stdout;
    assert!(verified.contains("lines 1 to 3 hold"), "{verified}");
}

#[tokio::test]
async fn what_many_nodes_are_told_at_once_is_one_history() {
    let fleet = Fleet::of(3).await;
    let told = fleet.nodes.iter().enumerate().map(|(n, node)| async move {
        for step in 0..5 {
            assert_eq!(try_shift(node, &format!("{}%", n * 10 + step + 1)).await, 200);
        }
    });
    futures(told).await;
    eventually("all serve the last one", async || {
        let mut at = Vec::new();
        for node in &fleet.nodes {
            at.push(node.revision().await);
        }
        at.iter().all(|revision| *revision == 16)
    })
    .await;
}

#[tokio::test]
async fn an_answer_says_how_many_serve_and_waits_for_all_where_that_is_asked() {
    let fleet = Fleet::of(3).await;
    eventually("all are heard of", async || {
        fleet.nodes[0].view("/v1/nodes").await.as_array().unwrap().len() == 3
    })
    .await;
    let body = json!({"share": "25%", "why": "test"});
    let path = "/v1/routes/sms/shift?wait=all&timeout=20s";
    let done = fleet.nodes[0].command("POST", path, body.clone()).await;
    assert_eq!(done["fleet"], json!({"serving": 3, "nodes": 3}));
    for node in &fleet.nodes {
        assert_eq!(node.route("sms").await["share"], "25%");
    }
    let told = fleet.nodes[1].cli(&["shift", "sms", "30%", "--why", "w"]).await.expect(0).stdout;
    assert!(told.contains(" of 3 nodes"), "{told}");
    fleet.wires[2].cut();
    let late = "/v1/routes/sms/shift?wait=all&timeout=100ms";
    let body = json!({"share": "35%", "why": "test"});
    let done = fleet.nodes[0].command("POST", late, body).await;
    assert_eq!(done["fleet"]["nodes"], 3);
    assert!(done["fleet"]["serving"].as_u64().unwrap() < 3, "{done}");
    let nodes = fleet.nodes[0].cli(&["nodes"]).await.expect(0).stdout;
    assert_eq!(nodes.matches("(asked)").count(), 1, "{nodes}");
}

#[tokio::test]
async fn without_hints_the_poll_finds_it() {
    let fleet = Fleet::of(2).await;
    // Nobody may tell or hear anything any more.
    fleet.redis.say("ACL SETUSER default resetchannels").await.unwrap();
    fleet.redis.say("CLIENT KILL TYPE pubsub").await.unwrap();
    fleet.nodes[0].shift("sms", "40%").await;
    fleet.all_at("40%").await;
}

#[tokio::test]
async fn a_redis_that_may_lose_what_it_acknowledged_is_warned_of() {
    let mut fleet = Fleet::of(1).await;
    fleet.redis.say("CONFIG SET appendfsync everysec").await.unwrap();
    let setup = fleet.nodes.remove(0).kill();
    let mut node = setup.spawn();
    node.ready().await;
    let said = "store: appendonly is yes and appendfsync everysec";
    eventually("it is warned of", async || {
        node.cli(&["status"]).await.expect(0).stdout.contains(said)
    })
    .await;
    assert!(node.metrics().await.contains("turnout_store_cautions 1"));
    let logged = "acknowledged commands are not as safe as they could be";
    eventually("it is logged", async || node.output().contains(logged)).await;
}

/// Containers may be called all the same, and say so where that is wrong.
#[tokio::test]
async fn two_processes_by_one_name_say_so() {
    let fleet = Fleet::of(2).await;
    let node = &fleet.nodes[0];
    let setup = node.setup().node_of_fleet(fleet.redis.address()).called_as(node);
    setup.write();
    let mut namesake = setup.spawn();
    namesake.ready().await;
    let said = "another process uses this node's name";
    for one in [node, &namesake] {
        degraded(one, &["namesake"]).await;
        let shown = one.cli(&["status"]).await.expect(0).stdout;
        assert!(shown.contains(said) && one.output().contains(said), "{shown}");
    }
    degraded(&fleet.nodes[1], &[]).await;
    assert!(!fleet.nodes[1].output().contains(said));
    drop(namesake.kill());
    degraded(node, &[]).await;
}

async fn futures(all: impl Iterator<Item = impl Future<Output = ()>>) {
    futures_util::future::join_all(all).await;
}
