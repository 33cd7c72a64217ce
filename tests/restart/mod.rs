//! Does anybody notice that another process takes over? Requests, idle connections, commands, probes; and nothing at all
//! happens where the new one fails.

mod binary;
mod commands;
mod connections;
mod fake;
mod http2;
mod load;
mod refusals;
mod tls;

use std::path::PathBuf;

use crate::kit::{Origin, Reply, Setup, Turnout, scripted};

const A: &str = "routes:\n  a: {canonical: /a, stable: {upstream: api}, candidate: {upstream: api}, websockets: true}\n";

async fn serving(drain: &'static str) -> (Turnout, Origin) {
    let api = scripted("api", |_| Reply::text("ok")).await;
    // By its name: a new process must know what it stands for before it takes requests.
    let target = format!("{{targets: [{{address: \"localhost:{}\"}}]}}", api.address().port());
    (Setup::new(A).upstream_as("api", &target).draining(drain).start().await, api)
}

/// Where processes meet.
fn place(setup: &Setup) -> PathBuf {
    setup.folder().canonicalize().unwrap().join("turnout.db.upgrade")
}
