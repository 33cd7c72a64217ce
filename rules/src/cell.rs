//! How does a new snapshot reach the requests? One pointer, swapped whole.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use crate::Snapshot;

/// Holds the snapshot that new requests are served by. Control publishes, the proxy loads.
pub struct SnapshotCell {
    present: ArcSwap<Snapshot>,
    tell: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl SnapshotCell {
    /// A cell that begins with this snapshot.
    #[must_use]
    pub fn new(first: Arc<Snapshot>) -> Self {
        Self { present: ArcSwap::new(first), tell: OnceLock::new() }
    }

    /// The snapshot to serve a request by, from its beginning to its end. (INV-3)
    #[must_use]
    pub fn load(&self) -> Arc<Snapshot> {
        self.present.load_full()
    }

    /// Puts a newer snapshot in place of the present one; an older one, or the same again, is ignored. (INV-5)
    ///
    /// Says whether it was put in place.
    pub fn publish(&self, next: &Arc<Snapshot>) -> bool {
        let previous = self.present.rcu(|present| {
            let newer = next.revision > present.revision;
            Arc::clone(if newer { next } else { present })
        });
        let is_news = previous.revision < next.revision;
        if let Some(tell) = self.tell.get().filter(|_| is_news) {
            tell();
        }
        is_news
    }

    /// From now on `tell` is called after each new snapshot, by who publishes it. One is told; whoever asks later is not.
    pub fn on_publish(&self, tell: impl Fn() + Send + Sync + 'static) {
        // It is dropped where somebody else is told already.
        drop(self.tell.set(Box::new(tell)));
    }
}

impl fmt::Debug for SnapshotCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SnapshotCell").field(&self.load().revision).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Revision;
    use std::sync::atomic::{AtomicU64, Ordering};

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

    #[test]
    fn who_asked_for_it_is_told_of_each_newer_one() {
        let cell = SnapshotCell::new(snapshot(1));
        let (told, seen) = (Arc::new(AtomicU64::new(0)), snapshot(2));
        let telling = Arc::clone(&told);
        cell.on_publish(move || {
            telling.fetch_add(1, Ordering::Relaxed);
        });
        for (next, times) in [(&seen, 1), (&seen, 1), (&snapshot(1), 1), (&snapshot(3), 2)] {
            cell.publish(next);
            assert_eq!(told.load(Ordering::Relaxed), times);
        }
    }
}
