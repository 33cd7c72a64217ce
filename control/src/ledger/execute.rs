//! What happens to a command? Applied, compiled, stored, published: one after the other, all of it or nothing. (INV-4)

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use config::Settings;
use config::causes;
use jiff::Timestamp;
use rules::{Revision, SnapshotCell};
use tokio::sync::watch;

use super::lookup::{self, Found, Lookups};
use super::preview::allowed;
use super::state::compiled;
use super::unstored::Unstored;
use super::{Declined, Done, Order, Present, Reach};
use crate::audit::Record;
use crate::command::Command;
use crate::desired::{self, Applied, Next};
use crate::digest::unique;
use crate::events::{Event, Events};
use crate::file::ConfigFile;
use crate::local::{Kept, LastGood};
use crate::meters::Meters;
use crate::store::{Commit, CommitError, Store, StoreError, Stored};

/// How often a command without an expected revision is tried when other processes are faster: each loses to one that won.
const ATTEMPTS: usize = 50;

/// Carries out commands, one at a time; a rollback waits for none of them. Its calls block: on the store, and while compiling.
#[derive(Debug)]
pub struct Ledger {
    pub(super) store: Box<dyn Store>,
    pub(super) file: ConfigFile,
    cell: Arc<SnapshotCell>,
    present: watch::Sender<Arc<Present>>,
    /// What the process runs with until it is started again; not known while it starts.
    pub(super) started_with: OnceLock<Arc<Settings>>,
    pub(super) turn: Mutex<()>,
    /// Held while a command is carried out, within its turn.
    pub(super) commanding: Mutex<()>,
    /// Held while what serves is changed, and never while the store is asked. Whoever needs the turn, too, has that first.
    pub(super) serving: Mutex<()>,
    /// How many look at the store for somebody who may have stopped waiting.
    pub(super) looking: AtomicUsize,
    /// Whether another process serves by now. It is changed by whoever has the turn and changes what serves.
    pub(super) handed_over: AtomicBool,
    /// Whether the store could not be taken back from a process that failed to take over.
    pub(super) without_store: AtomicBool,
    /// What serves and is not stored yet. It grows with what serves, and shrinks by whoever has the turn.
    pub(super) unstored: Mutex<VecDeque<Unstored>>,
    /// Held while that is written to this node's file.
    pub(super) writing: Mutex<()>,
    /// What the audit could not take yet. It grows at any time, and shrinks by whoever records it.
    pub(super) unrecorded: Mutex<VecDeque<Record>>,
    /// Held while that is given to the store.
    pub(super) recording: Mutex<()>,
    /// Why the store is not followed, where it is not.
    pub(super) held: Mutex<Option<String>>,
    /// By which the history is known that is followed.
    pub(super) history: Mutex<Option<String>>,
    /// Where the last revision that served is kept, and which one that is.
    pub(super) last_good: Option<LastGood>,
    pub(super) kept_revision: Mutex<Revision>,
    /// Where rollbacks are kept that are not stored yet.
    pub(super) kept: Option<Kept>,
    pub(super) is_kept: AtomicBool,
    pub(super) lookups: Lookups,
    events: Events,
    pub(super) meters: Arc<Meters>,
    /// By which this process is told from every other one, whatever both are called.
    process: String,
}

impl Ledger {
    /// The ledger of a state that is stored and compiled.
    pub(crate) fn new(store: Box<dyn Store>, file: ConfigFile, present: Present) -> Self {
        Self {
            store,
            file,
            cell: Arc::new(SnapshotCell::new(Arc::clone(&present.compiled.snapshot))),
            started_with: Arc::clone(&present.compiled.settings).into(),
            present: watch::Sender::new(Arc::new(present)),
            turn: Mutex::default(),
            commanding: Mutex::default(),
            serving: Mutex::default(),
            looking: AtomicUsize::default(),
            handed_over: AtomicBool::new(false),
            without_store: AtomicBool::new(false),
            unstored: Mutex::default(),
            writing: Mutex::default(),
            unrecorded: Mutex::default(),
            recording: Mutex::default(),
            held: Mutex::default(),
            history: Mutex::default(),
            last_good: None,
            kept_revision: Mutex::default(),
            kept: None,
            is_kept: AtomicBool::new(true),
            lookups: Lookups::default(),
            events: Events::default(),
            meters: Arc::default(),
            process: unique(),
        }
    }

    /// The same, with what it keeps for itself beside the store, and the history that it follows.
    pub(crate) fn keeping(
        self,
        last_good: Option<LastGood>,
        kept: Kept,
        history: Option<String>,
    ) -> Self {
        Self { last_good, kept: Some(kept), history: Mutex::new(history), ..self }
    }

    /// The same for a process whose settings are those of a configuration that is still to be taken.
    pub(crate) fn starting_with(self, settings: Arc<Settings>) -> Self {
        Self { started_with: settings.into(), ..self }
    }

