//! What happens to a command? Applied, compiled, stored, published: one after the other, all of it or nothing. (INV-4)

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use config::{Compiled, Problems, Settings, compile};
use jiff::Timestamp;
use rules::{Revision, SnapshotCell};
use tokio::sync::watch;

use super::lookup::{self, Found, Lookups};
use super::unstored::Unstored;
use super::{Declined, Done, Order, Present, Preview, Reach};
use crate::command::{Command, Configuration};
use crate::desired::{self, Applied, Desired, Next, keys};
use crate::events::{Event, Events};
use crate::file::ConfigFile;
use crate::meters::Meters;
use crate::rollout;
use crate::store::{Change, CommitError, Entry, Store, StoreError, Stored};

/// How often a command without an expected revision is tried again when another process was faster.
const ATTEMPTS: usize = 3;
const NOT_STORED: &str = "the store fails, so that this serves on this node and is not stored yet: it is tried again each second, and lost if the process is killed before";

/// Carries out commands, one at a time. Its calls block: on the store, and while compiling.
#[derive(Debug)]
pub struct Ledger {
    pub(super) store: Box<dyn Store>,
    file: ConfigFile,
    cell: Arc<SnapshotCell>,
    present: watch::Sender<Arc<Present>>,
    /// What the process runs with until it is started again.
    started_with: Arc<Settings>,
    pub(super) turn: Mutex<()>,
    /// Whether another process serves by now. It is changed by whoever has the turn.
    pub(super) handed_over: AtomicBool,
    /// Whether the store could not be taken back from a process that failed to take over.
    pub(super) without_store: AtomicBool,
    /// What serves and is not stored yet. It is changed by whoever has the turn.
    pub(super) unstored: Mutex<VecDeque<Unstored>>,
    pub(super) lookups: Lookups,
    events: Events,
    pub(super) meters: Arc<Meters>,
}

impl Ledger {
    /// The ledger of a state that is stored and compiled.
    pub(crate) fn new(store: Box<dyn Store>, file: ConfigFile, present: Present) -> Self {
        Self {
            store,
            file,
            cell: Arc::new(SnapshotCell::new(Arc::clone(&present.compiled.snapshot))),
            started_with: Arc::clone(&present.compiled.settings),
            present: watch::Sender::new(Arc::new(present)),
            turn: Mutex::default(),
            handed_over: AtomicBool::new(false),
            without_store: AtomicBool::new(false),
            unstored: Mutex::default(),
            lookups: Lookups::default(),
            events: Events::default(),
            meters: Arc::default(),
        }
    }

    /// The same for a process whose settings are those of a configuration that is still to be taken.
    pub(crate) fn starting_with(self, settings: Arc<Settings>) -> Self {
        Self { started_with: settings, ..self }
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

    /// Where revisions are kept.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Where configurations come from.
    #[must_use]
    pub const fn file(&self) -> &ConfigFile {
        &self.file
    }

    /// Carries out a command, and returns once it is stored, safe from a crash, and serves. A rollback serves even if the
    /// store fails; [`Done::reach`] tells.
    ///
    /// # Errors
    /// When it is refused, does not compile, is late, or cannot be stored. Nothing has changed then.
    pub fn execute(&self, order: &Order, now: Timestamp) -> Result<Done, Declined> {
        // Before it has the turn: no rollback waits for a name.
        let serves = Arc::clone(&self.present().compiled.snapshot);
        let found = self.lookups.all(lookup::unknown_names(&order.command, &serves));
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
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
        present: &Present,
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
            Ok(Applied::Changed(next)) => Next { desired: next.desired.stamped(now), ..next },
        };
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
        let entry = Entry {
            revision,
            at: now,
            actor: order.actor.clone(),
            why: order.why.clone(),
            command: order.command.name().to_owned(),
            arguments: order.command.arguments(),
            summary: next.summary.clone(),
        };
        let changes = keys::changes(Some(&present.desired), &next.desired);
        self.put_down(present.revision(), order, &entry, changes)?;
        let mut warnings = self.warnings(&next, &compiled, present);
        let (reach, unstored) = self.reach();
        warnings.extend(unresolved);
        warnings.extend(unstored);
        self.publish(Present { entry, desired: next.desired, compiled });
        self.meters.swapped(started.elapsed());
        if let Command::Rollback { route, .. } = &order.command {
            let by_gate = order.actor == rollout::ENGINE;
            self.meters.rolled_back(route.as_str(), if by_gate { "gate" } else { "command" });
        }
        Ok(Ok(Done { revision, changed: true, summary: next.summary, warnings, reach }))
    }

    /// Stores what was kept, then this command. A rollback is kept for later where the store fails. (INV-9)
    fn put_down(
        &self,
        before: Revision,
        order: &Order,
        entry: &Entry,
        changes: Vec<Change>,
    ) -> Result<(), CommitError> {
        let stored = self.settle().and_then(|()| self.commit(before, entry, &changes));
        match (stored, &order.command) {
            (Err(CommitError::Store(error)), Command::Rollback { .. }) => {
                self.store_failed(&error, "a rollback serves, but could not be stored");
                let (order, entry) = (order.clone(), entry.clone());
                self.keep(Unstored { order, entry, changes });
                Ok(())
            }
            (Ok(()), _) => {
                self.meters.store_served();
                Ok(())
            }
            (stored, _) => stored,
        }
    }

    pub(super) fn store_failed(&self, error: &StoreError, what: &str) {
        self.meters.store_failed();
        tracing::error!(error = error as &dyn std::error::Error, "{what}");
    }

