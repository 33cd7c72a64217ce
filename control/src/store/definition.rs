//! What must a store do? Entries, states, and the trait that every store implements.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rules::Revision;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::Caution;
use crate::audit::{Head, Line, Record};

/// One accepted command: who changed what, when and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The revision that the command made.
    #[serde(with = "number")]
    pub revision: Revision,
    /// When it was accepted.
    pub at: Timestamp,
    /// Who asked for it.
    pub actor: String,
    /// Why; may be empty where nobody was asked.
    pub why: String,
    /// Which command it was, for example `shift`.
    pub command: String,
    /// With which arguments. Never a configuration's text.
    pub arguments: serde_json::Value,
    /// What it did, for people: `sms: canary 5% -> 25%`.
    pub summary: String,
}

/// A revision as a number.
mod number {
    use rules::Revision;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        revision: &Revision,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(revision.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Revision, D::Error> {
        u64::deserialize(deserializer).map(Revision)
    }
}

/// A key and its new value; none removes the key.
pub type Change = (String, Option<String>);

/// A revision to be stored, with all that belongs to it.
#[derive(Debug, Clone, Copy)]
pub struct Commit<'c> {
    /// The revision that it is made on.
    pub expected: Revision,
    /// The command that made it.
    pub entry: &'c Entry,
    /// What it changes.
    pub changes: &'c [Change],
    /// What the audit keeps of it.
    pub record: Option<&'c Record>,
    /// The fence of whoever holds the lease, where only they may make it.
    pub fence: Option<u64>,
    /// The history that it must go on.
    pub epoch: Option<&'c str>,
    /// What is noted together with it.
    pub note: Option<&'c CommitNote>,
}

/// A note that is kept together with a revision, or neither of them is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitNote {
    /// Its key.
    pub key: String,
    /// What it says.
    pub value: String,
    /// How long it is kept.
    pub keep: Duration,
    /// The only note that may be there before; where another one is, the revision is not stored. None where that does not
    /// matter.
    pub instead_of: Option<String>,
}

impl<'c> Commit<'c> {
    /// A revision of which the audit keeps nothing.
    #[must_use]
    pub const fn new(expected: Revision, entry: &'c Entry, changes: &'c [Change]) -> Self {
        Self { expected, entry, changes, record: None, fence: None, epoch: None, note: None }
    }

    /// The same, with a note.
    #[must_use]
    pub const fn with(self, note: Option<&'c CommitNote>) -> Self {
        Self { note, ..self }
    }

    /// The same, of which the audit keeps this.
    #[must_use]
    pub const fn noting(self, record: &'c Record) -> Self {
        Self { record: Some(record), ..self }
    }

    /// The same, but only if nobody took the lease since this fence was given.
    #[must_use]
    pub const fn fenced(self, fence: Option<u64>) -> Self {
        Self { fence, ..self }
    }

    /// The same, but only as part of this history.
    #[must_use]
    pub const fn going_on(self, epoch: Option<&'c str>) -> Self {
        Self { epoch, ..self }
    }
}

/// The whole state at one revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// The command that made the revision.
    pub entry: Entry,
    /// Every key that has a value.
    pub values: BTreeMap<String, String>,
}

/// Keeps the desired state and every revision of it. Calls block: they are made where that is allowed.
pub trait Store: fmt::Debug + Send + Sync {
    /// The state at the newest revision; none before the first.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    fn load(&self) -> Result<Option<Stored>, StoreError>;

    /// The state at a revision; none where there is no such revision.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    fn load_at(&self, revision: Revision) -> Result<Option<Stored>, StoreError>;

