//! What has just happened? Told to everybody who listens.

use std::sync::Arc;

use config::Problem;
use rules::Revision;
use tokio::sync::broadcast;

use crate::phase::Phase;
use crate::store::Entry;

/// How many events a slow listener may be behind. Revisions that it misses are read from the store.
const BEHIND: usize = 256;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A command made a revision, and it serves.
    Revision(Entry),
    /// The process is in another phase.
    Phase(Phase),
    /// The configuration file could not be taken; the last good one serves on.
    ReloadFailed {
        /// What is wrong, for people.
        detail: String,
        /// Everything that is wrong in the file; empty where it could not be read at all.
        problems: Vec<Problem>,
    },
}

/// An event, and the revision that served when it happened.
#[derive(Debug, Clone)]
pub struct Happening {
    /// The revision.
    pub revision: Revision,
    /// What happened.
    pub event: Event,
}

/// Where events are told.
#[derive(Debug, Clone)]
pub struct Events(broadcast::Sender<Arc<Happening>>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Events {
    /// Tells everybody who listens, if anybody does.
    pub fn tell(&self, revision: Revision, event: Event) {
        self.0.send(Arc::new(Happening { revision, event })).ok();
    }

    /// Listens from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Arc<Happening>> {
        self.0.subscribe()
    }
}
