//! Which revision does a node begin with? The stored one; else the last good one; else everything on stable.

use std::path::PathBuf;
use std::sync::Arc;

use config::causes;
use config::{Problems, RouteLive};
use jiff::Timestamp;
use rules::Revision;

use super::{Node, StartError};
use crate::audit::Seal;
use crate::command::{Command, Configuration};
use crate::desired::{Desired, keys};
use crate::desk::Desk;
use crate::file::{ConfigFile, Content};
use crate::ledger::{Ledger, Order, Present, compiled, goes_on_from, read_stored};
use crate::local::{Good, Kept, LastGood};
use crate::referred::Seen;
use crate::store::{Change, Commit, CommitError, Entry, Store, StoreError, Stored};

/// Who the file's own commands are by.
const ACTOR: &str = "turnout";
/// How often a first revision is tried when other nodes of the fleet begin at the same time.
const ATTEMPTS: usize = 5;

/// What a node begins with.
pub(crate) struct Beginning {
    pub(crate) store: Box<dyn Store>,
    pub(crate) file: ConfigFile,
    /// What the file held.
    pub(crate) content: Content,
    /// The store's path; what the node keeps for itself is beside it.
    pub(crate) path: PathBuf,
    pub(crate) now: Timestamp,
}

type Written = Result<Configuration, StartError>;

/// What serves first, and whether the file is still to be taken.
struct First {
    present: Present,
    take_file: bool,
    history: Option<String>,
    /// Whether the store served.
    store_up: bool,
}

impl Beginning {
    /// The node.
    pub(crate) fn node(self, written: Written, seal: Seal) -> Result<Node, StartError> {
        let last_good = self.store.is_shared().then(|| LastGood::of(&self.path));
        let good = last_good.as_ref().and_then(LastGood::found);
        let First { present, take_file, history, store_up } = self.first(written, good.as_ref())?;
        let revision = present.revision();
        tracing::info!(revision = revision.0, "the state is there");
        for warning in &present.compiled.warnings {
            tracing::warn!(%warning, "the configuration in force has a warning");
        }
        // The same text may say something else now, by a variable; one that was passed over stays so.
        let passed_over = present.desired.passed_over.clone();
        let news = self.content.as_ref().ok() != passed_over.as_ref();
        let Self { store, file, content, path, now } = self;
        let ledger = Ledger::new(store, file, present).starting();
        let ledger = ledger.keeping(last_good, Kept::of(&path), history);
        if !store_up {
            ledger.meters().store_failed();
        }
        let desk = Desk::new(ledger, seal, now);
        desk.ledger().take_up_kept();
        if take_file && news {
            desk.reload(content.clone(), "start");
        }
        desk.ledger().starts();
        let seen = Seen::now(content, &desk.ledger().present().desired.configuration.document);
        Ok(Node { store: path, desk: Arc::new(desk), seen })
    }

    fn first(&self, written: Written, good: Option<&Good>) -> Result<First, StartError> {
        let store = &*self.store;
        for _ in 1..ATTEMPTS {
            let loaded = match (store.load(), good) {
                (Ok(_), Some(good)) if !goes_on_from(store, good)? => {
                    tracing::error!(
                        "the store is not the one that served here before: the last good revision serves, and the store is not followed"
                    );
                    return self.last_good(good, written, true);
                }
                (Err(error), _) if store.is_shared() => {
                    tracing::error!(error = causes(&error), "the store does not serve");
                    return match good {
                        Some(good) => self.last_good(good, written, false),
                        None => self.all_stable(written?),
                    };
                }
                (loaded, _) => loaded?,
            };
            let history = store.newest()?.epoch;
            let Some(stored) = loaded else {
                let first = match written {
                    Ok(ref written) => Desired::first(written.clone()),
                    Err(error) => return Err(error),
                };
                match self.commit(Revision(0), first, "the first start") {
                    // Another node of the fleet was first.
                    Err(StartError::Commit(CommitError::Conflict { .. })) if store.is_shared() => {
                        continue;
                    }
                    present => {
                        let (present, history) = (present?, store.newest()?.epoch);
                        return Ok(First { present, take_file: false, history, store_up: true });
                    }
                }
            };
            let (present, take_file) = self.restore(&stored, written)?;
            return Ok(First { present, take_file, history, store_up: true });
        }
        let present = store.newest()?.revision;
        Err(StartError::Commit(CommitError::Conflict { present }))
    }

