//! Which other systems are asked and told? Their addresses, and what Turnout shows them of itself.

use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forms::HeaderText;
use super::secret::SecretRef;
use crate::units::Time;

/// Another system, which gates ask and webhooks and notifications tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalSpec {
    /// `https://host:port/path`; kept elsewhere where it is a secret itself, as that of a chat's webhook is.
    pub url: HeaderText,
    /// A token, sent as `Authorization: Bearer ..`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<SecretRef>,
    /// Headers of every request to it.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, HeaderText>,
    /// Certificates to trust instead of the system's, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<SecretRef>,
    /// How long an answer may take altogether.
    #[serde(default = "ExternalSpec::timeout")]
    pub timeout: Time,
    /// What is posted to it is signed with this key: HMAC-SHA256 over time and body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_with: Option<SecretRef>,
}

impl ExternalSpec {
    const fn timeout() -> Time {
        Time(Duration::from_secs(5))
    }
}

/// Who is told of what rollouts do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationSpec {
    /// Which of the `externals`.
    pub to: String,
    /// The path to post to, after that of its URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What is posted.
    #[serde(default)]
    pub format: FormatSpec,
    /// The routes that it is about; all where none are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// What is told; everything where nothing is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<NewsSpec>,
}

/// What is posted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FormatSpec {
    /// Everything, as JSON for machines.
    #[default]
    Webhook,
    /// One line of text, as Slack and what is compatible with it take.
    Slack,
}

/// What happens to a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NewsSpec {
    /// It was started.
    Started,
    /// It went a step further, or began its step anew.
    Moved,
    /// Somebody approved of its step.
    Approved,
    /// It waits for people.
    Paused,
    /// It goes to its end, whatever gates wait for.
    Promoting,
    /// All its steps are done.
    Completed,
    /// It was taken back.
    Aborted,
}

impl NewsSpec {
    /// Its name, as messages write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Moved => "moved",
            Self::Approved => "approved",
            Self::Paused => "paused",
            Self::Promoting => "promoting",
            Self::Completed => "completed",
            Self::Aborted => "aborted",
        }
    }
}
