//! How does the API answer a command?

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use rules::Revision;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::site::etag;
use crate::blast::Blast;
use crate::fleet::Serving;
use crate::ledger::{Done, Preview, Reach};

/// What came of a command.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// The revision that serves now.
    revision: u64,
    /// Whether the command made it. What is already as asked for makes none.
    changed: bool,
    /// What changed, for people.
    #[schema(example = "sms: canary 5% -> 25%")]
    summary: String,
    /// What whoever asked should know beside.
    warnings: Vec<String>,
    /// `node` where a rollback serves on this node alone and is not stored, because the store fails; else it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "node")]
    scope: Option<&'static str>,
    /// How many nodes of the fleet serve it; where there is a fleet.
    #[serde(skip_serializing_if = "Option::is_none")]
    fleet: Option<Serving>,
}

impl Accepted {
    /// The same, with how far it has got.
    pub(crate) fn served_by(self, fleet: Option<Serving>) -> Self {
        Self { fleet, ..self }
    }
}

impl From<Done> for Accepted {
    fn from(done: Done) -> Self {
        let Done { revision, changed, summary, warnings, reach } = done;
        let scope = match reach {
            Reach::Stored => None,
            Reach::Node => Some("node"),
        };
        Self { revision: revision.0, changed, summary, warnings, scope, fleet: None }
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        ([(header::ETAG, etag(Revision(self.revision)))], Json(self)).into_response()
    }
}

/// What a command would do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewView {
    /// The revision that it would be made on.
    pub(crate) revision: u64,
    /// Whether anything would change.
    pub(crate) changed: bool,
    /// What would change, for people.
    pub(crate) summary: String,
    /// What would change, as a unified diff: the configuration's text, then one line per shift, lock and stand-in target.
    pub(crate) diff: String,
    /// Who would notice.
    pub(crate) blast: Blast,
    /// What whoever asks should know beside.
    pub(crate) warnings: Vec<String>,
}

impl From<Preview> for PreviewView {
    fn from(preview: Preview) -> Self {
        let Preview { revision, changed, summary, diff, blast, warnings } = preview;
        Self { revision: revision.0, changed, summary, diff, blast, warnings }
    }
}

/// What came of a command: carried out, or only tried.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Answered {
    /// It serves.
    Accepted(Accepted),
    /// It was a dry run.
    Preview(PreviewView),
}

impl Answered {
    /// The same, with more that whoever asked should know, where the command has changed something.
    pub(crate) fn warning(mut self, warnings: impl FnOnce() -> Vec<String>) -> Self {
        if let Self::Accepted(accepted) = &mut self
            && accepted.changed
        {
            accepted.warnings.extend(warnings());
        }
        self
    }
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        match self {
            Self::Accepted(accepted) => accepted.into_response(),
            Self::Preview(preview) => {
                ([(header::ETAG, etag(Revision(preview.revision)))], Json(preview)).into_response()
            }
        }
    }
}
