//! What must a store do? Entries, states, and the trait that every store implements.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use rules::Revision;

/// One accepted command: who changed what, when and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The revision that the command made.
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

/// A key and its new value; none removes the key.
pub type Change = (String, Option<String>);

/// The whole state at one revision.
#[derive(Debug, Clone, PartialEq)]
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

    /// Stores the revision after `expected`, entry and changes together, and returns once that is safe from a crash.
    ///
    /// # Errors
    /// When `expected` is not the newest revision, or the entry's is not the one after it; when the store fails, and
    /// then nothing of it is stored.
    fn commit(
        &self,
        expected: Revision,
        entry: &Entry,
        changes: &[Change],
    ) -> Result<(), CommitError>;

    /// The entries of `first` to `last`, both included, oldest first.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    fn revisions(&self, first: Revision, last: Revision) -> Result<Vec<Entry>, StoreError>;

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

    /// Keeps notes: values beside the state that belong to no revision, each in the place of the one before. All of them
    /// or none. While the store is released nothing is kept: they are the other process's then.
    ///
    /// # Errors
    /// When the store fails; nothing is kept then.
    fn keep(&self, notes: &[Change]) -> Result<(), StoreError>;

    /// All notes.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    fn kept(&self) -> Result<BTreeMap<String, String>, StoreError>;
}

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
    /// The store failed; nothing was stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}
