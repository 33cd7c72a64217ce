//! Nodes that share one Redis, each on a wire of its own.

use serde_json::{Value, json};

use crate::kit::{Origin, Redis, Setup, Turnout, Wire, ask, eventually, get, origin};

const ROUTES: &str =
    "routes:\n  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}}\n";

/// A fleet, its Redis, and the services behind it.
pub(super) struct Fleet {
    pub(super) nodes: Vec<Turnout>,
    pub(super) wires: Vec<Wire>,
    pub(super) redis: Redis,
    _origins: [Origin; 2],
}

impl Fleet {
    pub(super) async fn of(count: usize) -> Self {
        let (old, new) = (origin("old").await, origin("new").await);
        let redis = Redis::start().await;
        let setup =
            Setup::new(ROUTES).upstream("old", old.address()).upstream("new", new.address());
        let (mut nodes, mut wires) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let wire = Wire::to(redis.address()).await;
            nodes.push(setup.node_of_fleet(wire.address()).start().await);
            wires.push(wire);
        }
        Self { nodes, wires, redis, _origins: [old, new] }
    }

    /// Waits until every node serves a route at this share.
    pub(super) async fn all_at(&self, share: &str) {
        for node in &self.nodes {
            at(node, share).await;
        }
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
    let body = json!({"why": "errors rise"});
    let answer = node.control_send(ask("POST", "/v1/routes/sms/rollback").json(&body)).await;
    answer.expect(200).json()
}

/// Tries to shift, and says with which status that is answered.
pub(super) async fn try_shift(node: &Turnout, share: &str) -> u16 {
    let body = json!({"share": share, "why": "test"});
    let answer = node.control_send(ask("POST", "/v1/routes/sms/shift").json(&body)).await;
    answer.status.as_u16()
}
