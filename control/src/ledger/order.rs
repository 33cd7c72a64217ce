//! What is a command asked with, and answered by?

use std::time::Duration;

use config::{Compiled, Problems};
use jiff::Timestamp;
use rules::Revision;
use serde_json::{Value, json};

use crate::audit::{Record, Via};
use crate::blast::Blast;
use crate::command::Command;
use crate::desired::{Desired, Refusal};
use crate::store::{CommitNote, Entry, StoreError};

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
    /// As which request it came, where the same one may come again.
    pub once: Option<Once>,
    /// Whether they may change who may command, too.
    pub is_admin: bool,
    /// The revision that the asker knew; none where that does not matter.
    pub expected: Option<Revision>,
    /// How it is known who asks.
    pub via: Via,
    /// What a decision of the engine rests on.
    pub evidence: Option<Value>,
    /// The fence that the lease came with, for what only its holder may do.
    pub fence: Option<u64>,
    /// By which a rollback is known wherever it is told, so that it is done once; one of its own where nobody gave it one.
    pub id: Option<String>,
    /// The newest stored revision that was known when it was given, where that was before a restart.
    pub seen: Option<Revision>,
}

/// A request that may come again, and is to be carried out once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The key of the note that is kept of it.
    pub key: String,
    /// What that says while it is under way.
    pub under_way: String,
    /// What was asked, as a hash.
    pub asked: String,
}

impl Once {
    /// How long it is known.
    pub const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);

    /// What is noted together with the revision that it makes, so that it is known even if nobody heard the answer.
    pub(super) fn made(&self, revision: Revision, is_rollback: bool) -> CommitNote {
        CommitNote {
            key: self.key.clone(),
            value: json!({"asked": self.asked, "made": revision.0}).to_string(),
            keep: Self::KEPT_FOR,
            // A rollback serves already: that is stored in any case. (INV-10)
            instead_of: (!is_rollback).then(|| self.under_way.clone()),
        }
    }
}

impl Order {
    /// An order of this process itself: of its file, or its engine.
    #[must_use]
    pub fn by_process(command: Command, actor: &str, why: &str) -> Self {
        Self {
            command,
            actor: actor.to_owned(),
            why: why.to_owned(),
            once: None,
            is_admin: true,
            expected: None,
            via: Via::PROCESS,
            evidence: None,
            fence: None,
            id: None,
            seen: None,
        }
    }

    /// The command's arguments, with what a rollback is known by.
    pub(crate) fn arguments(&self) -> Value {
        let mut arguments = self.command.arguments();
        if let (Some(id), Some(map)) = (&self.id, arguments.as_object_mut()) {
            map.insert("id".to_owned(), Value::from(id.as_str()));
        }
        arguments
    }

    /// What the audit keeps of it; what came of it is still to be filled in.
    pub(crate) fn record(&self, now: Timestamp, present: Revision) -> Record {
        Record {
            arguments: self.arguments(),
            why: self.why.clone(),
            evidence: self.evidence.clone(),
            ..Record::new(now, &self.actor, &self.via, self.command.name(), present)
        }
    }
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
    /// It serves on this node, and is not stored yet: the store fails.
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
    /// What it would change, as a unified diff.
    pub diff: String,
    /// Who would notice.
    pub blast: Blast,
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
    /// It changes what only an administrator may.
    #[error("this changes {}, which takes the scope `admin`", keys.join(", "))]
    NeedsAdmin {
        /// Which keys of the configuration.
        keys: Vec<String>,
    },
    /// Others have to approve it first.
    #[error("{have} of {needed} others have approved this plan: {plan}")]
    NeedsApproval {
        /// The plan's hash.
        plan: String,
        /// How many have.
        have: usize,
        /// How many have to.
        needed: u8,
    },
    /// Only the holder of the lease may do it, and that is another node by now.
    #[error("another node drives rollouts by now")]
    Fenced,
    /// The same request was carried out meanwhile.
    #[error("the same request was carried out meanwhile: ask again to hear what came of it")]
    Repeated,
    /// Another process serves by now, on the same address.
    #[error("another process has just taken over, on the same address: ask again")]
    HandedOver,
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Declined {
    /// Why, for machines: the code that the API's problem has, too.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Invalid(_) => "invalid",
            Self::Unresolved(_) => "unresolved_targets",
            Self::Stale { .. } => "revision_conflict",
            Self::NeedsAdmin { .. } => "admin_required",
            Self::NeedsApproval { .. } => "approval_required",
            Self::Fenced => "fenced",
            Self::Repeated => "under_way",
            Self::HandedOver => "handed_over",
            Self::Store(_) => "store_unavailable",
        }
    }
}
