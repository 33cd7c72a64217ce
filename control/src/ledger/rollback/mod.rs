//! How does a rollback take effect at once, whatever the store does? It serves first and is stored afterwards; nobody waits
//! longer than a moment for that. (INV-9, INV-10)
//!
//! It takes no turn: a command that waits for a store which hangs holds up no rollback. What it stores in the end is on top of
//! the rollback, or the rollback is done once more on top of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, TryLockError, mpsc};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rules::Revision;

use super::state::compiled;
use super::unstored::Unstored;
use super::{Declined, Done, Ledger, Order, Present, Reach};
use crate::command::Command;
use crate::desired::{self, Applied, Next};
use crate::digest;
use crate::rollout;
use crate::store::StoreError;

/// How long a rollback's answer waits for a store that others share, in all.
const PATIENCE: Duration = Duration::from_millis(800);
/// How many may look at the store for a rollback at the same time: each may take as long as the store's own time-outs. (INV-7)
const AT_ONCE: usize = 64;

/// What becomes of a rollback by which nothing changes here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nothing {
    /// Nothing: the others have moved nothing, either.
    IsNothing,
    /// It is made all the same, for what others have moved and this node does not know of.
    IsKept,
}

/// A rollback that serves.
struct Served {
    unstored: Unstored,
    warnings: Vec<String>,
}

impl Ledger {
    /// Puts traffic back, then stores that.
    pub(super) fn roll_back(
        self: &Arc<Self>,
        order: &Order,
        now: Timestamp,
    ) -> Result<Done, Declined> {
        let until = Instant::now() + PATIENCE;
        let id = order.id.clone().unwrap_or_else(digest::unique);
        let order = Order { id: Some(id), ..order.clone() };
        if self.is_done_before(&order, until) {
            return Ok(self.unchanged("it was stored before".to_owned()));
        }
        // What was answered before a restart is in the history in the end, whatever is left of it to do.
        let nothing = if order.seen.is_some() { Nothing::IsKept } else { Nothing::IsNothing };
        let served = match self.serve(&order, now, nothing)? {
            Err((summary, looked_at))
                if self.renew_kept(&order) || self.nobody_moves_anything(looked_at, until) =>
            {
                return Ok(self.unchanged(summary));
            }
            Err((summary, _)) => match self.serve(&order, now, Nothing::IsKept)? {
                Err(_) => return Ok(self.unchanged(summary)),
                Ok(served) => served,
            },
            Ok(served) => served,
        };
        Ok(self.store_served(served, until))
    }

    /// Serves it; where nothing changes by it, says how everything is, and in which revision that was looked at.
    fn serve(
        &self,
        order: &Order,
        now: Timestamp,
        nothing: Nothing,
    ) -> Result<Result<Served, (String, Revision)>, Declined> {
        let _serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_handed_over() {
            return Err(Declined::HandedOver);
        }
        let (started, present) = (Instant::now(), self.present());
        let next = match desired::apply(&present.desired, &order.command)? {
            Applied::Changed(next) => Next { desired: next.desired.stamped(now), ..next },
            Applied::Unchanged(summary) if nothing == Nothing::IsKept => {
                Next { desired: present.desired.clone(), summary, notes: Vec::new() }
            }
            Applied::Unchanged(summary) => return Ok(Err((summary, present.revision()))),
        };
        let revision = Revision(present.revision().0.saturating_add(1));
        let compiled =
            compiled(&next.desired, revision, Some(&present)).map_err(Declined::Invalid)?;
        let warnings = self.warnings(&next, &compiled, &present);
        let seen = order.seen.unwrap_or_else(|| self.stored_so_far());
        let unstored = Unstored { seen, ..Unstored::new(order, &present, &next, now) };
        let waiting = unstored.clone();
        self.unstored.lock().unwrap_or_else(PoisonError::into_inner).push_back(waiting);
        let entry = unstored.entry.clone();
        self.publish(Present { entry, desired: next.desired, compiled });
        self.meters.swapped(started.elapsed());
        if let Command::Rollback { route, .. } = &order.command {
            let by_gate = order.actor == rollout::ENGINE;
            self.meters.rolled_back(route.as_str(), if by_gate { "gate" } else { "command" });
        }
        Ok(Ok(Served { unstored, warnings }))
    }

