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
mod tests {
    use std::sync::atomic::Ordering;
    use std::sync::{Arc, mpsc};
    use std::thread::{Scope, ScopedJoinHandle};
    use std::time::Instant;

    use jiff::Timestamp;
    use rules::Revision;

    use super::super::fragile::{Fragile, Setup, execute, order, rollback, setup, shift};
    use super::super::{Declined, Done, Ledger, Order, Reach};
    use crate::command::{self, Command};
    use crate::store::{Commit, Entry, Store, contract};

    #[test]
    fn a_rollback_serves_while_the_store_fails() {
        let Setup { ledger, store, _folder } = setup();
        execute(&ledger, shift("50%"), None).unwrap();
        store.broken.store(true, Ordering::Relaxed);
        let done = execute(&ledger, rollback(), None).unwrap();
        assert_eq!((done.revision, done.changed, done.reach), (Revision(3), true, Reach::Node));
        assert!(
            done.warnings.iter().any(|warning| warning.contains("the store does not serve")),
            "{done:?}"
        );
        assert_eq!(ledger.cell().load().revision, Revision(3));
        assert!(!ledger.meters().is_store_up());
        let again = execute(&ledger, rollback(), None).unwrap();
        assert_eq!((again.changed, again.reach), (false, Reach::Node), "still not stored");
        assert!(matches!(execute(&ledger, shift("5%"), None), Err(Declined::Store(_))));
        assert!(ledger.store_unstored().is_err());
        let told = ledger.entries(Revision(1), Revision(9)).unwrap();
        assert_eq!(told.iter().map(|entry| entry.revision.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(ledger.state_of(Revision(3)).unwrap().unwrap(), ledger.present().desired);
        assert_eq!(store.load().unwrap().unwrap().entry.revision, Revision(2));
    }

    /// A command that is inside the store until it is told to go on.
    fn hanging<'s>(
        scope: &'s Scope<'s, '_>,
        ledger: &'s Arc<Ledger>,
        store: &Fragile,
        command: Command,
    ) -> (ScopedJoinHandle<'s, Done>, mpsc::Sender<()>) {
        let (go_on, gate) = mpsc::channel();
        *store.gate.lock().unwrap() = Some(gate);
        let hangs = scope.spawn(move || execute(ledger, command, None).unwrap());
        while store.gate.lock().unwrap().is_some() {
            std::thread::yield_now();
        }
        (hangs, go_on)
    }

    #[test]
    fn a_rollback_serves_while_a_command_hangs_in_the_store() {
        let Setup { ledger, store, _folder } = setup();
        execute(&ledger, shift("50%"), None).unwrap();
        std::thread::scope(|scope| {
            let (shifting, go_on) = hanging(scope, &ledger, &store, shift("60%"));
            let rolling_back = scope.spawn(|| execute(&ledger, rollback(), None).unwrap());
            // It serves before the other command is done.
            while ledger.present().revision() < Revision(3) {
                std::thread::yield_now();
            }
            assert_eq!(ledger.cell().load().revision, Revision(3));
            assert_eq!(ledger.present().entry.command, "rollback");
            go_on.send(()).unwrap();
            let (shifted, rolled_back) = (shifting.join().unwrap(), rolling_back.join().unwrap());
            assert_eq!((shifted.revision, shifted.reach), (Revision(3), Reach::Stored));
            assert_eq!((rolled_back.revision, rolled_back.reach), (Revision(4), Reach::Stored));
        });
        let present = ledger.present();
        assert_eq!((present.revision(), &*present.entry.command), (Revision(4), "rollback"));
        assert_eq!(present.entry.summary, "sms: rolled back, canary 60% -> off");
        assert_eq!(store.load().unwrap().unwrap().entry, present.entry);
        assert!(!ledger.has_unstored());
    }

    #[test]
    fn a_rollback_by_which_nothing_changes_yet_wins_over_a_command_that_is_being_stored() {
        let Setup { ledger, store, _folder } = setup();
        std::thread::scope(|scope| {
            let (shifting, go_on) = hanging(scope, &ledger, &store, shift("60%"));
            let rolling_back = scope.spawn(|| execute(&ledger, rollback(), None).unwrap());
            while ledger.present().entry.command != "rollback" && !rolling_back.is_finished() {
                std::thread::yield_now();
            }
            go_on.send(()).unwrap();
            assert_eq!(shifting.join().unwrap().reach, Reach::Stored);
            assert!(rolling_back.join().unwrap().changed);
        });
        let present = ledger.present();
        assert_eq!(present.entry.summary, "sms: rolled back, canary 60% -> off");
        assert_eq!(store.load().unwrap().unwrap().entry, present.entry);
    }

    #[test]
    fn a_rollback_that_is_stored_already_is_not_done_twice() {
        let Setup { ledger, store, _folder } = setup();
        execute(&ledger, shift("50%"), None).unwrap();
        store.broken.store(true, Ordering::Relaxed);
        let known = Order { id: Some("one".into()), ..order(rollback(), None) };
        ledger.execute(&known, Timestamp::UNIX_EPOCH).unwrap();
        store.broken.store(false, Ordering::Relaxed);
        // Another node was told the same, and then somebody who knew of it moved traffic again.
        let changes =
            |share: &str| [("shift/sms".to_owned(), Some(format!("{{\"share\":\"{share}\"}}")))];
        let told = Entry {
            command: "rollback".into(),
            arguments: serde_json::json!({"route": "sms", "id": "one"}),
            ..contract::entry(3, "elsewhere")
        };
        store.commit(&Commit::new(Revision(2), &told, &changes("0%"))).unwrap();
        let later = contract::entry(4, "later");
        store.commit(&Commit::new(Revision(3), &later, &changes("5%"))).unwrap();
        ledger.store_unstored().unwrap();
        let present = ledger.present();
        assert_eq!(present.revision(), Revision(5));
        assert_eq!(present.entry.summary, "sms: rolled back, canary 50% -> off: done before");
        let share = present.desired.live.routes["sms"].default.share;
        assert_eq!(share.to_string(), "5%");
    }

    #[test]
    fn a_kept_rollback_is_stored_before_the_next_command() {
        let Setup { ledger, store, _folder } = setup();
        execute(&ledger, shift("50%"), None).unwrap();
        store.broken.store(true, Ordering::Relaxed);
        execute(&ledger, rollback(), None).unwrap();
        let rolled_back = ledger.present();
        store.broken.store(false, Ordering::Relaxed);
        let done = execute(&ledger, shift("5%"), None).unwrap();
        assert_eq!((done.revision, done.reach), (Revision(4), Reach::Stored));
        assert!(done.warnings.is_empty() && !ledger.has_unstored());
        let stored = store.load_at(Revision(3)).unwrap().unwrap();
        assert_eq!(stored.entry, rolled_back.entry);
        assert_eq!(ledger.state_of(Revision(3)).unwrap().unwrap(), rolled_back.desired);
    }

    #[test]
    fn a_kept_rollback_wins_over_what_another_process_stored() {
        let Setup { ledger, store, _folder } = setup();
        execute(&ledger, shift("50%"), None).unwrap();
        store.broken.store(true, Ordering::Relaxed);
        execute(&ledger, rollback(), None).unwrap();
        store.broken.store(false, Ordering::Relaxed);
        let lock = [("lock/acme".to_owned(), Some("\"blocked\"".to_owned()))];
        store.commit(&Commit::new(Revision(2), &contract::entry(3, "elsewhere"), &lock)).unwrap();
        ledger.store_unstored().unwrap();
        let present = ledger.present();
        assert_eq!(present.revision(), Revision(4));
        assert_eq!(ledger.cell().load().revision, Revision(4));
        assert_eq!(present.entry.summary, "sms: rolled back, canary 50% -> off");
        assert_eq!(present.desired.live.locks.len(), 1, "the other's change is kept");
        assert_eq!(store.load().unwrap().unwrap().entry, present.entry);
        assert!(!ledger.has_unstored() && ledger.meters().is_store_up());
    }

    /// Makes a store hang in whatever is asked of it first, a commit apart, until what is given is dropped.
    fn hang(store: &Fragile) -> mpsc::Sender<()> {
        store.shared.store(true, Ordering::Relaxed);
        let (go_on, gate) = mpsc::channel();
        *store.other_gate.lock().unwrap() = Some(gate);
        go_on
    }

    #[test]
    fn the_record_of_a_rollback_waits_for_a_store_that_hangs_and_nobody_waits_for_it() {
        let Setup { ledger, store, _folder } = setup();
        let go_on = hang(&store);
        let route = "nobody".parse().unwrap();
        let unknown = Command::Rollback { route, scope: command::Scope::Route, keep_shadow: false };
        let refused = || execute(&ledger, unknown.clone(), None);
        assert!(matches!(refused(), Err(Declined::Refused(_))));
        assert!(ledger.has_unrecorded());
        while store.other_gate.lock().unwrap().is_some() {
            std::thread::yield_now();
        }
        // Nor does the next one, while the store has the first.
        assert!(matches!(refused(), Err(Declined::Refused(_))));
        assert_eq!(store.lines(1, 9).unwrap().len(), 0);
        drop(go_on);
        while ledger.has_unrecorded() {
            std::thread::yield_now();
        }
        assert_eq!(store.lines(1, 9).unwrap().len(), 2, "each once");
    }

    #[test]
    fn a_rollback_waits_for_nobody_who_reads_the_history() {
        let Setup { ledger, store, _folder } = setup();
        execute(&ledger, shift("50%"), None).unwrap();
        let go_on = hang(&store);
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| ledger.entries(Revision(1), Revision(9)).unwrap());
            while store.other_gate.lock().unwrap().is_some() {
                std::thread::yield_now();
            }
            let done = execute(&ledger, rollback(), None).unwrap();
            assert!(done.changed && !reading.is_finished());
            drop(go_on);
            assert_eq!(reading.join().unwrap().first().unwrap().revision, Revision(1));
        });
    }

    #[test]
    fn a_rollback_by_which_nothing_changes_waits_for_a_store_that_hangs_no_longer_than_others() {
        // One that changes something asks the store once, the other one is looked at first.
        let took = |changes: bool| {
            let Setup { ledger, store, _folder } = setup();
            if changes {
                execute(&ledger, shift("50%"), None).unwrap();
            }
            let (asking, (committing, gate)) = (hang(&store), mpsc::channel());
            *store.gate.lock().unwrap() = Some(gate);
            let begun = Instant::now();
            let done = execute(&ledger, rollback(), None).unwrap();
            let elapsed = begun.elapsed();
            assert_eq!((done.changed, done.reach), (true, Reach::Node));
            drop((asking, committing));
            elapsed
        };
        let (once, twice) = (took(true), took(false));
        assert!(twice < once * 7 / 4, "{once:?} {twice:?}");
    }
}
