//! Nodes that share one Redis, each on a wire of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::kit::{Origin, Redis, Setup, Turnout, Wire, ask, eventually, get, origin};

const ROUTES: &str =
    "routes:\n  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}}\n";

/// A fleet, its Redis, and the services behind it.
pub(super) struct Fleet {
    pub(super) nodes: Vec<Turnout>,
    pub(super) wires: Vec<Wire>,
    pub(super) redis: Redis,
    pub(super) origins: [Origin; 2],
}

impl Fleet {
    pub(super) async fn of(count: usize) -> Self {
        Self::with(count, ROUTES).await
    }

    /// The same, with this for the rest of the file.
    pub(super) async fn with(count: usize, routes: &str) -> Self {
        let (old, new) = (origin("old").await, origin("new").await);
        let redis = Redis::start().await;
        let setup =
            Setup::new(routes).upstream("old", old.address()).upstream("new", new.address());
        let (mut nodes, mut wires) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let wire = Wire::to(redis.address()).await;
            nodes.push(setup.node_of_fleet(wire.address()).start().await);
            wires.push(wire);
        }
        Self { nodes, wires, redis, origins: [old, new] }
    }

    /// Which node moves rollouts, by its place; none for a moment when nobody has the lease.
    pub(super) async fn leader(&self) -> Option<usize> {
        let holder = self.redis.say("GET {turnout}:lease").await?;
        let port = |node: &Turnout| format!(":{}#", node.control().port());
        self.nodes.iter().position(|node| holder.contains(&port(node)))
    }

    /// Waits until every node serves a route at this share.
    pub(super) async fn all_at(&self, share: &str) {
        for node in &self.nodes {
            at(node, share).await;
        }
    }
}

/// Clients of one node, as long as it lives: a few connections, one request after the other on each.
pub(super) struct Clients {
    tasks: Vec<JoinHandle<u64>>,
    ended: Arc<AtomicBool>,
}

impl Clients {
    /// Every request has to be answered well, and by no revision that is older than the one before.
    pub(super) fn of(node: &Turnout) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let newest = Arc::new(AtomicU64::new(0));
        let tasks = (0..4).map(|_| {
            let (client, to) = (node.client.clone(), node.proxy());
            let (ended, newest) = (Arc::clone(&ended), Arc::clone(&newest));
            tokio::spawn(async move {
                let mut served = 0;
                while !ended.load(Ordering::Relaxed) {
                    let before = newest.load(Ordering::SeqCst);
                    let request = get("/v1/sms").header("turnout-debug", "1");
                    let answer = client.send(to, request).await.expect("an answer").expect(200);
                    let revision = answer.header("x-turnout-revision").unwrap();
                    let revision: u64 = revision.trim_start_matches('r').parse().unwrap();
                    assert!(revision >= before, "r{revision} after r{before} had served");
                    newest.fetch_max(revision, Ordering::SeqCst);
                    served += 1;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                served
            })
        });
        Self { tasks: tasks.collect(), ended }
    }

    /// Ends them once what they asked last is answered, and says how many requests were served.
    pub(super) async fn end(self) -> u64 {
        self.ended.store(true, Ordering::Relaxed);
        let mut served = 0;
        for task in self.tasks {
            served += task.await.unwrap();
        }
        served
    }
}

/// Waits until a node serves the route at this share.
pub(super) async fn at(node: &Turnout, share: &str) {
    eventually(&format!("{share} is served"), async || node.route("sms").await["share"] == share)
        .await;
}

/// Waits until a node is as healthy as it should be: what is degraded, in words.
pub(super) async fn degraded(node: &Turnout, what: &[&str]) {
    eventually(&format!("degraded: {what:?}"), async || {
        let ready = node.client.send(node.status(), get("/readyz")).await.unwrap();
        assert!(ready.status.is_success(), "it stays ready: {ready:?}");
        ready.json()["degraded"] == json!(what)
    })
    .await;
}

/// Rolls a route back, which must be accepted whatever else is going on.
pub(super) async fn rollback(node: &Turnout) -> Value {
    rollback_by(node, &json!({"why": "errors rise"})).await
}

/// Rolls back what this names of a route.
pub(super) async fn rollback_by(node: &Turnout, body: &Value) -> Value {
    let answer = node.control_send(ask("POST", "/v1/routes/sms/rollback").json(body)).await;
    answer.expect(200).json()
}

/// Tries to shift, and says with which status that is answered.
pub(super) async fn try_shift(node: &Turnout, share: &str) -> u16 {
    let body = json!({"share": share, "why": "test"});
    let answer = node.control_send(ask("POST", "/v1/routes/sms/shift").json(&body)).await;
    answer.status.as_u16()
}
