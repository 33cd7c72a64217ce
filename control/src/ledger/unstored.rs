//! What happens to a rollback that the store does not take? It serves at once, and is stored as soon as that can be. (INV-9)
//!
//! Until then it is known to this node alone, which keeps it in a file, so that a kill does not lose it. On what others have
//! stored meanwhile it is done once more: the rollback wins, unless somebody who knew of one has begun anew since then.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use rules::Revision;

use super::state::compiled;
use super::{Ledger, Order, Present};
use crate::audit::Record;
use crate::command::{Command, Scope};
use crate::desired::{self, Applied, Desired, Next, keys};
use crate::local::KeptRollback;
use crate::store::{Change, CommitError, Entry, StoreError, Stored};

/// A command with the revision that it makes, which is not stored yet.
#[derive(Debug, Clone)]
pub(super) struct Unstored {
    pub(super) order: Order,
    pub(super) entry: Entry,
    pub(super) record: Record,
    pub(super) changes: Vec<Change>,
    /// The newest stored revision that was known when it was made.
    pub(super) seen: Revision,
    /// As which revision it was stored; 0 until then.
    pub(super) stored_as: Arc<AtomicU64>,
}

/// How often a merge is tried before others have their turn.
const MERGES: usize = 10;
/// In how many revisions it is looked whether a rollback is among them already.
const MOST_LOOKED_AT: u64 = 1_000;
/// The name of the command that is looked for.
const ROLLBACK: &str = "rollback";
const KEPT: &str = "the store does not serve, so that this serves on this node alone; it is kept in a file, and stored as soon as that can be";
const NOT_KEPT: &str = "the store does not serve, and neither does this node's own file: this serves on this node alone, and is lost if the process is killed before it is stored";

impl Unstored {
    /// The revision that an order makes of what serves.
    pub(super) fn new(order: &Order, present: &Present, next: &Next, now: Timestamp) -> Self {
        let revision = Revision(present.revision().0.saturating_add(1));
        let entry = Entry {
            revision,
            at: now,
            actor: order.actor.clone(),
            why: order.why.clone(),
            command: order.command.name().to_owned(),
            arguments: order.arguments(),
            summary: next.summary.clone(),
        };
        Self {
            order: order.clone(),
            entry,
            record: order.record(now, present.revision()).accepted(revision, &next.summary),
            changes: keys::changes(Some(&present.desired), &next.desired),
            seen: present.revision(),
            stored_as: Arc::default(),
        }
    }

    /// As it is kept in the file; only rollbacks are.
    fn written(&self) -> Option<KeptRollback> {
        let Command::Rollback { route, scope, keep_shadow } = &self.order.command else {
            return None;
        };
        let (tenant, cohort) = match scope {
            Scope::Route => (None, None),
            Scope::Tenant(id) => (Some(id.to_string()), None),
            Scope::Cohort(name) => (None, Some(name.to_string())),
        };
        Some(KeptRollback {
            route: route.to_string(),
            tenant,
            cohort,
            keep_shadow: *keep_shadow,
            id: self.order.id.clone().unwrap_or_default(),
            seen: self.seen.0,
            record: self.record.clone(),
        })
    }
}

impl KeptRollback {
    /// The order, and when it was given.
    fn order(&self) -> Option<(Order, Timestamp)> {
        let Self { route, tenant, cohort, keep_shadow, record, .. } = self;
        let scope = match (tenant, cohort) {
            (Some(id), _) => Scope::Tenant(id.parse().ok()?),
            (None, Some(name)) => Scope::Cohort(name.parse().ok()?),
            (None, None) => Scope::Route,
        };
        let keep_shadow = *keep_shadow;
        let command = Command::Rollback { route: route.parse().ok()?, scope, keep_shadow };
        let order = Order {
            id: Some(self.id.clone()),
            seen: Some(Revision(self.seen)),
            ..Order::by_process(command, &record.actor, &record.why)
        };
        Some((order, record.at.parse().ok()?))
    }
}

impl Ledger {
    /// Keeps in this node's file what serves although the store did not take it, before anybody is told.
    pub(super) fn keep(&self, stored_as: &Arc<AtomicU64>) {
        let mut kept = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        for one in kept.iter_mut().filter(|one| Arc::ptr_eq(&one.stored_as, stored_as)) {
            one.record.scope = Some("node".to_owned());
        }
        drop(kept);
        self.write_kept();
    }