    /// How far what serves got, and what whoever asks must be told of that.
    fn reach(&self) -> (Reach, Vec<String>) {
        if self.has_unstored() {
            (Reach::Node, vec![NOT_STORED.to_owned()])
        } else {
            (Reach::Stored, Vec::new())
        }
    }

    /// Commits. A commit that fails after it has been written is found out, so that nothing is stored but not served.
    pub(super) fn commit(
        &self,
        before: Revision,
        entry: &Entry,
        changes: &[Change],
    ) -> Result<(), CommitError> {
        match self.store.commit(before, entry, changes) {
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

    /// Takes over the newest revision of the store, which another process made.
    fn catch_up(&self) -> Result<(), Declined> {
        let Some(stored) = self.store.load()? else { return Ok(()) };
        let present = self.present();
        let desired = self.read(&stored, Some(&present.desired))?;
        let compiled =
            compiled(&desired, stored.entry.revision, Some(&present)).map_err(Declined::Invalid)?;
        self.publish(Present { entry: stored.entry, desired, compiled });
        Ok(())
    }

    /// What a command would do; nothing is stored or served.
    ///
    /// # Errors
    /// When it would be refused or does not compile.
    pub fn preview(&self, command: &Command) -> Result<Preview, Declined> {
        let present = self.present();
        let revision = present.revision();
        match desired::apply(&present.desired, command)? {
            Applied::Unchanged(summary) => {
                Ok(Preview { revision, changed: false, summary, warnings: Vec::new() })
            }
            Applied::Changed(next) => {
                let number = Revision(revision.0.saturating_add(1));
                let compiled =
                    compiled(&next.desired, number, Some(&present)).map_err(Declined::Invalid)?;
                let warnings = self.warnings(&next, &compiled, &present);
                Ok(Preview { revision, changed: true, summary: next.summary, warnings })
            }
        }
    }

    fn warnings(&self, next: &Next, compiled: &Compiled, present: &Present) -> Vec<String> {
        let mut warnings = next.notes.clone();
        let document = &next.desired.configuration.document;
        if !Arc::ptr_eq(document, &present.desired.configuration.document) {
            warnings.extend(compiled.warnings.iter().map(ToString::to_string));
            warnings.extend(needs_restart(&self.started_with, &compiled.settings));
        }
        warnings
    }

    /// A configuration's text, read as if it stood in the file.
    ///
    /// # Errors
    /// When it is not a configuration.
    pub fn configuration(&self, text: Arc<str>, now: Timestamp) -> Result<Configuration, Problems> {
        let document = Arc::new(self.file.read(&text)?);
        Ok(Configuration { text, document, accepted_unix: now.as_second(), from_file: false })
    }

    /// The state of a revision; none where there is no such revision.
    ///
    /// # Errors
    /// When it cannot be loaded, or its configuration refers to what is no longer there.
    pub fn state_of(&self, revision: Revision) -> Result<Option<Desired>, Declined> {
        let Some(stored) = self.stored(revision)? else { return Ok(None) };
        self.read(&stored, Some(&self.present().desired)).map(Some)
    }

    pub(super) fn read(
        &self,
        stored: &Stored,
        known: Option<&Desired>,
    ) -> Result<Desired, Declined> {
        let unread = keys::unread(&stored.values)?;
        read_stored(&self.file, unread, known).map_err(Declined::Invalid)
    }
}

/// Reads the configuration of a stored state. Where the text is that of a known state, so is the document.
pub(crate) fn read_stored(
    file: &ConfigFile,
    unread: keys::Unread,
    known: Option<&Desired>,
) -> Result<Desired, Problems> {
    let keys::Unread { text, accepted_unix, live, rollouts, passed_over } = unread;
    let known = known.map(|known| &known.configuration).filter(|known| known.text == text);
    let document = match known {
        Some(known) => Arc::clone(&known.document),
        None => Arc::new(file.read(&text)?),
    };
    let from_file = passed_over.is_none();
    let configuration = Configuration { text, document, accepted_unix, from_file };
    let rollouts = Arc::new(rollouts);
    Ok(Desired { configuration, live, rollouts, passed_over })
}

/// Compiles a desired state. The clock is that of the configuration's acceptance: a sunset that has passed since then
/// must not stop a rollback or a restart.
pub(crate) fn compiled(
    desired: &Desired,
    revision: Revision,
    previous: Option<&Present>,
) -> Result<Compiled, Problems> {
    let Configuration { document, accepted_unix, .. } = &desired.configuration;
    let previous = previous.map(|previous| &previous.compiled);
    compile(document, &desired.live, revision, previous, *accepted_unix)
}

fn stale(present: &Present) -> Declined {
    Declined::Stale { present: present.revision(), actor: present.entry.actor.clone() }
}

/// What of the settings only a restart can change, if any of it is other than at the start.
fn needs_restart(started_with: &Settings, next: &Settings) -> Option<String> {
    let changed = [
        ("listeners", started_with.listeners != next.listeners),
        ("control", started_with.control != next.control),
        ("status", started_with.status != next.status),
        ("store", started_with.store != next.store),
        ("access_log", started_with.access_log != next.access_log),
        ("shadow", started_with.shadow != next.shadow),
        ("drain", started_with.drain != next.drain),
        ("drain_delay", started_with.drain_delay != next.drain_delay),
        ("threads", started_with.threads != next.threads),
    ];
    let names: Vec<&str> =
        changed.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name).collect();
    let told =
        || format!("{} changed: that takes effect when Turnout is started again", names.join(", "));
    (!names.is_empty()).then(told)
}
