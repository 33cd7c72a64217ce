//! What a fleet does while its Redis, or the way to it, is away.

use std::time::Instant;

use serde_json::json;

use super::kit::{Fleet, at, degraded, rollback, rollback_by, try_shift};
use crate::kit::{eventually, get};

const TENANTS: &str = "routes:\n  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}, tenant: {header: X-Tenant-Id}}\n";

#[tokio::test]
async fn traffic_goes_on_and_only_rollbacks_are_taken_while_redis_is_away() {
    let mut fleet = Fleet::of(2).await;
    fleet.nodes[0].shift("sms", "100%").await;
    fleet.all_at("100%").await;
    let killed = fleet.redis.kill();
    for node in &fleet.nodes {
        degraded(node, &["store"]).await;
        node.get("/v1/sms").await.expect(200);
    }
    assert_eq!(try_shift(&fleet.nodes[0], "5%").await, 503);
    let done = rollback(&fleet.nodes[0]).await;
    assert_eq!((&done["scope"], &done["changed"]), (&json!("node"), &json!(true)));
    at(&fleet.nodes[0], "0%").await;
    assert_eq!(fleet.nodes[0].get("/v1/sms").await.expect(200).origin(), "old");
    at(&fleet.nodes[1], "100%").await;
    // Killed and started again without Redis, it still knows: the last good revision, and the rollback.
    let setup = fleet.nodes.remove(0).kill();
    let mut again = setup.spawn();
    again.ready().await;
    at(&again, "0%").await;
    degraded(&again, &["store", "unstored"]).await;
    fleet.nodes.insert(0, again);
    fleet.redis = killed.start().await;
    // The rollback reaches everybody.
    fleet.all_at("0%").await;
    for node in &fleet.nodes {
        degraded(node, &[]).await;
    }
    assert_eq!(try_shift(&fleet.nodes[1], "5%").await, 200);
    fleet.all_at("5%").await;
    fleet.nodes[0].cli(&["audit", "verify"]).await.expect(0);
}

#[tokio::test]
async fn a_rollback_behind_a_cut_wire_wins_over_what_others_promoted_meanwhile() {
    let fleet = Fleet::of(2).await;
    fleet.nodes[0].shift("sms", "10%").await;
    fleet.all_at("10%").await;
    fleet.wires[1].cut();
    degraded(&fleet.nodes[1], &["store"]).await;
    rollback(&fleet.nodes[1]).await;
    fleet.nodes[0].shift("sms", "100%").await;
    fleet.wires[1].mend();
    fleet.all_at("0%").await;
}

#[tokio::test]
async fn a_rollback_that_every_node_is_told_does_not_undo_what_was_begun_anew_after_it() {
    let fleet = Fleet::of(2).await;
    fleet.nodes[0].shift("sms", "10%").await;
    fleet.all_at("10%").await;
    fleet.wires[1].cut();
    degraded(&fleet.nodes[1], &["store"]).await;
    let nodes = format!("{},{}", fleet.nodes[0].control(), fleet.nodes[1].control());
    let told = ["rollback", "sms", "--nodes", &nodes, "--why", "errors rise"];
    fleet.nodes[0].cli(&told).await.expect(0);
    // Somebody who knows of it begins anew, before the other node can store it.
    fleet.nodes[0].shift("sms", "5%").await;
    fleet.wires[1].mend();
    at(&fleet.nodes[1], "5%").await;
    fleet.all_at("5%").await;
    degraded(&fleet.nodes[1], &[]).await;
    fleet.all_at("5%").await;
}

#[tokio::test]
async fn a_rollback_wins_over_what_was_begun_anew_by_somebody_who_did_not_know_of_it() {
    let fleet = Fleet::of(2).await;
    fleet.nodes[0].shift("sms", "10%").await;
    fleet.all_at("10%").await;
    fleet.wires[1].cut();
    degraded(&fleet.nodes[1], &["store"]).await;
    // Of this rollback they know, and not of the one after it.
    rollback(&fleet.nodes[0]).await;
    fleet.nodes[0].shift("sms", "5%").await;
    rollback(&fleet.nodes[1]).await;
    fleet.wires[1].mend();
    degraded(&fleet.nodes[1], &[]).await;
    fleet.all_at("0%").await;
}

#[tokio::test]
async fn a_rollback_of_a_tenant_is_kept_for_the_others_although_nothing_changes_here() {
    let fleet = Fleet::with(2, TENANTS).await;
    let acme = json!({"tenant": "acme", "why": "errors rise"});
    rollback_by(&fleet.nodes[0], &acme).await;
    eventually("both know it", async || {
        fleet.nodes[0].revision().await == fleet.nodes[1].revision().await
    })
    .await;
    fleet.wires[1].cut();
    degraded(&fleet.nodes[1], &["store"]).await;
    let body = json!({"tenant": "acme", "share": "50%", "why": "test"});
    fleet.nodes[0].command("POST", "/v1/routes/sms/shift", body).await;
    let done = rollback_by(&fleet.nodes[1], &acme).await;
    assert_eq!(done["scope"], "node");
    fleet.wires[1].mend();
    degraded(&fleet.nodes[1], &[]).await;
    for node in &fleet.nodes {
        eventually("acme is on stable", async || {
            node.route("sms").await["tenants"]["first"][0]["share"] == "0%"
        })
        .await;
    }
}

#[tokio::test]
async fn a_rollback_of_what_this_node_never_saw_moving_wins_all_the_same() {
    let fleet = Fleet::of(2).await;
    fleet.wires[1].cut();
    degraded(&fleet.nodes[1], &["store"]).await;
    fleet.nodes[0].shift("sms", "50%").await;
    let done = rollback(&fleet.nodes[1]).await;
    assert_eq!(done["scope"], "node");
    fleet.wires[1].mend();
    fleet.all_at("0%").await;
}