    /// Stores the revision after the expected one, entry, changes and record together, and returns once that is safe from
    /// a crash.
    ///
    /// # Errors
    /// When the expected revision is not the newest one, or the entry's is not the one after it; when the store fails, and
    /// then nothing of it is stored.
    fn commit(&self, commit: &Commit<'_>) -> Result<(), CommitError>;

    /// The entries of `first` to `last`, both included, oldest first.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    fn revisions(&self, first: Revision, last: Revision) -> Result<Vec<Entry>, StoreError>;

    /// Appends records of what made no revision to the audit, and returns once that is safe from a crash.
    ///
    /// # Errors
    /// When the store fails; then none of them is stored.
    fn record(&self, records: &[Record]) -> Result<(), StoreError>;

    /// The newest link of the audit's chain.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    fn audited(&self) -> Result<Head, StoreError>;

    /// The audit's lines `first` to `last`, both included, oldest first.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    fn lines(&self, first: u64, last: u64) -> Result<Vec<Line>, StoreError>;

    /// Keeps a note for a while where there is none under the key, else says which one there is. Notes are no part of any
    /// revision. At most [`MAX_NOTES`] are kept; those that end soonest make room.
    ///
    /// # Errors
    /// When the store fails; then it is not kept.
    fn note(&self, key: &str, value: &str, keep: Duration) -> Result<Option<String>, StoreError>;

    /// Puts another note in the place of the one under the key, or nothing.
    ///
    /// # Errors
    /// When the store fails; then the former is kept.
    fn renote(&self, key: &str, value: Option<&str>, keep: Duration) -> Result<(), StoreError>;

    /// The notes whose keys begin so.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError>;

    /// The newest revision, and whose history it is part of.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    fn newest(&self) -> Result<Newest, StoreError>;

    /// Whether other processes use it, too.
    fn is_shared(&self) -> bool {
        false
    }

    /// What is notified when another process has probably made a revision. Nothing that anybody may rely on.
    fn hints(&self) -> Option<Arc<Notify>> {
        None
    }

    /// What somebody should set otherwise, for acknowledged commands to be safe.
    ///
    /// # Errors
    /// When the store cannot be reached.
    fn cautions(&self) -> Result<Vec<Caution>, StoreError> {
        Ok(Vec::new())
    }

    /// Takes the lease, or goes on holding it, for a while. Gives the fence where the holder has it.
    ///
    /// # Errors
    /// When the store cannot be reached; then nobody may rely on the lease.
    fn lease(&self, _holder: &str, _keep: Duration) -> Result<Option<u64>, StoreError> {
        Ok(Some(0))
    }

    /// Lets another process have what only one may have, once a commit under way is done. Reading goes on. A store that
    /// many processes share has nothing to let go.
    fn release(&self) {}

    /// Takes back what was released. A commit does so, too.
    ///
    /// # Errors
    /// When another process has it now, or the store fails.
    fn retake(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Keeps notes that stay until somebody removes them, each in the place of the one before. All of them or none. While the store is released nothing is kept: they are the other process's then.
    ///
    /// # Errors
    /// When the store fails; nothing is kept then.
    fn keep(&self, notes: &[Change]) -> Result<(), StoreError>;

    /// All notes that stay.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    fn kept(&self) -> Result<BTreeMap<String, String>, StoreError>;
}

/// The newest revision, and whose history it is part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// The revision; 0 where there is none.
    pub revision: Revision,
    /// By which this history is told from that of another store; none where there is no history, or only one store.
    pub epoch: Option<String>,
}

/// How many notes a store keeps. (INV-7)
pub const MAX_NOTES: usize = 10_000;

/// Why a store does not serve.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it.
    #[error(
        "{path} is in use by another process{holder}: stop that one first, or give this one a store of its own"
    )]
    InUse {
        /// The store's file.
        path: PathBuf,
        /// ` (pid 17)` where that is known.
        holder: String,
    },
    /// A newer version of Turnout wrote it.
    #[error(
        "{path} was written by a newer version of Turnout (its schema is {found}, this version knows {known}): run that version, or start from a copy made before"
    )]
    TooNew {
        /// The store's file.
        path: PathBuf,
        /// The schema version found.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// It is a database of something else.
    #[error("{path} is a database, but not one of Turnout's: give another path")]
    NotOurs {
        /// The store's file.
        path: PathBuf,
    },
    /// The file cannot be opened or created.
    #[error("{path} cannot be opened")]
    Open {
        /// The store's file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// What is stored cannot be understood.
    #[error("the stored {what} cannot be understood: {reason}")]
    Corrupt {
        /// Which part.
        what: String,
        /// Why not.
        reason: String,
    },
    /// A state was to be put into it, but something is there already.
    #[error("there is something in {0} already: a state is only ever moved into an empty store")]
    NotEmpty(String),
    /// It is not the one that this node follows.
    #[error("the store is not followed: {0}")]
    Held(String),
    /// Reading or writing failed.
    #[error("the store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a revision was not stored.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another command came first.
    #[error("the newest revision is {present}, not the expected one")]
    Conflict {
        /// The newest revision.
        present: Revision,
    },
    /// Another process holds the lease by now.
    #[error("another node drives rollouts by now")]
    Fenced,
    /// Another note is there than the one that may be.
    #[error("the same request was carried out meanwhile")]
    Repeated,
    /// The store failed; nothing was stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}