    /// What served here last.
    fn last_good(
        &self,
        good: &Good,
        written: Written,
        store_up: bool,
    ) -> Result<First, StartError> {
        let unread = keys::unread(&good.stored.values)?;
        let (live, rollouts) = (unread.live.clone(), Arc::new(unread.rollouts.clone()));
        let (entry, revision) = (good.stored.entry.clone(), good.stored.entry.revision);
        let of = |desired: Desired| {
            let compiled = compiled(&desired, revision, None)?;
            Ok::<_, Problems>(Present { entry: entry.clone(), desired, compiled })
        };
        let present = match read_stored(&self.file, unread, None).and_then(of) {
            Ok(present) => present,
            // What the text refers to is gone, so that only the file can serve. Shifts stay.
            Err(problems) => {
                let written = written.map_err(|_none| StartError::Config(problems))?;
                of(Desired::under(written, &live).with_rollouts(&rollouts))
                    .map_err(StartError::Config)?
            }
        };
        tracing::warn!(revision = revision.0, "the last good revision serves");
        Ok(First { present, take_file: false, history: good.epoch.clone(), store_up })
    }

    /// Nothing is known of shifts, so that everything is on stable until the store serves.
    fn all_stable(&self, written: Configuration) -> Result<First, StartError> {
        let mut desired = Desired::first(written);
        for live in desired.live.routes.values_mut() {
            *live = Arc::new(RouteLive::default());
        }
        let compiled = compiled(&desired, Revision(0), None).map_err(StartError::Config)?;
        let summary = "nothing is known: everything is on stable";
        let entry = self.entry(Revision(0), &desired, "the store does not serve", summary.into());
        tracing::warn!(
            "nothing is known of shifts: everything is on stable until the store serves"
        );
        let present = Present { entry, desired, compiled };
        Ok(First { present, take_file: false, history: None, store_up: false })
    }

    /// The state that is stored, and whether the file is still to be taken.
    fn restore(&self, stored: &Stored, written: Written) -> Result<(Present, bool), StartError> {
        let unread = keys::unread(&stored.values)?;
        let (live, rollouts) = (unread.live.clone(), Arc::new(unread.rollouts.clone()));
        let restored = read_stored(&self.file, unread, None).and_then(|desired| {
            let compiled = compiled(&desired, stored.entry.revision, None)?;
            Ok(Present { entry: stored.entry.clone(), desired, compiled })
        });
        match (restored, written) {
            (Ok(present), _) => Ok((present, true)),
            (Err(problems), Ok(written)) => {
                // What the stored text refers to is gone, so that only the file can serve. Shifts stay.
                tracing::warn!(%problems, "the stored configuration is not valid any more; the file takes its place");
                let desired = Desired::under(written, &live).with_rollouts(&rollouts);
                let present = self.commit(stored.entry.revision, desired, "start")?;
                Ok((present, false))
            }
            (Err(problems), Err(_)) => Err(StartError::Config(problems)),
        }
    }

    fn commit(&self, before: Revision, desired: Desired, why: &str) -> Result<Present, StartError> {
        let revision = Revision(before.0.saturating_add(1));
        let compiled = compiled(&desired, revision, None).map_err(StartError::Config)?;
        let desired = desired.noting_steady(&compiled.snapshot.flags, None, self.now);
        let routes = desired.configuration.document.routes.len();
        let entry = self.entry(revision, &desired, why, format!("configuration: {routes} routes"));
        let mut changes = keys::changes(None, &desired);
        changes.extend(forgotten(&*self.store, &changes)?);
        let command = Command::Apply(desired.configuration.clone());
        let order = Order::by_process(command, ACTOR, why);
        let record = order.record(self.now, before).accepted(revision, &entry.summary);
        self.store.commit(&Commit::new(before, &entry, &changes).noting(&record))?;
        Ok(Present { entry, desired, compiled })
    }

    fn entry(&self, revision: Revision, desired: &Desired, why: &str, summary: String) -> Entry {
        let command = Command::Apply(desired.configuration.clone());
        Entry {
            revision,
            at: self.now,
            actor: ACTOR.to_owned(),
            why: why.to_owned(),
            command: command.name().to_owned(),
            arguments: command.arguments(),
            summary,
        }
    }
}

/// Keys of the stored state that a state written as a whole does not have.
fn forgotten(store: &dyn Store, kept: &[Change]) -> Result<Vec<Change>, StoreError> {
    let Some(stored) = store.load()? else { return Ok(Vec::new()) };
    let mut lost = stored.values;
    for (key, _) in kept {
        lost.remove(key);
    }
    Ok(lost.into_keys().map(|key| (key, None)).collect())
}