    /// Stores what serves, if that can be done in a moment; else it is kept, and stored later.
    fn store_served(self: &Arc<Self>, served: Served, until: Instant) -> Done {
        let Served { unstored, mut warnings } = served;
        let tried = if self.held().is_some() {
            Err(self.held_error())
        } else if self.is_away() {
            Err(StoreError::Failed("it did not serve a moment ago".into()))
        } else {
            self.in_a_moment(until, Self::store_unstored).and_then(|tried| tried)
        };
        let Unstored { entry, stored_as, .. } = unstored;
        let summary = entry.summary;
        let done =
            |revision, warnings, reach| Done { revision, changed: true, summary, warnings, reach };
        if let Some(revision) = stored(&stored_as) {
            return done(revision, warnings, Reach::Stored);
        }
        let error = tried.err().unwrap_or_else(|| StoreError::Failed("it waits".into()));
        self.store_failed(&error, "a rollback serves, but could not be stored");
        self.keep(&stored_as);
        // While that was written, it may have been stored after all.
        if let Some(revision) = stored(&stored_as) {
            return done(revision, warnings, Reach::Stored);
        }
        warnings.push(self.not_stored().to_owned());
        done(entry.revision, warnings, Reach::Node)
    }

    fn unchanged(&self, summary: String) -> Done {
        let (reach, warnings) = self.reach();
        Done { revision: self.present().revision(), changed: false, summary, warnings, reach }
    }

    /// Whether an order of before a restart was stored then, or by another node since.
    fn is_done_before(self: &Arc<Self>, order: &Order, until: Instant) -> bool {
        let (Some(seen), Some(id)) = (order.seen, &order.id) else { return false };
        if self.is_away() {
            return false;
        }
        let known = self.in_a_moment(until, move |ledger| {
            ledger.rolled_back(seen, ledger.store.newest()?.revision)
        });
        known.and_then(|known| known).is_ok_and(|known| known.contains(id))
    }

    /// Whether the revision that was looked at is all that there is: no command is being carried out here, and no other node
    /// has moved traffic of which this one did not know then.
    fn nobody_moves_anything(self: &Arc<Self>, looked_at: Revision, until: Instant) -> bool {
        // What is over by now has made another revision.
        let is_commanded = matches!(self.commanding.try_lock(), Err(TryLockError::WouldBlock));
        if is_commanded || self.present().revision() != looked_at {
            return false;
        }
        if !self.store.is_shared() {
            return true;
        }
        if self.held().is_some() || self.is_away() {
            return false;
        }
        let newest =
            self.in_a_moment(until, |ledger| ledger.store.newest()).and_then(|newest| newest);
        newest.is_ok_and(|newest| newest.revision == looked_at)
    }

    /// Whether others share the store, and it did not serve a moment ago. It is asked each second, and nobody waits for it.
    fn is_away(&self) -> bool {
        self.store.is_shared() && !self.meters.is_store_up()
    }

    /// Has the store asked, and waits no longer than until then; what was begun goes on. A store of this process' own takes
    /// the time that its disk takes.
    pub(super) fn in_a_moment<T: Send + 'static>(
        self: &Arc<Self>,
        until: Instant,
        ask: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        if !self.store.is_shared() {
            return Ok(ask(self));
        }
        let late = || StoreError::Failed("it does not answer in a moment".into());
        if self.looking.fetch_add(1, Ordering::Relaxed) >= AT_ONCE {
            self.looking.fetch_sub(1, Ordering::Relaxed);
            return Err(late());
        }
        let (ledger, (tell, told)) = (Arc::clone(self), mpsc::channel());
        let thread = std::thread::Builder::new().name("turnout-rollback".to_owned());
        let begun = thread.spawn(move || {
            let answered = ask(&ledger);
            ledger.looking.fetch_sub(1, Ordering::Relaxed);
            tell.send(answered).ok();
        });
        if let Err(error) = begun {
            self.looking.fetch_sub(1, Ordering::Relaxed);
            return Err(StoreError::Failed(Box::new(error)));
        }
        told.recv_timeout(until.saturating_duration_since(Instant::now())).map_err(|_late| late())
    }
}

fn stored(stored_as: &AtomicU64) -> Option<Revision> {
    Some(stored_as.load(Ordering::Acquire)).filter(|revision| *revision > 0).map(Revision)
}

#[cfg(test)]
mod tests;
