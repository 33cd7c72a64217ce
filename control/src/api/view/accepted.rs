//! How does the API answer a command?

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use rules::Revision;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::site::etag;
use crate::ledger::{Done, Reach};

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
}

impl From<Done> for Accepted {
    fn from(done: Done) -> Self {
        let Done { revision, changed, summary, warnings, reach } = done;
        let scope = match reach {
            Reach::Stored => None,
            Reach::Node => Some("node"),
        };
        Self { revision: revision.0, changed, summary, warnings, scope }
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        ([(header::ETAG, etag(Revision(self.revision)))], Json(self)).into_response()
    }
}

/// What applying a configuration would do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewView {
    /// The revision that it would be made on.
    pub(crate) revision: u64,
    /// Whether anything would change.
    pub(crate) changed: bool,
    /// What would change, for people.
    pub(crate) summary: String,
    /// The change to the text, as a unified diff.
    pub(crate) diff: String,
    /// What whoever asks should know beside.
    pub(crate) warnings: Vec<String>,
}

/// What came of a configuration: carried out, or only tried.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum AppliedView {
    /// It serves.
    Accepted(Accepted),
    /// It was a dry run.
    Preview(PreviewView),
}

impl IntoResponse for AppliedView {
    fn into_response(self) -> Response {
        match self {
            Self::Accepted(accepted) => accepted.into_response(),
            Self::Preview(preview) => {
                ([(header::ETAG, etag(Revision(preview.revision)))], Json(preview)).into_response()
            }
        }
    }
}
