//! What happens to a rollback that the store does not take? It serves at once, and is stored as soon as that can be. (INV-9)
//!
//! Until then it is known to this process alone: it is lost when the process is killed, and whoever asked has been told so.

use std::sync::{Arc, PoisonError};

use rules::Revision;

use super::execute::compiled;
use super::{Ledger, Order, Present};
use crate::desired::{self, Applied, Desired, keys};
use crate::store::{Change, CommitError, Entry, StoreError, Stored};

/// A command that serves, but is not stored yet.
#[derive(Debug)]
pub(super) struct Unstored {
    pub(super) order: Order,
    pub(super) entry: Entry,
    pub(super) changes: Vec<Change>,
}

impl Ledger {
    /// Keeps what serves although the store did not take it.
    pub(super) fn keep(&self, unstored: Unstored) {
        self.unstored.lock().unwrap_or_else(PoisonError::into_inner).push_back(unstored);
    }

    /// Whether something serves that is not stored.
    #[must_use]
    pub fn has_unstored(&self) -> bool {
        !self.unstored.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Tries to store what serves and is not stored yet.
    ///
    /// # Errors
    /// When the store still fails.
    pub fn store_unstored(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match self.settle() {
            Ok(()) => Ok(()),
            Err(CommitError::Store(error)) => Err(error),
            Err(conflict @ CommitError::Conflict { .. }) => {
                Err(StoreError::Failed(Box::new(conflict)))
            }
        }
    }

    /// Stores what was kept, the oldest first. Whoever calls this has the turn.
    pub(super) fn settle(&self) -> Result<(), CommitError> {
        while let Some((before, entry, changes)) = self.oldest_unstored() {
            match self.commit(before, &entry, &changes) {
                Ok(()) => self.forget_oldest(),
                Err(CommitError::Conflict { .. }) => return self.merge(),
                Err(error) => return Err(error),
            }
            tracing::info!(revision = entry.revision.0, "a revision that served is stored now");
            self.meters.store_served();
        }
        Ok(())
    }

    fn oldest_unstored(&self) -> Option<(Revision, Entry, Vec<Change>)> {
        let kept = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        let Unstored { entry, changes, .. } = kept.front()?;
        let before = Revision(entry.revision.0.saturating_sub(1));
        Some((before, entry.clone(), changes.clone()))
    }

    fn forget_oldest(&self) {
        self.unstored.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    }

    /// Does what was kept once more, on what another process has stored meanwhile: the rollback wins.
    ///
    /// Each makes a revision even if nothing is left for it to change, so that revisions only grow. (INV-5)
    fn merge(&self) -> Result<(), CommitError> {
        let Some(stored) = self.store.load()? else { return Ok(()) };
        let present = self.present();
        let invalid = |error: super::Declined| StoreError::Failed(Box::new(error));
        let desired = self.read(&stored, Some(&present.desired)).map_err(invalid)?;
        let mut newest = (stored.entry, desired);
        loop {
            let kept = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((order, entry)) = kept.front().map(|kept| (&kept.order, &kept.entry)) else {
                break;
            };
            let next = again(order, entry, &newest);
            drop(kept);
            self.commit(newest.0.revision, &next.0, &keys::changes(Some(&newest.1), &next.1))?;
            self.forget_oldest();
            newest = next;
        }
        let (entry, desired) = newest;
        let compiled = compiled(&desired, entry.revision, Some(&present))
            .map_err(|problems| StoreError::Failed(Box::new(problems)))?;
        self.meters.store_served();
        self.publish(Present { entry, desired, compiled });
        Ok(())
    }

    /// The entries of `first` to `last`, both included, oldest first; with those that serve and are not stored yet.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    pub fn entries(&self, first: Revision, last: Revision) -> Result<Vec<Entry>, StoreError> {
        let mut entries = self.store.revisions(first, last)?;
        let newest = entries.last().map_or(Revision(0), |entry| entry.revision);
        let kept = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.iter().map(|kept| &kept.entry);
        let asked_for =
            |entry: &&Entry| entry.revision > newest && (first..=last).contains(&entry.revision);
        entries.extend(kept.filter(asked_for).cloned());
        Ok(entries)
    }

    /// The state at a revision; none where there is no such revision. What serves is known even if it is not stored.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    pub fn stored(&self, revision: Revision) -> Result<Option<Stored>, StoreError> {
        let present = self.present();
        if revision == present.revision() && self.has_unstored() {
            return Ok(Some(written(&present)));
        }
        self.store.load_at(revision)
    }
}

/// A kept order's entry and state, on top of a newer state.
fn again(order: &Order, entry: &Entry, newest: &(Entry, Desired)) -> (Entry, Desired) {
    let (before, state) = newest;
    let revision = Revision(before.revision.0.saturating_add(1));
    let (summary, desired) = match desired::apply(state, &order.command) {
        Ok(Applied::Changed(next)) => (next.summary, next.desired.stamped(entry.at)),
        Ok(Applied::Unchanged(_)) | Err(_) => (entry.summary.clone(), state.clone()),
    };
    (Entry { revision, summary, ..entry.clone() }, desired)
}

fn written(present: &Arc<Present>) -> Stored {
    let values = keys::changes(None, &present.desired).into_iter();
    let values = values.filter_map(|(key, value)| Some((key, value?)));
    Stored { entry: present.entry.clone(), values: values.collect() }
}
