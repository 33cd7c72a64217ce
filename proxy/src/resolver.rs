//! What do the targets' names stand for? Looked up in the background, never on a request's path.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rules::SnapshotCell;
use rules::upstream::Target;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The pause between two rounds of look-ups.
const INTERVAL: Duration = Duration::from_secs(5);
/// The pause while some name has never been resolved.
const INTERVAL_UNRESOLVED: Duration = Duration::from_millis(250);
/// How long one look-up may take.
const LOOKUP: Duration = Duration::from_secs(5);

/// Looks up every target's name, again and again. The last good answer is kept when a look-up fails.
pub(crate) async fn keep_resolving(cell: Arc<SnapshotCell>) {
    loop {
        let snapshot = cell.load();
        let named: Vec<Target> = snapshot
            .upstreams
            .iter()
            .flat_map(|upstream| &upstream.targets)
            .filter(|target| target.address.literal().is_none())
            .cloned()
            .collect();
        drop(snapshot);
        let mut lookups: JoinSet<()> = named.iter().cloned().map(resolve).collect();
        while lookups.join_next().await.is_some() {}
        let unresolved = named.iter().any(|target| target.state.addresses().is_empty());
        // A snapshot that came meanwhile may hold new names, so the pause is short whenever something is missing.
        sleep(if unresolved { INTERVAL_UNRESOLVED } else { INTERVAL }).await;
    }
}

async fn resolve(target: Target) {
    let lookup = tokio::net::lookup_host((target.address.host(), target.address.port()));
    match timeout(LOOKUP, lookup).await {
        Ok(Ok(addresses)) => {
            let mut addresses: Vec<SocketAddr> = addresses.collect();
            addresses.sort_unstable();
            addresses.dedup();
            target.state.resolved(addresses);
        }
        Ok(Err(error)) => {
            tracing::warn!(target = %target.address, %error, "a target's name cannot be resolved");
        }
        Err(_) => tracing::warn!(target = %target.address, "a target's name took too long"),
    }
}
