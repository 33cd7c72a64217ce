//! Which nodes are there, and what does each of them serve?
//!
//! Each node leaves a note of itself in the store, that is over when nothing is heard of it any more.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rules::Revision;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ledger::Ledger;
use crate::store::{Store, StoreError};
use crate::window::{Windowed, Windows};

/// How long a note of a node is good for.
const HEARD_FOR: Duration = Duration::from_secs(15);
/// How many routes a node tells of; those with the most requests first. (INV-7)
const MAX_ROUTES: usize = 1_000;
const PREFIX: &str = "node/";
/// How long the lease is good for, so that another node takes it over soon after its holder is gone.
const LEASED_FOR: Duration = Duration::from_secs(10);

/// What a node tells of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its name.
    pub node: String,
    /// The revision that it serves.
    pub revision: u64,
    /// When it said so (RFC 3339); by its own clock, and only for people.
    pub at: String,
    /// What its arms did in the last ten seconds, by route: counts that can be added up.
    pub windows: BTreeMap<String, [Windowed; 2]>,
}

/// One node, as others see it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NodeView {
    /// Its name.
    pub node: String,
    /// The revision that it serves.
    pub revision: u64,
    /// How many revisions it is behind.
    pub lag: u64,
    /// When it was heard of (RFC 3339).
    pub at: String,
    /// Whether it is the one that was asked.
    pub this: bool,
}

/// How far a revision has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Serving {
    /// How many nodes serve it, or a later one.
    pub serving: usize,
    /// How many nodes there are.
    pub nodes: usize,
}

/// The name of this node: its host's, and where its control API listens.
#[must_use]
pub fn name_of_node(ledger: &Ledger) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let host = if host.is_empty() { "node" } else { host };
    format!("{host}:{}", ledger.started_with().control.port())
}

/// Tells the others what this node serves.
///
/// # Errors
/// When the store does not serve.
pub fn report(ledger: &Ledger, windows: &Windows, now: Timestamp) -> Result<(), StoreError> {
    let node = name_of_node(ledger);
    let report = NodeReport {
        revision: ledger.present().revision().0,
        at: now.to_string(),
        windows: windows.all(MAX_ROUTES),
        node: node.clone(),
    };
    let text = serde_json::to_string(&report).unwrap_or_default();
    ledger.store().renote(&format!("{PREFIX}{node}"), Some(&text), HEARD_FOR)
}

/// What the nodes have told of themselves.
///
/// # Errors
/// When the store does not serve.
pub fn reports(store: &dyn Store) -> Result<Vec<NodeReport>, StoreError> {
    let notes = store.notes(PREFIX)?;
    Ok(notes.iter().filter_map(|(_, text)| serde_json::from_str(text).ok()).collect())
}

/// The nodes, as others see them.
///
/// # Errors
/// When the store does not serve.
pub fn nodes(ledger: &Ledger) -> Result<Vec<NodeView>, StoreError> {
    let (this, newest) = (name_of_node(ledger), ledger.store().newest()?.revision.0);
    let view = |report: NodeReport| NodeView {
        lag: newest.saturating_sub(report.revision),
        this: report.node == this,
        node: report.node,
        revision: report.revision,
        at: report.at,
    };
    Ok(reports(ledger.store())?.into_iter().map(view).collect())
}

/// How many nodes serve a revision.
///
/// # Errors
/// When the store does not serve.
pub fn serving(store: &dyn Store, revision: Revision) -> Result<Serving, StoreError> {
    let reports = reports(store)?;
    let serving = reports.iter().filter(|report| report.revision >= revision.0).count();
    Ok(Serving { serving, nodes: reports.len() })
}

/// What both arms of a route did in the last ten seconds on all nodes together; stable first.
///
/// # Errors
/// When the store does not serve.
pub fn merged(store: &dyn Store, route: &str) -> Result<[Windowed; 2], StoreError> {
    let mut sum = <[Windowed; 2]>::default();
    for report in reports(store)? {
        for (sum, arm) in sum.iter_mut().zip(report.windows.get(route).into_iter().flatten()) {
            sum.add(arm);
        }
    }
    Ok(sum)
}

/// Takes the lease that one node of the fleet has at a time, or goes on holding it. Gives the fence where this node has it:
/// a commit with it fails as soon as another node took the lease.
///
/// # Errors
/// When the store does not serve; then nobody may rely on the lease.
pub fn lease(ledger: &Ledger) -> Result<Option<u64>, StoreError> {
    ledger.store().lease(&name_of_node(ledger), LEASED_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::fragile::{Setup, setup};

    #[test]
    fn windows_of_many_nodes_add_up() {
        let Setup { store, _folder, .. } = setup();
        let windowed = |requests, failed, bucket| Windowed {
            requests,
            failed,
            latency: [(bucket, requests)].into(),
        };
        for (n, (stable, candidate)) in
            [(windowed(90, 1, 3), windowed(10, 2, 5)), (windowed(45, 0, 3), windowed(5, 1, 7))]
                .into_iter()
                .enumerate()
        {
            let report = NodeReport {
                node: format!("n{n}"),
                revision: 1 + n as u64,
                at: String::new(),
                windows: [("sms".to_owned(), [stable, candidate])].into(),
            };
            let text = serde_json::to_string(&report).unwrap();
            store.renote(&format!("node/n{n}"), Some(&text), HEARD_FOR).unwrap();
        }
        let [stable, candidate] = merged(&store, "sms").unwrap();
        assert_eq!(stable, Windowed { requests: 135, failed: 1, latency: [(3, 135)].into() });
        assert_eq!((candidate.requests, candidate.failed, candidate.latency.len()), (15, 3, 2));
        assert_eq!(merged(&store, "other").unwrap(), <[Windowed; 2]>::default());
        let of = |revision| serving(&store, Revision(revision)).unwrap();
        assert_eq!(of(1), Serving { serving: 2, nodes: 2 });
        assert_eq!(of(2), Serving { serving: 1, nodes: 2 });
    }
}
