//! What happens to a rollback that the store does not take? It serves at once, and is stored as soon as that can be. (INV-9)
//!
//! Until then it is known to this node alone, which keeps it in a file, so that a kill does not lose it. On what others have
//! stored meanwhile it is done once more: the rollback wins, unless somebody who knew of one has begun anew since then.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use rules::Revision;

use super::execute::is_rollback;
use super::state::compiled;
use super::{Ledger, Order, Present};
use crate::audit::Record;
use crate::command::{Command, Scope};
use crate::desired::{self, Applied, Desired, keys};
use crate::local::KeptRollback;
use crate::store::{Change, CommitError, Entry, StoreError, Stored};

/// A command that serves, but is not stored yet.
#[derive(Debug, Clone)]
pub(super) struct Unstored {
    pub(super) order: Order,
    pub(super) entry: Entry,
    pub(super) record: Record,
    pub(super) changes: Vec<Change>,
    /// The route's generation when it was rolled back.
    pub(super) generation: u64,
}

/// How often a merge is tried before others have their turn.
const MERGES: usize = 10;
const KEPT: &str = "the store does not serve, so that this serves on this node alone; it is kept in a file, and stored as soon as that can be";
const NOT_KEPT: &str = "the store does not serve, and neither does this node's own file: this serves on this node alone, and is lost if the process is killed before it is stored";

impl Unstored {
    /// The same, with its record saying that it served on this node before it was stored.
    pub(super) fn on_this_node(mut self) -> Self {
        self.record.scope = Some("node".to_owned());
        self
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
            generation: self.generation,
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
            made_in: Some(self.generation),
            ..Order::by_process(command, &record.actor, &record.why)
        };
        Some((order, record.at.parse().ok()?))
    }
}

impl Ledger {
    /// Stores what was kept, then this command. A rollback is kept for later where the store fails. (INV-9)
    pub(super) fn put_down(&self, before: Revision, next: Unstored) -> Result<(), CommitError> {
        let stored = match self.held() {
            Some(_) => Err(self.held_error().into()),
            // Nobody waits for a store that did not serve a moment ago: it is asked each second.
            None if self.store.is_shared()
                && !self.meters.is_store_up()
                && is_rollback(&next.order.command) =>
            {
                Err(StoreError::Failed("it did not serve a moment ago".into()).into())
            }
            None => self.settle().and_then(|()| self.commit(before, &next)),
        };
        match (stored, &next.order.command) {
            (Err(CommitError::Store(error)), Command::Rollback { .. }) => {
                self.store_failed(&error, "a rollback serves, but could not be stored");
                self.keep(next.on_this_node());
                Ok(())
            }
            (Ok(()), _) => {
                self.meters.store_served();
                Ok(())
            }
            (stored, _) => stored,
        }
    }

    /// Keeps what serves although the store did not take it; in this node's file, too, before anybody is told.
    pub(super) fn keep(&self, unstored: Unstored) {
        self.unstored.lock().unwrap_or_else(PoisonError::into_inner).push_back(unstored);
        self.write_kept();
    }

    /// Puts into the file what is not stored yet.
    fn write_kept(&self) {
        let Some(file) = &self.kept else { return };
        let kept = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        let rollbacks: Vec<KeptRollback> = kept.iter().filter_map(Unstored::written).collect();
        let written = file.keep(&rollbacks);
        drop(kept);
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
    pub(crate) fn take_up_kept(&self) {
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

    /// Whether other nodes may have moved traffic of which this one does not know, so that a rollback of what is all on
    /// stable already must be kept for them.
    pub(super) fn others_may_not_know(&self, command: &Command) -> bool {
        let is_rollback = matches!(command, Command::Rollback { scope: Scope::Route, .. });
        is_rollback
            && self.store.is_shared()
            && (self.held().is_some() || !self.meters.is_store_up() || self.store.newest().is_err())
            && !self.keeps(command)
    }

    /// Whether this very rollback waits to be stored already.
    fn keeps(&self, command: &Command) -> bool {
        let Command::Rollback { route, scope, .. } = command else { return false };
        let kept = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().any(|one| {
            matches!(&one.order.command, Command::Rollback { route: known, scope: whose, .. }
                if known == route && whose == scope)
        })
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
            Err(conflict @ (CommitError::Conflict { .. } | CommitError::Fenced)) => {
                Err(StoreError::Failed(Box::new(conflict)))
            }
        }
    }

    /// Stores what was kept, the oldest first. Whoever calls this has the turn.
    pub(super) fn settle(&self) -> Result<(), CommitError> {
        while let Some((before, oldest)) = self.oldest_unstored() {
            match self.commit(before, &oldest) {
                Ok(()) => self.forget_oldest(),
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

    fn forget_oldest(&self) {
        self.unstored.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
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
        let mut newest = (stored.entry, desired);
        loop {
            let kept = self.unstored.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(oldest) = kept.front().cloned() else { break };
            drop(kept);
            let (next, desired) = again(oldest, &newest);
            self.commit(newest.0.revision, &next)?;
            self.forget_oldest();
            newest = (next.entry, desired);
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

/// A kept order with its state, on top of a newer state.
fn again(kept: Unstored, newest: &(Entry, Desired)) -> (Unstored, Desired) {
    let (before, state) = newest;
    let Unstored { order, entry, record, generation: made_in, .. } = kept;
    let revision = Revision(before.revision.0.saturating_add(1));
    let (summary, desired) = match desired::apply(state, &order.command) {
        _ if generation(state, &order.command) > made_in => {
            (format!("{}: a later decision stands", entry.summary), state.clone())
        }
        Ok(Applied::Changed(next)) => (next.summary, next.desired.stamped(entry.at)),
        Ok(Applied::Unchanged(_)) => (entry.summary.clone(), noted(state, &order.command)),
        Err(_) => (entry.summary.clone(), state.clone()),
    };
    let record = Record { before: before.revision.0, ..record }.accepted(revision, &summary);
    let changes = keys::changes(Some(state), &desired);
    let entry = Entry { revision, summary, ..entry };
    (Unstored { order, entry, record, changes, generation: made_in }, desired)
}

/// A state in which nothing is left to roll back, with it noted that somebody did: who shifts from now on has decided later.
fn noted(state: &Desired, command: &Command) -> Desired {
    match command {
        Command::Rollback { route, scope: Scope::Route, .. } => {
            desired::rolled_back_anyway(state, route)
        }
        _ => state.clone(),
    }
}

/// The generation of the route that a rollback is of; that of nothing else matters.
pub(super) fn generation(state: &Desired, command: &Command) -> u64 {
    let Command::Rollback { route, .. } = command else { return 0 };
    state.live.routes.get(route).map_or(0, |live| live.standing.generation)
}

fn written(present: &Arc<Present>) -> Stored {
    let values = keys::changes(None, &present.desired).into_iter();
    let values = values.filter_map(|(key, value)| Some((key, value?)));
    Stored { entry: present.entry.clone(), values: values.collect() }
}