    /// Puts into the file what is not stored yet.
    fn write_kept(&self) {
        let Some(file) = &self.kept else { return };
        // The disk may take its time, and no rollback waits for that before it serves.
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        let rollbacks: Vec<KeptRollback> = kept.iter().filter_map(Unstored::written).collect();
        drop(kept);
        let written = file.keep(&rollbacks);
        drop(writing);
        if let Err(error) = &written {
            tracing::error!(%error, "rollbacks that are not stored could not be kept in a file");
        }
        self.is_kept.store(written.is_ok(), Ordering::Relaxed);
    }

    /// What whoever asks is told of what is not stored.
    pub(super) fn not_stored(&self) -> &'static str {
        let is_kept = self.kept.is_some() && self.is_kept.load(Ordering::Relaxed);
        if is_kept { KEPT } else { NOT_KEPT }
    }

    /// Does once more what was kept in this node's file when it ended.
    pub(crate) fn take_up_kept(self: &Arc<Self>) {
        let Some(file) = &self.kept else { return };
        let found = file.found().unwrap_or_else(|error| {
            tracing::error!(%error, "rollbacks that were not stored cannot be read");
            Vec::new()
        });
        for rollback in found {
            let Some((order, at)) = rollback.order() else { continue };
            if let Err(error) = self.execute(&order, at) {
                let route = rollback.route;
                tracing::error!(route, %error, "a rollback that was not stored cannot be taken up");
            }
        }
        self.write_kept();
    }

    /// Whether this very rollback waits to be stored already. It is the later one from now on: what was stored of the earlier
    /// one, without this node having heard of it, says nothing of this one.
    pub(super) fn renew_kept(&self, order: &Order) -> bool {
        let Command::Rollback { route, scope, .. } = &order.command else { return false };
        let mut kept = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        let same = kept.iter_mut().find(|one| {
            matches!(&one.order.command, Command::Rollback { route: known, scope: whose, .. }
                if known == route && whose == scope)
        });
        let Some(same) = same else { return false };
        same.order.id.clone_from(&order.id);
        same.entry.arguments = same.order.arguments();
        same.record.arguments = same.order.arguments();
        drop(kept);
        self.write_kept();
        true
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
            Ok(()) => {
                self.store_unrecorded();
                Ok(())
            }
            Err(CommitError::Store(error)) => Err(error),
            Err(
                conflict @ (CommitError::Conflict { .. }
                | CommitError::Fenced
                | CommitError::Repeated),
            ) => Err(StoreError::Failed(Box::new(conflict))),
        }
    }

    /// Stores what was kept, the oldest first. Whoever calls this has the turn.
    pub(super) fn settle(&self) -> Result<(), CommitError> {
        while let Some((before, oldest)) = self.oldest_unstored() {
            match self.commit(before, &oldest) {
                Ok(()) => self.forget(&oldest),
                Err(CommitError::Conflict { .. }) => return self.merge_at_last(),
                Err(error) => return Err(error),
            }
            let revision = oldest.entry.revision.0;
            tracing::info!(revision, "a revision that served is stored now");
            self.meters.store_served();
        }
        Ok(())
    }

    fn oldest_unstored(&self) -> Option<(Revision, Unstored)> {
        let kept = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = kept.front()?;
        Some((Revision(oldest.entry.revision.0.saturating_sub(1)), oldest.clone()))
    }

    /// Forgets the oldest one, now that it is stored; unless it was asked for anew meanwhile.
    fn forget(&self, stored: &Unstored) {
        let mut kept = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.front().is_some_and(|oldest| oldest.order.id == stored.order.id) {
            kept.pop_front();
            stored.stored_as.store(stored.entry.revision.0, Ordering::Release);
        }
        drop(kept);
        self.write_kept();
    }

    /// Merges, however often another process stores something meanwhile, within reason.
    fn merge_at_last(&self) -> Result<(), CommitError> {
        for _ in 1..MERGES {
            match self.merge() {
                Err(CommitError::Conflict { .. }) => {}
                merged => return merged,
            }
        }
        self.merge()
    }

    /// Does what was kept once more, on what another process has stored meanwhile: the rollback wins.
    ///
    /// Each makes a revision even if nothing is left for it to change, so that revisions only grow. (INV-5)
    fn merge(&self) -> Result<(), CommitError> {
        let Some(stored) = self.store.load()? else { return Ok(()) };
        let present = self.present();
        let invalid = |error: super::Declined| StoreError::Failed(Box::new(error));
        let desired = self.read(&stored, Some(&present.desired)).map_err(invalid)?;
        let known = self.rolled_back(self.seen_by_kept(), stored.entry.revision)?;
        let mut newest = (stored.entry, desired);
        loop {
            while let Some((_, oldest)) = self.oldest_unstored() {
                let (next, desired) = again(oldest, &newest, &known);
                self.commit(newest.0.revision, &next)?;
                self.forget(&next);
                newest = (next.entry, desired);
            }
            let (entry, desired) = &newest;
            let compiled = compiled(desired, entry.revision, Some(&present))
                .map_err(|problems| StoreError::Failed(Box::new(problems)))?;
            let _serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
            // Another rollback may have come meanwhile.
            if !self.has_unstored() {
                self.meters.store_served();
                let (entry, desired) = newest;
                self.publish(Present { entry, desired, compiled });
                return Ok(());
            }
        }
    }

    /// The newest stored revision that was known to all that is kept.
    fn seen_by_kept(&self) -> Revision {
        let kept = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|one| one.seen).min().unwrap_or(Revision(0))
    }

    /// By what those rollbacks are known that were stored after one revision, up to another one, as far as the store still
    /// has them.
    pub(super) fn rolled_back(
        &self,
        after: Revision,
        last: Revision,
    ) -> Result<BTreeSet<String>, StoreError> {
        let first = after.0.saturating_add(1).max(last.0.saturating_sub(MOST_LOOKED_AT));
        let entries = self.store.revisions(Revision(first), last)?;
        let rollbacks = entries.iter().filter(|entry| entry.command == ROLLBACK);
        Ok(rollbacks
            .filter_map(|one| Some(one.arguments.get("id")?.as_str()?.to_owned()))
            .collect())
    }

    /// The entries of `first` to `last`, both included, oldest first; with those that serve and are not stored yet.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    pub fn entries(&self, first: Revision, last: Revision) -> Result<Vec<Entry>, StoreError> {
        // Looked at first: what is stored while the store is asked would be missed in both.
        let unstored = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: Vec<Entry> = unstored.iter().map(|kept| kept.entry.clone()).collect();
        drop(unstored);
        let mut entries = self.store.revisions(first, last)?;
        let newest = entries.last().map_or(Revision(0), |entry| entry.revision);
        let asked_for =
            |entry: &Entry| entry.revision > newest && (first..=last).contains(&entry.revision);
        entries.extend(kept.into_iter().filter(asked_for));
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

