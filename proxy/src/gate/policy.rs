//! What may pass? Limits that are the same for all, and what the routes of the current snapshot add.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use rules::lookalike::Names;
use rules::matching::RouteTable;
use rules::{Snapshot, SnapshotCell};

/// How much of what may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest target, in bytes.
    pub target_bytes: usize,
    /// The most fields of a head.
    pub fields: usize,
    /// The most bytes of a head's field lines, their line ends included.
    pub field_bytes: usize,
    /// The longest chunk extension, in bytes, its semicolon included.
    pub extension_bytes: usize,
    /// The most bytes of trailers, their line ends included.
    pub trailer_bytes: usize,
    /// How long a head may take from its first byte to its end.
    pub head: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            target_bytes: 8 * 1024,
            fields: 100,
            field_bytes: 32 * 1024,
            extension_bytes: 256,
            trailer_bytes: 4 * 1024,
            head: Duration::from_secs(10),
        }
    }
}

/// What becomes of bodies of GET, HEAD and DELETE, which have no meaning there. (RFC 9110, section 9.3)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnusualBodies {
    /// They are refused: readers that do not expect a body may take it for the next request.
    #[default]
    Refused,
    /// They pass.
    Allowed,
}

/// What a request is judged by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// How much may come.
    pub limits: Limits,
    /// Methods that routes list, besides the common ones.
    pub methods: Box<[Box<str>]>,
    /// Fields that routes read tenants from.
    pub identity: Names,
    /// What becomes of bodies where none is expected.
    pub bodies: UnusualBodies,
}

impl Policy {
    /// The policy of a snapshot's routes.
    #[must_use]
    pub fn of(table: &RouteTable) -> Self {
        let methods = table.routes().iter().flat_map(|route| &route.conditions.methods);
        let mut methods: Vec<Box<str>> = methods.map(|method| method.as_str().into()).collect();
        methods.sort_unstable();
        methods.dedup();
        Self {
            methods: methods.into(),
            identity: table.tenant_headers().clone(),
            ..Self::default()
        }
    }
}

/// The policy of the current routes, made once for as long as they stay: shifts leave it as it is.
#[derive(Debug)]
pub(crate) struct Policies {
    cell: Arc<SnapshotCell>,
    made: ArcSwap<Made>,
}

#[derive(Debug)]
struct Made {
    table: Arc<RouteTable>,
    policy: Arc<Policy>,
}

impl Made {
    fn of(snapshot: &Snapshot) -> Self {
        Self { table: Arc::clone(&snapshot.table), policy: Arc::new(Policy::of(&snapshot.table)) }
    }
}

impl Policies {
    pub(crate) fn new(cell: Arc<SnapshotCell>) -> Self {
        let made = ArcSwap::from_pointee(Made::of(&cell.load()));
        Self { cell, made }
    }

    pub(crate) fn current(&self) -> Arc<Policy> {
        Arc::clone(&self.made().policy)
    }

    /// The current policy, unless it is this one.
    pub(crate) fn other_than(&self, known: &Arc<Policy>) -> Option<Arc<Policy>> {
        let made = self.made();
        (!Arc::ptr_eq(&made.policy, known)).then(|| Arc::clone(&made.policy))
    }

    fn made(&self) -> Guard<Arc<Made>> {
        let snapshot = self.cell.load();
        let made = self.made.load();
        if Arc::ptr_eq(&made.table, &snapshot.table) {
            return made;
        }
        self.made.store(Arc::new(Made::of(&snapshot)));
        self.made.load()
    }
}

#[cfg(test)]
mod tests {
    use rules::Revision;

    use super::*;

    #[test]
    fn a_policy_lasts_as_long_as_the_routes() {
        let first = Snapshot::default();
        let table = Arc::clone(&first.table);
        let cell = Arc::new(SnapshotCell::new(Arc::new(first)));
        let policies = Policies::new(Arc::clone(&cell));
        let known = policies.current();
        assert!(policies.other_than(&known).is_none());
        let shifted = Snapshot { revision: Revision(1), table, ..Snapshot::default() };
        cell.publish(&Arc::new(shifted));
        assert!(policies.other_than(&known).is_none());
        let applied = Snapshot { revision: Revision(2), ..Snapshot::default() };
        cell.publish(&Arc::new(applied));
        assert!(policies.other_than(&known).is_some());
    }
}
