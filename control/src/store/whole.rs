//! What does a store hold, all of it? That is what moves from one store to another.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rules::Revision;

use super::{Change, Entry, Store, StoreError};
use crate::audit::{Broken, Head, Line, Verifier};

/// The notes that are worth moving: what waits for approval, and answers that may be asked for again. Which nodes there are
/// is told anew every few seconds.
pub(super) const MOVED_NOTES: [&str; 3] = ["plan", "approval", "once"];

/// All that a store holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Whole {
    /// By which its history is told from others, where it has that.
    pub epoch: Option<String>,
    /// Every revision that is kept, oldest first. The first one's changes are its whole state.
    pub steps: Vec<Step>,
    /// The audit's lines that are kept, oldest first.
    pub lines: Vec<Line>,
    /// Notes that stay.
    pub kept: BTreeMap<String, String>,
    /// Notes that end.
    pub notes: Vec<Note>,
}

/// A revision, and what it changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The command that made it.
    pub entry: Entry,
    /// What it changed, by key.
    pub changes: Vec<Change>,
}

/// A note that ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its key.
    pub key: String,
    /// What it says.
    pub value: String,
    /// When it is over.
    pub ends: Timestamp,
}

/// Why what is said to be a whole state is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWhole {
    /// A revision does not follow the one before it.
    #[error(
        "revision {found} comes after {before}: one between them is missing, or one is there twice"
    )]
    Revisions {
        /// The one before.
        before: Revision,
        /// The one that is there.
        found: Revision,
    },
    /// The audit's chain does not hold.
    #[error(transparent)]
    Audit(#[from] Broken),
}

impl Whole {
    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.lines.is_empty()
    }

    /// The newest revision; 0 where there is none.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.steps.last().map_or(Revision(0), |step| step.entry.revision)
    }

    /// The audit's newest link.
    #[must_use]
    pub fn head(&self) -> Head {
        self.lines.last().map(|line| line.head.clone()).unwrap_or_default()
    }

    /// The state at the newest revision.
    #[must_use]
    pub fn values(&self) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        for (key, value) in self.steps.iter().flat_map(|step| &step.changes) {
            change(&mut values, key, value.as_ref());
        }
        values
    }

    /// Checks that no revision and no line of the audit is missing in between, and that the chain meets this head.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self, head: &Head) -> Result<(), NotWhole> {
        for (before, after) in self.steps.iter().zip(self.steps.iter().skip(1)) {
            let (before, found) = (before.entry.revision, after.entry.revision);
            if found.0 != before.0.saturating_add(1) {
                return Err(NotWhole::Revisions { before, found });
            }
        }
        let mut verifier = Verifier::meeting(head.clone());
        self.lines.iter().try_for_each(|line| verifier.take(&line.exported()))?;
        verifier.end()?;
        Ok(())
    }
}

/// Makes one change to a state.
pub(super) fn change(values: &mut BTreeMap<String, String>, key: &str, value: Option<&String>) {
    match value {
        Some(value) => values.insert(key.to_owned(), value.clone()),
        None => values.remove(key),
    };
}

/// A store whose state can be moved.
pub trait Movable: Store {
    /// All that it holds, as it was at one moment.
    ///
    /// # Errors
    /// When it cannot be read, or somebody writes to it all the time.
    fn whole(&self) -> Result<Whole, StoreError>;

    /// Puts all of that into an empty store: all of it, or nothing. Of what is older than the store keeps, nothing is put.
    ///
    /// # Errors
    /// When something is in it already, or it fails.
    fn fill(&self, whole: &Whole) -> Result<(), StoreError>;
}
