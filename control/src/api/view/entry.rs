//! How does a revision look?

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::store::Entry;

/// One command that was accepted.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct EntryView {
    /// The revision that it made.
    revision: u64,
    /// When (RFC 3339).
    at: String,
    /// Who asked for it.
    actor: String,
    /// Why.
    why: String,
    /// Which command it was.
    #[schema(example = "shift")]
    command: String,
    /// With which arguments.
    arguments: Value,
    /// What changed, for people.
    summary: String,
}

impl From<&Entry> for EntryView {
    fn from(entry: &Entry) -> Self {
        Self {
            revision: entry.revision.0,
            at: entry.at.to_string(),
            actor: entry.actor.clone(),
            why: entry.why.clone(),
            command: entry.command.clone(),
            arguments: entry.arguments.clone(),
            summary: entry.summary.clone(),
        }
    }
}

/// One revision with the state it made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevisionView {
    #[serde(flatten)]
    pub(crate) entry: EntryView,
    /// The configuration's text.
    pub(crate) document: String,
    /// Shifts per route, locks per tenant, and targets that stand in for the configuration's.
    pub(crate) live: Value,
}
