//! How much is there to do, and what is given up for it?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rules::SnapshotCell;
use rules::overload::Shed;

/// What is being done for clients right now.
#[derive(Debug)]
pub(crate) struct Pressure {
    cell: Arc<SnapshotCell>,
    /// Requests being served.
    pub(crate) requests: Arc<AtomicUsize>,
    /// Connections of clients.
    connections: AtomicUsize,
    shed: [AtomicU64; Shed::ALL.len()],
}

impl Pressure {
    pub(crate) fn new(cell: Arc<SnapshotCell>) -> Self {
        Self {
            cell,
            requests: Arc::default(),
            connections: AtomicUsize::new(0),
            shed: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    pub(crate) fn connections(&self) -> &AtomicUsize {
        &self.connections
    }

    /// What is given up right now.
    pub(crate) fn shed(&self) -> Shed {
        let count = |gauge: &AtomicUsize| gauge.load(Ordering::Relaxed) as u64;
        Shed::of(count(&self.requests), count(&self.connections), &self.cell.load().limits)
    }

    /// Whether work of this kind is given up right now; it is counted if so.
    pub(crate) fn gives_up(&self, work: Shed) -> bool {
        let given_up = self.shed() >= work;
        if given_up {
            self.count(work);
        }
        given_up
    }

    fn count(&self, work: Shed) {
        let place = Shed::ALL.iter().position(|known| *known == work);
        if let Some(counter) = place.and_then(|place| self.shed.get(place)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often each kind of work was given up.
    pub(crate) fn given_up(&self) -> impl Iterator<Item = (Shed, u64)> + '_ {
        Shed::ALL.into_iter().zip(self.shed.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}
