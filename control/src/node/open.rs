//! How does a node begin? With the state that is stored, and the file if that says something else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Problems, Settings};
use jiff::Timestamp;
use rules::{Revision, SnapshotCell};

use crate::command::{Command, Configuration};
use crate::desired::{Desired, keys};
use crate::desk::Desk;
use crate::file::{ConfigFile, Content};
use crate::ledger::{Ledger, Present, compiled, read_stored};
use crate::referred::Seen;
use crate::store::{CommitError, Entry, Sqlite, Store, StoreError, Stored};

/// Who the file's own commands are by.
const ACTOR: &str = "turnout";

/// Where a node finds what it needs to begin.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The configuration file.
    pub config: PathBuf,
    /// The store's file, where it is not the one that the configuration names.
    pub store: Option<PathBuf>,
}

/// The control plane of one node.
#[derive(Debug)]
pub struct Node {
    /// Where the state is.
    pub(super) store: PathBuf,
    pub(super) desk: Arc<Desk>,
    /// What the file, and those that it refers to, held when the node began.
    pub(super) seen: Seen,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no state yet, and the configuration file cannot be read.
    #[error(
        "the configuration cannot be read: {0} (with --store, a node that has a state starts from that)"
    )]
    File(String),
    /// There is no state that could serve instead, and the configuration is not valid.
    #[error("the configuration is not valid:\n{0}")]
    Config(Problems),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The first revision could not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// There is no state to take over.
    #[error("there is no state in {0}: start without taking over")]
    NoState(PathBuf),
}

/// What there is to begin with.
pub(super) struct Found {
    pub(super) file: ConfigFile,
    pub(super) content: Content,
    /// What the file says, or why that cannot be taken.
    pub(super) written: Result<Configuration, StartError>,
    /// Where the state is.
    pub(super) path: PathBuf,
    now: Timestamp,
}

impl Found {
    pub(super) fn look(opening: &Opening) -> Self {
        let now = Timestamp::now();
        let file = ConfigFile::new(&opening.config);
        let content = file.content();
        let written = read(&file, &content, now);
        let path = match (&opening.store, &written) {
            (Some(path), _) => path.clone(),
            (None, Ok(written)) => file.store_of(&written.document),
            (None, Err(StartError::Config(_))) => {
                file.store_of_invalid(content.as_deref().unwrap_or_default())
            }
            (None, Err(_)) => file.store_of_invalid(""),
        };
        Self { file, content, written, path, now }
    }
}

impl Node {
    /// Opens and locks the store, restores the state, applies the file where it says something else, and compiles.
    ///
    /// A file that is not valid does not keep a node from starting that has a state: it serves that, and says so.
    ///
    /// # Errors
    /// When the store cannot be used, or there is neither a state nor a valid file.
    pub fn open(opening: &Opening) -> Result<Self, StartError> {
        let Found { file, content, written, path, now } = Found::look(opening);
        let written = if path.exists() { written } else { Ok(valid(written?)?) };
        let store = Sqlite::open(&path)?;
        tracing::info!(path = %path.display(), "the store is open");
        Self::begin(path, Box::new(store), file, content, written, now)
    }

    fn begin(
        path: PathBuf,
        store: Box<dyn Store>,
        file: ConfigFile,
        content: Content,
        written: Result<Configuration, StartError>,
        now: Timestamp,
    ) -> Result<Self, StartError> {
        let (present, written) = match store.load()? {
            None => {
                let desired = Desired::first(written?);
                (commit(&*store, Revision(0), desired, now, "the first start")?, None)
            }
            Some(stored) => restore(&*store, &file, &stored, written, now)?,
        };
        tracing::info!(revision = present.revision().0, "the state is there");
        for warning in &present.compiled.warnings {
            tracing::warn!(%warning, "the configuration in force has a warning");
        }
        // The same text may say something else now, by a variable; one that was passed over stays so.
        let passed_over = present.desired.passed_over.clone();
        let news = content.as_ref().ok() != passed_over.as_ref();
        let desk = Desk::new(Ledger::new(store, file, present), now);
        if written.is_some() && news {
            desk.reload(content.clone(), "start");
        }
        let seen = Seen::now(content, &desk.ledger().present().desired.configuration.document);
        Ok(Self { store: path, desk: Arc::new(desk), seen })
    }

