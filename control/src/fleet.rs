//! Which nodes are there, and what does each of them serve?
//!
//! Each node leaves a note of itself in the store, that is over when nothing is heard of it any more.

use std::time::Duration;

use jiff::Timestamp;
use rules::Revision;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::desk::Desk;
use crate::ledger::Ledger;
use crate::store::{Store, StoreError};

/// How long a note of a node is good for.
const HEARD_FOR: Duration = Duration::from_secs(15);
const PREFIX: &str = "node/";
/// What nodes tell of their counters is kept under.
const COUNTS: &str = "counts/";
/// What nodes tell of parity is kept under, each ten seconds, and for how long it is good.
const PARITY: &str = "parity/";
const PARITY_HEARD_FOR: Duration = Duration::from_secs(30);
/// What it means that another process goes by this node's name, and what would be right.
pub(crate) const NAMESAKE: &str = "another process uses this node's name, and each overwrites what the other tells the fleet: a node is called by its host and its control port, so give one of them another host name or port";
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
    /// By which its process is told from another one with the same name.
    #[serde(default)]
    pub process: String,
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

/// Tells the others what this node serves, and finds out whether another process does so by the same name.
///
/// # Errors
/// When the store does not serve.
pub(crate) fn report(desk: &Desk, now: Timestamp) -> Result<(), StoreError> {
    let ledger = desk.ledger();
    // The process that has taken over tells of this node.
    if ledger.is_handed_over() {
        return Ok(());
    }
    let (node, process) = (name_of_node(ledger), ledger.process().to_owned());
    let report = NodeReport {
        revision: ledger.present().revision().0,
        at: now.to_string(),
        node: node.clone(),
        process,
    };
    let text = serde_json::to_string(&report).unwrap_or_default();
    let key = format!("{PREFIX}{node}");
    let found = ledger.store().note(&key, &text, HEARD_FOR)?;
    let found = found.and_then(|text| serde_json::from_str::<NodeReport>(&text).ok());
    // An older version does not say which process it is.
    let is_others =
        |found: NodeReport| !found.process.is_empty() && found.process != report.process;
    match desk.namesake().look(found.is_some_and(is_others), now) {
        Some(true) => tracing::error!(node, "{NAMESAKE}"),
        Some(false) => tracing::info!(node, "no other process uses this node's name any more"),
        None => {}
    }
    ledger.store().renote(&key, Some(&text), HEARD_FOR)
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

/// Tells the others what this node counted.
///
/// # Errors
/// When the store does not serve.
pub(crate) fn tell_counts(ledger: &Ledger, text: &str) -> Result<(), StoreError> {
    let key = format!("{COUNTS}{}", name_of_node(ledger));
    ledger.store().renote(&key, Some(text), HEARD_FOR)
}

/// What the other nodes counted, by their names.
///
/// # Errors
/// When the store does not serve.
pub(crate) fn told_counts(ledger: &Ledger) -> Result<Vec<(String, String)>, StoreError> {
    let this = name_of_node(ledger);
    let told = ledger.store().notes(COUNTS)?.into_iter();
    let named = told.filter_map(|(key, text)| Some((key.strip_prefix(COUNTS)?.to_owned(), text)));
    Ok(named.filter(|(node, _)| *node != this).collect())
}

/// Tells the others how alike the arms' answers were here.
///
/// # Errors
/// When the store does not serve.
pub(crate) fn tell_parity(ledger: &Ledger, text: &str) -> Result<(), StoreError> {
    let key = format!("{PARITY}{}", name_of_node(ledger));
    ledger.store().renote(&key, Some(text), PARITY_HEARD_FOR)
}

/// What each of the other nodes has told of parity.
///
/// # Errors
/// When the store does not serve.
pub(crate) fn told_parity(ledger: &Ledger) -> Result<Vec<String>, StoreError> {
    let own = format!("{PARITY}{}", name_of_node(ledger));
    let told = ledger.store().notes(PARITY)?.into_iter();
    Ok(told.filter(|(key, _)| *key != own).map(|(_, text)| text).collect())
}

/// The names of the other nodes that were heard of.
///
/// # Errors
/// When the store does not serve.
pub(crate) fn others(ledger: &Ledger) -> Result<Vec<String>, StoreError> {
    let this = name_of_node(ledger);
    let names = reports(ledger.store())?.into_iter().map(|report| report.node);
    Ok(names.filter(|node| *node != this).collect())
}

/// Takes back what this node told, because it ends: nobody is to wait for it.
///
/// # Errors
/// When the store does not serve; then what it told is over soon.
pub fn leave(ledger: &Ledger) -> Result<(), StoreError> {
    let node = name_of_node(ledger);
    for prefix in [COUNTS, PARITY, PREFIX] {
        ledger.store().renote(&format!("{prefix}{node}"), None, HEARD_FOR)?;
    }
    Ok(())
}

/// Takes the lease that one node of the fleet has at a time, or goes on holding it. Gives the fence where this node has it:
/// a commit with it fails as soon as another node took the lease.
///
/// # Errors
/// When the store does not serve; then nobody may rely on the lease.
pub fn lease(ledger: &Ledger) -> Result<Option<u64>, StoreError> {
    // Containers may all go by one name: the process is told from another one, too.
    let holder = format!("{}#{}", name_of_node(ledger), ledger.process());
    ledger.store().lease(&holder, LEASED_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::fragile::{Setup, setup};

    #[test]
    fn nodes_that_serve_a_revision_or_a_later_one_are_counted() {
        let Setup { store, _folder, .. } = setup();
        for revision in [1, 2] {
            let report = NodeReport {
                node: format!("n{revision}"),
                revision,
                at: String::new(),
                process: String::new(),
            };
            let text = serde_json::to_string(&report).unwrap();
            store.renote(&format!("node/n{revision}"), Some(&text), HEARD_FOR).unwrap();
        }
        let of = |revision| serving(&store, Revision(revision)).unwrap();
        assert_eq!(of(1), Serving { serving: 2, nodes: 2 });
        assert_eq!(of(2), Serving { serving: 1, nodes: 2 });
    }
}
