//! What may pass? The limits for clients, and what the routes of the current snapshot add.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use rules::limits::ClientLimits;
use rules::lookalike::Names;
use rules::matching::RouteTable;
use rules::route::UnusualBodies;
use rules::{Snapshot, SnapshotCell};

/// What a request is judged by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// How much may come.
    pub limits: ClientLimits,
    /// Methods that routes list, besides the common ones.
    pub methods: Box<[Box<str>]>,
    /// Fields that routes read tenants from.
    pub identity: Names,
    /// What becomes of bodies where none is expected: they pass where any route allows them. Which route a request is for
    /// is found out later; it is refused then, where its own does not.
    pub unusual_bodies: UnusualBodies,
}

impl Policy {
    /// The policy of a snapshot's routes, within these limits.
    #[must_use]
    pub fn of(table: &RouteTable, limits: ClientLimits) -> Self {
        let methods = table.routes().iter().flat_map(|route| &route.conditions.methods);
        let mut methods: Vec<Box<str>> = methods.map(|method| method.as_str().into()).collect();
        methods.sort_unstable();
        methods.dedup();
        let allowed =
            table.routes().iter().any(|route| route.unusual_bodies == UnusualBodies::Allow);
        Self {
            limits,
            methods: methods.into(),
            identity: table.identity_headers().clone(),
            unusual_bodies: if allowed { UnusualBodies::Allow } else { UnusualBodies::Refuse },
        }
    }
}

/// The policy of the current routes and limits, made once for as long as they stay: shifts leave it as it is.
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
        let policy = Policy::of(&snapshot.table, snapshot.limits);
        Self { table: Arc::clone(&snapshot.table), policy: Arc::new(policy) }
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
        let is_same = made.policy.limits == snapshot.limits;
        if is_same && Arc::ptr_eq(&made.table, &snapshot.table) {
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
        let table = Arc::clone(&applied.table);
        cell.publish(&Arc::new(applied));
        let known = policies.other_than(&known).unwrap();
        let limits = ClientLimits { streams: 7, ..ClientLimits::default() };
        let limited = Snapshot { revision: Revision(3), table, limits, ..Snapshot::default() };
        cell.publish(&Arc::new(limited));
        assert_eq!(policies.other_than(&known).unwrap().limits.streams, 7);
    }
}
