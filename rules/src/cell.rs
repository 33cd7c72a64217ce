//! How does a new snapshot reach the requests? One pointer, swapped whole.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::Snapshot;

/// Holds the snapshot that new requests are served by. Control publishes, the proxy loads.
#[derive(Debug)]
pub struct SnapshotCell(ArcSwap<Snapshot>);

impl SnapshotCell {
    /// A cell that begins with this snapshot.
    #[must_use]
    pub fn new(first: Arc<Snapshot>) -> Self {
        Self(ArcSwap::new(first))
    }

    /// The snapshot to serve a request by, from its beginning to its end. (INV-3)
    #[must_use]
    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Puts a newer snapshot in place of the present one; an older one, or the same again, is ignored. (INV-5)
    ///
    /// Says whether it was put in place.
    pub fn publish(&self, next: &Arc<Snapshot>) -> bool {
        let previous = self.0.rcu(|present| {
            let newer = next.revision > present.revision;
            Arc::clone(if newer { next } else { present })
        });
        previous.revision < next.revision
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Revision;

    fn snapshot(revision: u64) -> Arc<Snapshot> {
        Arc::new(Snapshot { revision: Revision(revision), ..Snapshot::default() })
    }

    #[test]
    fn an_older_revision_never_replaces_a_newer_one() {
        let cell = SnapshotCell::new(snapshot(1));
        let before = cell.load();
        assert!(cell.publish(&snapshot(3)));
        assert!(!cell.publish(&snapshot(2)));
        assert!(!cell.publish(&snapshot(3)));
        assert_eq!(cell.load().revision, Revision(3));
        assert_eq!(before.revision, Revision(1), "a request in flight keeps its own");
    }
}
