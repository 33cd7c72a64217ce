//! Everything that can go away does, in turn, while clients are served and commands are given: Redis, the node that moves
//! rollouts, the others, and the wires between them. `TURNOUT_LONG=1` goes through it many times.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;

use super::kit::{Clients, Fleet, at, degraded, rollback};
use crate::kit::{Client, ask, eventually, eventually_some};

/// How long somebody who gives commands waits for an answer before going to the next node.
const PATIENCE: Duration = Duration::from_secs(2);

/// One command after the other, each to the next node, as long as it lives; and which of them were acknowledged.
struct Commands {
    task: JoinHandle<()>,
    ended: Arc<AtomicBool>,
    /// The reason that was given, by the revision that the answer told.
    acknowledged: Arc<Mutex<BTreeMap<u64, String>>>,
    count: Arc<AtomicU64>,
}

impl Commands {
    fn to(nodes: Vec<SocketAddr>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(Mutex::new(BTreeMap::new()));
        let count = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn({
            let (ended, acknowledged, count) = (ended.clone(), acknowledged.clone(), count.clone());
            async move {
                let client = Client::new();
                for (n, node) in (1_u64..).zip(nodes.into_iter().cycle()) {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    let why = format!("command {n}");
                    let body = json!({"share": format!("{}%", n % 100 + 1), "why": why});
                    let shift = ask("POST", "/v1/routes/sms/shift").json(&body);
                    let sent = tokio::time::timeout(PATIENCE, client.send(node, shift)).await;
                    let Ok(Ok(answer)) = sent else { continue };
                    if answer.status == 200 && answer.json()["changed"] == true {
                        let revision = answer.json()["revision"].as_u64().unwrap();
                        let twice = acknowledged.lock().unwrap().insert(revision, why);
                        assert_eq!(twice, None, "r{revision} was acknowledged twice");
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
        Self { task, ended, acknowledged, count }
    }

    /// Waits until some more are acknowledged.
    async fn go_on(&self) {
        let before = self.count.load(Ordering::SeqCst);
        eventually("commands are acknowledged", async || {
            self.count.load(Ordering::SeqCst) >= before + 5
        })
        .await;
    }

    async fn end(self) -> BTreeMap<u64, String> {
        self.ended.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        let acknowledged = self.acknowledged.lock().unwrap();
        acknowledged.clone()
    }
}

struct World {
    fleet: Fleet,
    clients: Vec<Option<Clients>>,
    commands: Commands,
    served: u64,
    rollbacks: u64,
}

impl World {
    async fn begin() -> Self {
        let fleet = Fleet::of(3).await;
        let clients = fleet.nodes.iter().map(|node| Some(Clients::of(node))).collect();
        let commands = Commands::to(fleet.nodes.iter().map(|node| node.control()).collect());
        commands.go_on().await;
        Self { fleet, clients, commands, served: 0, rollbacks: 0 }
    }

    /// Rolls back on a node, which is accepted whatever else is going on.
    async fn rollback(&mut self, node: usize) {
        rollback(&self.fleet.nodes[node]).await;
        self.rollbacks += 1;
    }

    async fn all_well(&self) {
        for node in &self.fleet.nodes {
            degraded(node, &[]).await;
        }
        self.commands.go_on().await;
    }

    async fn redis_hangs(&mut self) {
        self.fleet.redis.signal("STOP");
        degraded(&self.fleet.nodes[0], &["store"]).await;
        self.rollback(1).await;
        self.fleet.redis.signal("CONT");
        self.all_well().await;
    }

    async fn redis_is_killed(mut self) -> Self {
        let killed = self.fleet.redis.kill();
        degraded(&self.fleet.nodes[1], &["store"]).await;
        for node in 0..3 {
            rollback(&self.fleet.nodes[node]).await;
            self.rollbacks += 1;
        }
        self.fleet.redis = killed.start().await;
        self.all_well().await;
        self
    }

    async fn a_node_is_cut_off(&mut self, node: usize) {
        self.fleet.wires[node].cut();
        degraded(&self.fleet.nodes[node], &["store"]).await;
        self.commands.go_on().await;
        self.rollback(node).await;
        self.fleet.wires[node].mend();
        self.all_well().await;
    }

    async fn leader_hangs(&mut self) {
        let leader = eventually_some("somebody leads", async || self.fleet.leader().await).await;
        self.fleet.nodes[leader].signal("STOP");
        self.commands.go_on().await;
        self.rollback((leader + 1) % 3).await;
        self.fleet.nodes[leader].signal("CONT");
        self.all_well().await;
    }

    /// Whoever sends clients takes a node out before it is killed here: what a killed process was answering is lost in any
    /// case.
    async fn a_node_is_killed(&mut self, node: usize) {
        if let Some(clients) = self.clients[node].take() {
            self.served += clients.end().await;
        }
        let before = self.fleet.nodes[node].revision().await;
        let setup = self.fleet.nodes.remove(node).kill();
        self.commands.go_on().await;
        self.rollback(0).await;
        let mut again = setup.spawn();
        again.ready().await;
        // It may begin with what it kept itself, and then finds what is newer.
        eventually("it serves what had served", async || again.revision().await >= before).await;
        self.clients[node] = Some(Clients::of(&again));
        self.fleet.nodes.insert(node, again);
        self.all_well().await;
    }

    async fn end(mut self) {
        let acknowledged = self.commands.end().await;
        // A rollback with Redis away is the last word, also after it is back.
        self.fleet.redis.signal("STOP");
        self.rollbacks += 1;
        assert_eq!(rollback(&self.fleet.nodes[2]).await["scope"], "node");
        at(&self.fleet.nodes[2], "0%").await;
        self.fleet.redis.signal("CONT");
        self.fleet.all_at("0%").await;
        for clients in self.clients.into_iter().flatten() {
            self.served += clients.end().await;
        }
        let kept = self.fleet.nodes[0].view("/v1/revisions?limit=1000").await;
        let kept: BTreeMap<u64, String> = kept
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["revision"].as_u64().unwrap(), one["why"].as_str().unwrap().to_owned()))
            .collect();
        let oldest = kept.first_key_value().map_or(0, |(revision, _)| *revision);
        for (revision, why) in acknowledged.range(oldest..) {
            assert_eq!(kept.get(revision), Some(why), "r{revision} was acknowledged");
        }
        self.fleet.nodes[1].cli(&["audit", "verify"]).await.expect(0);
        println!(
            "{} requests served, {} commands acknowledged, {} rollbacks accepted; none failed or lost",
            self.served,
            acknowledged.len(),
            self.rollbacks
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_fails_and_nothing_acknowledged_is_lost_whatever_goes_away() {
    let rounds = if std::env::var_os("TURNOUT_LONG").is_some() { 10 } else { 1 };
    let mut world = World::begin().await;
    for round in 0..rounds {
        world.redis_hangs().await;
        world = world.redis_is_killed().await;
        world.a_node_is_cut_off((round + 1) % 3).await;
        world.leader_hangs().await;
        world.a_node_is_killed(round % 3).await;
    }
    world.end().await;
}
