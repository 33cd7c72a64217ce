//! How does a node begin? With the state that is stored, and the file if that says something else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Problems, RedisSettings, Settings};
use jiff::Timestamp;
use rules::{Revision, SnapshotCell};

use super::begin::Beginning;
use crate::audit::Seal;
use crate::command::Configuration;
use crate::desired::{Desired, keys};
use crate::desk::Desk;
use crate::file::{ConfigFile, Content};
use crate::ledger::compiled;
use crate::local::LastGood;
use crate::referred::Seen;
use crate::store::{CommitError, Shared, Sqlite, Store, StoreError, Stored};

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
    /// The key that heads of the audit are signed with cannot be used.
    #[error("{path} cannot be used: it holds the key that the audit is signed with")]
    Seal {
        /// The key's file.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
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

    /// The store.
    pub(super) fn open_store(&self) -> Result<Box<dyn Store>, StartError> {
        let store: Box<dyn Store> = match self.redis() {
            Some(redis) => Box::new(Shared::new(&redis)),
            None => Box::new(Sqlite::open(&self.path)?),
        };
        tracing::info!(path = %self.path.display(), shared = store.is_shared(), "the store is open");
        Ok(store)
    }

    /// The newest state in a store that another process may have. Nothing is written.
    pub(super) fn peek(&self) -> Result<Option<Stored>, StartError> {
        match self.redis() {
            Some(redis) => Ok(Shared::new(&redis).load()?),
            None => Ok(Sqlite::peek(&self.path)?),
        }
    }

    fn redis(&self) -> Option<RedisSettings> {
        let known = || last_known_redis(&self.file, &self.path);
        match &self.written {
            // What is written there and cannot be is no reason to go by a file that was left behind.
            Ok(written) if written.document.store.redis.is_some() => {
                config::redis_settings(&written.document).or_else(known)
            }
            Ok(_) => None,
            Err(_) => known(),
        }
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
        let mut found = Found::look(opening);
        if !found.path.exists() && !LastGood::of(&found.path).is_there() {
            found.written = Ok(valid(found.written?)?);
        }
        let shares = |written: &Configuration| written.document.store.redis.is_some();
        if found.written.as_ref().is_ok_and(shares) && found.redis().is_none() {
            found.written = Ok(valid(found.written?)?);
        }
        let seal = open_seal(&found.path)?;
        let store = found.open_store()?;
        let Found { file, content, written, path, now } = found;
        Beginning { store, file, content, path, now }.node(written, seal)
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

/// The key that heads of the audit are signed with, beside the store.
pub(super) fn open_seal(store: &Path) -> Result<Seal, StartError> {
    let mut path = store.as_os_str().to_owned();
    path.push(".seal");
    let path = PathBuf::from(path);
    Seal::open(&path).map_err(|source| StartError::Seal { path, source })
}

/// The Redis that the configuration named which served here last.
fn last_known_redis(file: &ConfigFile, store: &Path) -> Option<RedisSettings> {
    let good = LastGood::of(store).found()?;
    let text = keys::unread(&good.stored.values).ok()?.text;
    config::redis_settings(&file.read(&text).ok()?)
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
