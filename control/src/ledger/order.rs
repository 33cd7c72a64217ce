//! What is a command asked with, and answered by?

use config::{Compiled, Problems};
use rules::Revision;

use crate::command::Command;
use crate::desired::{Desired, Refusal};
use crate::store::{Entry, StoreError};

/// What serves now.
#[derive(Debug)]
pub struct Present {
    /// The command that made it, with its revision.
    pub entry: Entry,
    /// What is wanted.
    pub desired: Desired,
    /// The same, compiled.
    pub compiled: Compiled,
}

impl Present {
    /// The revision that serves.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.entry.revision
    }
}

/// A command with who asks for it and why.
#[derive(Debug, Clone)]
pub struct Order {
    /// What.
    pub command: Command,
    /// Who.
    pub actor: String,
    /// Why.
    pub why: String,
    /// The revision that the asker knew; none where that does not matter.
    pub expected: Option<Revision>,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The revision that serves now.
    pub revision: Revision,
    /// Whether the command made it. What is already as asked for makes none.
    pub changed: bool,
    /// What changed, for people.
    pub summary: String,
    /// What whoever asked should know beside.
    pub warnings: Vec<String>,
    /// How far it got.
    pub reach: Reach,
}

/// How far a command got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It is stored, safe from a crash.
    Stored,
    /// It serves on this node, and is not stored: the store fails. A kill of this process loses it.
    Node,
}

/// What a command would do.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The revision that it would be made on.
    pub revision: Revision,
    /// Whether it would change anything.
    pub changed: bool,
    /// What it would change, for people.
    pub summary: String,
    /// What whoever asks should know beside.
    pub warnings: Vec<String>,
}

/// Why a command was not carried out. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum Declined {
    /// It makes no sense in the present state.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What it leads to does not compile.
    #[error("what this leads to is not valid")]
    Invalid(#[source] Problems),
    /// No request could be sent to what it leads to: no target's name stands for an address.
    #[error("{0}: nothing has changed")]
    Unresolved(String),
    /// Another command came first.
    #[error("the present revision is {present}, made by {actor:?}: look at it, then ask again")]
    Stale {
        /// The present revision.
        present: Revision,
        /// Who made it.
        actor: String,
    },
    /// Another process serves by now, on the same address.
    #[error("another process has just taken over, on the same address: ask again")]
    HandedOver,
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}