#[tokio::test]
async fn a_store_that_was_emptied_is_never_followed() {
    let mut fleet = Fleet::of(2).await;
    fleet.nodes[0].shift("sms", "30%").await;
    fleet.all_at("30%").await;
    fleet.redis = fleet.redis.kill().start_empty().await;
    for node in &fleet.nodes {
        degraded(node, &["store_held"]).await;
        at(node, "30%").await;
    }
    assert_eq!(try_shift(&fleet.nodes[0], "5%").await, 503);
    // Not even after a restart, and a rollback is taken all the same.
    let setup = fleet.nodes.remove(0).kill();
    let mut again = setup.spawn();
    again.ready().await;
    at(&again, "30%").await;
    degraded(&again, &["store_held"]).await;
    let held = again.client.send(again.status(), get("/metrics")).await.unwrap().text();
    assert!(held.contains("turnout_store_held 1"), "{held}");
    rollback(&again).await;
    at(&again, "0%").await;
}

#[tokio::test]
async fn a_store_that_was_set_back_is_not_followed_until_it_is_restored() {
    let mut fleet = Fleet::of(2).await;
    fleet.nodes[0].shift("sms", "30%").await;
    fleet.all_at("30%").await;
    let killed = fleet.redis.kill();
    let before = killed.copy();
    fleet.redis = killed.start().await;
    for node in &fleet.nodes {
        degraded(node, &[]).await;
    }
    fleet.nodes[0].shift("sms", "60%").await;
    fleet.all_at("60%").await;
    let killed = fleet.redis.kill();
    let after = killed.copy();
    fleet.redis = killed.start_with(&before).await;
    for node in &fleet.nodes {
        degraded(node, &["store_held"]).await;
        at(node, "60%").await;
    }
    assert_eq!(try_shift(&fleet.nodes[0], "5%").await, 503);
    fleet.redis = fleet.redis.kill().start_with(&after).await;
    for node in &fleet.nodes {
        degraded(node, &[]).await;
        at(node, "60%").await;
    }
    fleet.nodes[1].shift("sms", "70%").await;
    fleet.all_at("70%").await;
}

#[tokio::test]
async fn without_redis_and_without_a_last_good_revision_everything_is_on_stable() {
    let mut fleet = Fleet::of(1).await;
    fleet.nodes[0].shift("sms", "100%").await;
    let setup = fleet.nodes.remove(0).kill();
    for file in ["turnout.db.last-good", "turnout.db.last-good.before"] {
        std::fs::remove_file(setup.folder().join(file)).ok();
    }
    let killed = fleet.redis.kill();
    let mut node = setup.spawn();
    node.ready().await;
    at(&node, "0%").await;
    degraded(&node, &["store"]).await;
    assert_eq!(node.get("/v1/sms").await.expect(200).origin(), "old");
    let redis = killed.start().await;
    at(&node, "100%").await;
    degraded(&node, &[]).await;
    drop(redis);
}

#[tokio::test]
async fn a_redis_that_hangs_holds_up_neither_traffic_nor_a_rollback() {
    let fleet = Fleet::of(1).await;
    let node = &fleet.nodes[0];
    node.shift("sms", "100%").await;
    fleet.redis.signal("STOP");
    // Another command waits for the store, until that is given up.
    let given_up = async {
        assert_eq!(try_shift(node, "60%").await, 503);
        Instant::now()
    };
    let rolled_back = async {
        let done = rollback(node).await;
        let answered = Instant::now();
        assert_eq!(done["scope"], "node");
        assert_eq!(node.get("/v1/sms").await.expect(200).origin(), "old");
        answered
    };
    let (given_up, rolled_back) = tokio::join!(given_up, rolled_back);
    assert!(rolled_back < given_up, "it waits for none of the store's time-outs");
    fleet.redis.signal("CONT");
    degraded(node, &[]).await;
    at(node, "0%").await;
}

#[tokio::test]
async fn each_node_can_be_told_to_roll_back_itself() {
    let mut fleet = Fleet::of(2).await;
    fleet.nodes[0].shift("sms", "60%").await;
    fleet.all_at("60%").await;
    let killed = fleet.redis.kill();
    let addresses = fleet.nodes.iter().map(|node| node.control().to_string());
    let mut nodes: Vec<String> = addresses.collect();
    let all = nodes.join(",");
    let told = ["rollback", "sms", "--nodes", &all, "--why", "errors rise"];
    let said = fleet.nodes[0].cli(&told).await.expect(0).stdout;
    assert_eq!(said.matches("this node alone, until its store is back").count(), 2, "{said}");
    assert!(said.ends_with("done on 2 of 2 nodes\n"), "{said}");
    for node in &fleet.nodes {
        at(node, "0%").await;
    }
    // One that is not there: the others are told all the same, and it is said.
    nodes.push("127.0.0.1:1".to_owned());
    let all = nodes.join(",");
    let told = ["rollback", "sms", "--nodes", &all, "--why", "errors rise", "-o", "json"];
    let said = fleet.nodes[0].cli(&told).await.expect(1).json();
    assert_eq!(said[1]["node"], nodes[1].as_str());
    assert!(said[1]["revision"].is_u64(), "{said}");
    assert!(said[2]["error"].as_str().unwrap().contains("no answer"), "{said}");
    fleet.redis = killed.start().await;
    for node in &fleet.nodes {
        degraded(node, &[]).await;
    }
    fleet.all_at("0%").await;
    let revisions = fleet.nodes[1].view("/v1/revisions").await;
    let rolled_back = |one: &serde_json::Value| one["command"] == "rollback";
    assert!(revisions.as_array().unwrap().iter().any(rolled_back), "{revisions}");
}