    /// Where the proxy finds the snapshot to serve by.
    #[must_use]
    pub fn cell(&self) -> Arc<SnapshotCell> {
        Arc::clone(self.desk.ledger().cell())
    }

    /// The settings that the process starts with. Later changes of them need a restart.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.desk.ledger().present().compiled.settings)
    }

    /// Where the state is.
    #[must_use]
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// What the control plane knows and does.
    #[must_use]
    pub const fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }
}

fn read(file: &ConfigFile, content: &Content, now: Timestamp) -> Result<Configuration, StartError> {
    let text = content.clone().map_err(StartError::File)?;
    let document = Arc::new(file.read(&text).map_err(StartError::Config)?);
    Ok(Configuration { text, document, accepted_unix: now.as_second(), from_file: true })
}

/// The configuration, if it compiles: a first start that cannot succeed leaves nothing behind.
fn valid(written: Configuration) -> Result<Configuration, StartError> {
    let desired = Desired::first(written);
    compiled(&desired, Revision(1), None).map_err(StartError::Config)?;
    Ok(desired.configuration)
}

/// The state that is stored, and whether the file is still to be taken.
fn restore(
    store: &dyn Store,
    file: &ConfigFile,
    stored: &Stored,
    written: Result<Configuration, StartError>,
    now: Timestamp,
) -> Result<(Present, Option<()>), StartError> {
    let unread = keys::unread(&stored.values)?;
    let (live, rollouts) = (unread.live.clone(), Arc::new(unread.rollouts.clone()));
    let restored = read_stored(file, unread, None).and_then(|desired| {
        let compiled = compiled(&desired, stored.entry.revision, None)?;
        Ok(Present { entry: stored.entry.clone(), desired, compiled })
    });
    match (restored, written) {
        (Ok(present), _) => Ok((present, Some(()))),
        (Err(problems), Ok(written)) => {
            // What the stored text refers to is gone, so that only the file can serve. Shifts stay.
            tracing::warn!(%problems, "the stored configuration is not valid any more; the file takes its place");
            let desired = Desired::under(written, &live).with_rollouts(&rollouts);
            let present = commit(store, stored.entry.revision, desired, now, "start")?;
            Ok((present, None))
        }
        (Err(problems), Err(_)) => Err(StartError::Config(problems)),
    }
}

fn commit(
    store: &dyn Store,
    before: Revision,
    desired: Desired,
    now: Timestamp,
    why: &str,
) -> Result<Present, StartError> {
    let revision = Revision(before.0.saturating_add(1));
    let compiled = compiled(&desired, revision, None).map_err(StartError::Config)?;
    let command = Command::Apply(desired.configuration.clone());
    let routes = desired.configuration.document.routes.len();
    let entry = Entry {
        revision,
        at: now,
        actor: ACTOR.to_owned(),
        why: why.to_owned(),
        command: command.name().to_owned(),
        arguments: command.arguments(),
        summary: format!("configuration: {routes} routes"),
    };
    let mut changes = keys::changes(None, &desired);
    changes.extend(forgotten(store, &changes)?);
    store.commit(before, &entry, &changes)?;
    Ok(Present { entry, desired, compiled })
}

/// Keys of the stored state that a state written as a whole does not have.
fn forgotten(
    store: &dyn Store,
    kept: &[crate::store::Change],
) -> Result<Vec<crate::store::Change>, StoreError> {
    let Some(stored) = store.load()? else { return Ok(Vec::new()) };
    let mut lost = stored.values;
    for (key, _) in kept {
        lost.remove(key);
    }
    Ok(lost.into_keys().map(|key| (key, None)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_the_way_to_the_state_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("turnout.yaml");
        let error = Node::open(&Opening { config, store: None }).unwrap_err();
        assert!(error.to_string().contains("--store"), "{error}");
    }
}
