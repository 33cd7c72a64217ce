//! How does a node keep up with the others? It asks each second which revision is the newest, and follows what is newer.
//!
//! What it must never follow is another history, or an older revision: that is a store that was emptied, set back, or
//! exchanged. Then it holds what it has, says so everywhere, and waits for people. (INV-5, INV-9)

use std::sync::PoisonError;

use rules::Revision;

use super::{Declined, Ledger};
use crate::desired::{Desired, keys};
use crate::local::Good;
use crate::store::{Commit, CommitError, Entry, Newest, Store, StoreError, Stored};

impl Ledger {
    /// Looks whether another node has made a revision, and follows it.
    ///
    /// # Errors
    /// When the store does not serve, or what it has cannot be read.
    pub fn follow(&self) -> Result<(), Declined> {
        // Looked at first: what is stored while the store is asked does not make its answer an older one.
        let so_far = self.stored_so_far();
        let newest = self.store.newest().inspect_err(|error| {
            if self.meters.is_store_up() {
                self.store_failed(error, "the store does not serve; what serves goes on");
            }
        })?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.meters.is_store_up() {
            tracing::info!("the store serves");
        }
        self.meters.store_served();
        if !self.may_follow(&newest, so_far) {
            return Ok(());
        }
        match self.settle() {
            Err(CommitError::Store(error)) => return Err(error.into()),
            Ok(())
            | Err(CommitError::Conflict { .. } | CommitError::Fenced | CommitError::Repeated) => {}
        }
        self.store_unrecorded();
        if newest.revision > self.present().revision() {
            self.catch_up()?;
        } else if newest.revision == Revision(0) {
            self.begin_history()?;
        }
        Ok(())
    }

    /// Stores a first revision, where the store serves for the first time only now.
    fn begin_history(&self) -> Result<(), Declined> {
        let present = self.present();
        let entry = Entry { revision: Revision(1), ..present.entry.clone() };
        let desired = Desired::first(present.desired.configuration.clone());
        let desired = desired.noting_steady(&present.compiled.snapshot.flags, None, entry.at);
        let changes = keys::changes(None, &desired);
        match self.store.commit(&Commit::new(Revision(0), &entry, &changes)) {
            Err(CommitError::Store(error)) => Err(error.into()),
            // Whoever was first, that is what serves from now on.
            Ok(())
            | Err(CommitError::Conflict { .. } | CommitError::Fenced | CommitError::Repeated) => {
                self.catch_up()
            }
        }
    }

    /// Takes over the newest revision of the store, which another process made.
    pub(super) fn catch_up(&self) -> Result<(), Declined> {
        // What serves and is not stored comes first: a state without it would undo a rollback. It is merged next time.
        if self.has_unstored() {
            return Ok(());
        }
        let so_far = self.stored_so_far();
        if self.store.is_shared() && !self.may_follow(&self.store.newest()?, so_far) {
            return Err(self.held_error().into());
        }
        let Some(stored) = self.store.load()? else { return Ok(()) };
        self.take_over(&stored)
    }

    /// Whether what the store has goes on from what serves here; else it is held, and said.
    fn may_follow(&self, newest: &Newest, so_far: Revision) -> bool {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = match (&*history, &newest.epoch) {
            (Some(known), Some(found)) if known != found => {
                Some("the store has another history than the one that serves here".to_owned())
            }
            _ if newest.revision < so_far => {
                Some(format!("the store is at {}, and {so_far} was stored before", newest.revision))
            }
            (None, Some(found)) => {
                *history = Some(found.clone());
                None
            }
            _ => None,
        };
        drop(history);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if *held != reason {
            match &reason {
                Some(reason) => tracing::error!(
                    reason,
                    "what serves is held, and the store is not followed: restore the store, or remove this node's last-good files and start it again"
                ),
                None => tracing::info!("the store is followed again"),
            }
            held.clone_from(&reason);
        }
        reason.is_none()
    }

    /// The newest revision of which this node knows that it is stored.
    pub(super) fn stored_so_far(&self) -> Revision {
        let kept = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.front().map(|kept| kept.entry.revision);
        first.map_or(self.present().revision(), |first| Revision(first.0.saturating_sub(1)))
    }

    /// Why the store is not followed, where it is not.
    #[must_use]
    pub fn held(&self) -> Option<String> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn held_error(&self) -> StoreError {
        StoreError::Held(self.held().unwrap_or_default())
    }

    /// By which the history is known that this node follows.
    pub(super) fn history(&self) -> Option<String> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what serves in this node's file, where it is another revision than the one there. Nothing that is not stored
    /// is kept there: rollbacks have a file of their own.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_last_good(&self) -> std::io::Result<()> {
        let present = self.present();
        let mut kept = self.kept_revision.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last_good) = &self.last_good else { return Ok(()) };
        if *kept == present.revision() || present.revision() == Revision(0) || self.has_unstored() {
            return Ok(());
        }
        let values = keys::changes(None, &present.desired).into_iter();
        let values = values.filter_map(|(key, value)| Some((key, value?))).collect();
        let stored = Stored { entry: present.entry.clone(), values };
        last_good.keep(&Good { epoch: self.history(), stored })?;
        *kept = present.revision();
        Ok(())
    }
}

/// Whether a store can be followed from a revision that served before.
pub(crate) fn goes_on_from(store: &dyn Store, good: &Good) -> Result<bool, StoreError> {
    let Newest { revision, epoch } = store.newest()?;
    let same = epoch.is_none() || good.epoch.is_none() || epoch == good.epoch;
    Ok(same && revision >= good.stored.entry.revision)
}