    /// The same for a process that still starts: what the file says beyond the state is in its settings, too.
    pub(crate) fn starting(self) -> Self {
        Self { started_with: OnceLock::new(), ..self }
    }

    /// The process starts with the settings that are in force now.
    pub(crate) fn starts(&self) {
        self.started_with.get_or_init(|| Arc::clone(&self.present().compiled.settings));
    }

    /// What serves now.
    #[must_use]
    pub fn present(&self) -> Arc<Present> {
        Arc::clone(&self.present.borrow())
    }

    /// Where the proxy finds the snapshot.
    #[must_use]
    pub const fn cell(&self) -> &Arc<SnapshotCell> {
        &self.cell
    }

    /// Where revisions are told.
    #[must_use]
    pub const fn events(&self) -> &Events {
        &self.events
    }

    pub(crate) const fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// By which this process is told from every other one.
    pub(crate) fn process(&self) -> &str {
        &self.process
    }

    /// Where revisions are kept.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Whether everybody has to say who they are: beyond loopback, and as soon as the configuration knows anybody.
    #[must_use]
    pub fn must_say_who(&self) -> bool {
        let present = self.present();
        let document = &present.desired.configuration.document;
        !document.control.knows_nobody() || self.is_reached() && !document.insecure_control
    }

    /// Whether the control API is open to whoever reaches it over the network.
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        !self.must_say_who() && self.is_reached()
    }

    /// Whether the control API listens beyond loopback.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        !self.started_with().control.ip().to_canonical().is_loopback()
    }

    /// What the process runs with until it is started again; while it starts, what is in force.
    #[must_use]
    pub fn started_with(&self) -> Arc<Settings> {
        let in_force = || Arc::clone(&self.present().compiled.settings);
        self.started_with.get().map_or_else(in_force, Arc::clone)
    }

    /// Where configurations come from.
    #[must_use]
    pub const fn file(&self) -> &ConfigFile {
        &self.file
    }

    /// Carries out a command, and returns once it is stored, safe from a crash, and serves. A rollback serves first, and
    /// even if the store fails; [`Done::reach`] tells.
    ///
    /// # Errors
    /// When it is refused, does not compile, is late, or cannot be stored. Nothing has changed then.
    pub fn execute(self: &Arc<Self>, order: &Order, now: Timestamp) -> Result<Done, Declined> {
        let before = self.present().revision();
        let result = match order.command {
            Command::Rollback { .. } => self.roll_back(order, now),
            _ => self.carry_out(order, now),
        };
        self.account_for(order, now, before, &result);
        result
    }

    fn carry_out(&self, order: &Order, now: Timestamp) -> Result<Done, Declined> {
        // Before it has the turn: nobody else waits for a name.
        let serves = Arc::clone(&self.present().compiled.snapshot);
        let found = self.lookups.all(lookup::unknown_names(&order.command, &serves));
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let _commanding = self.commanding.lock().unwrap_or_else(PoisonError::into_inner);
        if self.handed_over.load(Ordering::Relaxed) {
            return Err(Declined::HandedOver);
        }
        let started = Instant::now();
        for _ in 0..ATTEMPTS {
            let present = self.present();
            if order.expected.is_some_and(|expected| expected != present.revision()) {
                return Err(stale(&present));
            }
            match self.attempt(&present, order, now, started, &found) {
                Err(CommitError::Conflict { .. }) => self.catch_up()?,
                Err(CommitError::Fenced) => return Err(Declined::Fenced),
                Err(CommitError::Repeated) => return Err(Declined::Repeated),
                Err(CommitError::Store(error)) => {
                    self.store_failed(&error, "a command could not be stored");
                    return Err(error.into());
                }
                Ok(result) => return result,
            }
        }
        Err(stale(&self.present()))
    }

    fn attempt(
        &self,
        present: &Arc<Present>,
        order: &Order,
        now: Timestamp,
        started: Instant,
        found: &Found,
    ) -> Result<Result<Done, Declined>, CommitError> {
        let next = match desired::apply(&present.desired, &order.command) {
            Err(refusal) => return Ok(Err(refusal.into())),
            Ok(Applied::Unchanged(summary)) => {
                let revision = present.revision();
                let (reach, warnings) = self.reach();
                return Ok(Ok(Done { revision, changed: false, summary, warnings, reach }));
            }
            Ok(Applied::Changed(next)) => next,
        };
        if let Err(declined) = allowed(order, present, &next) {
            return Ok(Err(declined));
        }
        let revision = Revision(present.revision().0.saturating_add(1));
        let compiled = match compiled(&next.desired, revision, Some(present)) {
            Err(problems) => return Ok(Err(Declined::Invalid(problems))),
            Ok(compiled) => compiled,
        };
        let serves = &present.compiled.snapshot;
        lookup::note(&compiled, found, serves);
        let unresolved: Vec<_> = lookup::unresolved(&compiled, serves).map(lookup::told).collect();
        if let (Command::Targets { .. }, Some(first)) = (&order.command, unresolved.first()) {
            return Ok(Err(Declined::Unresolved(first.clone())));
        }
        let approved = match self.approved(order, present, &next, now) {
            Ok(approved) => approved,
            Err(declined) => return Ok(Err(declined)),
        };
        // Only now: what others approved says nothing of the time at which it is done.
        let (flags, known) = (&compiled.snapshot.flags, Some(&serves.flags));
        let desired = next.desired.stamped(now).noting_steady(flags, known, now);
        let next = Next { desired, ..next };
        let unstored = Unstored::new(order, present, &next, now);
        self.put_down(present.revision(), &unstored)?;
        let mut warnings = self.warnings(&next, &compiled, present);
        warnings.extend(unresolved);
        let stored = Present { entry: unstored.entry, desired: next.desired, compiled };
        warnings.extend(self.serve_stored(present, stored));
        self.meters.swapped(started.elapsed());
        if let Some(plan) = approved
            && let Err(error) = self.forget_plan(&plan)
        {
            self.store_failed(&error, "a plan that was carried out could not be forgotten");
        }
        let reach = Reach::Stored;
        Ok(Ok(Done { revision, changed: true, summary: next.summary, warnings, reach }))
    }

    /// Stores what was kept, then this.
    fn put_down(&self, before: Revision, next: &Unstored) -> Result<(), CommitError> {
        if self.held().is_some() {
            return Err(self.held_error().into());
        }
        self.settle()?;
        self.commit(before, next)?;
        self.meters.store_served();
        Ok(())
    }

    /// Serves what was stored on top of what served then. Where a rollback serves since, that is done on top of it instead.
    fn serve_stored(&self, before: &Arc<Present>, stored: Present) -> Option<String> {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(before, &self.present()) {
            self.publish(stored);
            return None;
        }
        drop(serving);
        if let Err(error) = self.settle() {
            let error = StoreError::Failed(Box::new(error));
            self.store_failed(&error, "a rollback serves, but could not be stored");
            return Some("it is stored, and serves on this node once the store does".to_owned());
        }
        Some("a rollback that came meanwhile is done on top of it".to_owned())
    }

    pub(super) fn store_failed(&self, error: &StoreError, what: &str) {
        self.meters.store_failed();
        tracing::error!(error = causes(error), "{what}");
    }

    /// How far what serves got, and what whoever asks must be told of that.
    pub(super) fn reach(&self) -> (Reach, Vec<String>) {
        if self.has_unstored() {
            (Reach::Node, vec![self.not_stored().to_owned()])
        } else {
            (Reach::Stored, Vec::new())
        }
    }

    /// Commits. A commit that fails after it has been written is found out, so that nothing is stored but not served.
    pub(super) fn commit(&self, before: Revision, next: &Unstored) -> Result<(), CommitError> {
        let Unstored { order, entry, changes, record, .. } = next;
        let history = self.history();
        // Nobody is too late to put traffic back. (INV-10)
        let is_rollback = is_rollback(&order.command);
        let fence = order.fence.filter(|_| !is_rollback);
        let note = order.once.as_ref().map(|once| once.made(entry.revision, is_rollback));
        match self.store.commit(
            &Commit::new(before, entry, changes)
                .noting(record)
                .fenced(fence)
                .going_on(history.as_deref())
                .with(note.as_ref()),
        ) {
            Err(CommitError::Store(error)) => {
                let stored = self.store.revisions(entry.revision, entry.revision);
                let is_there = stored.is_ok_and(|stored| stored.first() == Some(entry));
                if is_there { Ok(()) } else { Err(error.into()) }
            }
            result => result,
        }
    }

    pub(super) fn publish(&self, next: Present) {
        self.cell.publish(&next.compiled.snapshot);
        let entry = next.entry.clone();
        self.present.send_replace(Arc::new(next));
        // Not its summary: that may name a tenant, and the entry has it.
        tracing::info!(
            revision = entry.revision.0,
            actor = entry.actor,
            why = entry.why,
            command = entry.command,
            "a new revision serves"
        );
        self.events.tell(entry.revision, Event::Revision(entry));
    }

    /// Serves a stored revision.
    pub(super) fn take_over(&self, stored: &Stored) -> Result<(), Declined> {
        let present = self.present();
        let desired = self.read(stored, Some(&present.desired))?;
        let revision = stored.entry.revision;
        let compiled = compiled(&desired, revision, Some(&present)).map_err(Declined::Invalid)?;
        let _serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        // A rollback may serve since: a state without it would undo it. It is merged next time.
        if !self.has_unstored() {
            self.publish(Present { entry: stored.entry.clone(), desired, compiled });
        }
        Ok(())
    }
}

pub(super) const fn is_rollback(command: &Command) -> bool {
    matches!(command, Command::Rollback { .. })
}

fn stale(present: &Present) -> Declined {
    Declined::Stale { present: present.revision(), actor: present.entry.actor.clone() }
}
