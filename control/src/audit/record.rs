//! What is kept of a command? Who, how that is known, from where, what, why, and what came of it.

use std::net::IpAddr;

use jiff::Timestamp;
use rules::Revision;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How it is known who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// `none` where nobody was asked, `token`, `certificate`, or `process` for what Turnout does by itself.
    pub auth: &'static str,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// For whom somebody who is known says to ask. Nobody verifies it.
    pub claimed: Option<String>,
}

impl Via {
    /// By this process itself: its file, its engine.
    pub const PROCESS: Self = Self { auth: "process", address: None, claimed: None };
}

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It made a revision.
    Accepted,
    /// Everything was already as asked for.
    Unchanged,
    /// It was refused, or could not be carried out. Nothing has changed.
    Refused,
}

/// What is kept of a command. Never a body, a query or a credential. (INV-12)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// When (RFC 3339).
    pub at: String,
    /// Who asked.
    pub actor: String,
    /// How that is known; see [`Via::auth`].
    pub auth: String,
    /// For whom the actor says to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<String>,
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Which command it was; the path where it was refused before that was known.
    pub command: String,
    /// With which arguments.
    pub arguments: Value,
    /// Why.
    pub why: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it was refused, for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The revision before.
    pub before: u64,
    /// The revision after: the same one where nothing changed.
    pub after: u64,
    /// What changed, for people.
    pub summary: String,
    /// What a decision of the engine rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Value>,
    /// `node` where it served on one node before it was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl Record {
    /// A record of who asked; what came of it is still to be filled in.
    #[must_use]
    pub fn new(at: Timestamp, actor: &str, via: &Via, command: &str, present: Revision) -> Self {
        Self {
            at: at.to_string(),
            actor: actor.to_owned(),
            auth: via.auth.to_owned(),
            claimed: via.claimed.clone(),
            address: via.address.map(|address| address.to_string()),
            command: command.to_owned(),
            arguments: Value::Null,
            why: String::new(),
            outcome: Outcome::Unchanged,
            code: None,
            before: present.0,
            after: present.0,
            summary: String::new(),
            evidence: None,
            scope: None,
        }
    }

    /// The same, refused for this reason.
    #[must_use]
    pub fn refused(self, code: &str) -> Self {
        Self { outcome: Outcome::Refused, code: Some(code.to_owned()), ..self }
    }

    /// The same, having made this revision.
    #[must_use]
    pub fn accepted(self, revision: Revision, summary: &str) -> Self {
        let summary = summary.to_owned();
        Self { outcome: Outcome::Accepted, after: revision.0, summary, ..self }
    }
}