/// A kept order with its state, on top of a newer state. One that the history has already is not done twice: whoever moved
/// traffic after it could know of it, and has decided later.
fn again(
    kept: Unstored,
    newest: &(Entry, Desired),
    known: &BTreeSet<String>,
) -> (Unstored, Desired) {
    let (before, state) = newest;
    let Unstored { order, entry, record, seen, stored_as, .. } = kept;
    let revision = Revision(before.revision.0.saturating_add(1));
    let (summary, desired) = match desired::apply(state, &order.command) {
        _ if order.id.as_ref().is_some_and(|id| known.contains(id)) => {
            (format!("{}: done before", entry.summary), state.clone())
        }
        Ok(Applied::Changed(next)) => (next.summary, next.desired.stamped(entry.at)),
        Ok(Applied::Unchanged(_)) | Err(_) => (entry.summary.clone(), state.clone()),
    };
    let record = Record { before: before.revision.0, ..record }.accepted(revision, &summary);
    let changes = keys::changes(Some(state), &desired);
    let entry = Entry { revision, summary, ..entry };
    (Unstored { order, entry, record, changes, seen, stored_as }, desired)
}

fn written(present: &Arc<Present>) -> Stored {
    let values = keys::changes(None, &present.desired).into_iter();
    let values = values.filter_map(|(key, value)| Some((key, value?)));
    Stored { entry: present.entry.clone(), values: values.collect() }
}
