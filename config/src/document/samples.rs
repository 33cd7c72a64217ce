//! How is it written which values of differences are kept, and with which key they are encrypted?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretRef;
use crate::units::Time;

/// Samples of differences, with values: kept of routes that opt in with `shadow: {samples: ..}`, and encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SamplesSpec {
    /// The key that they are encrypted with: at least 32 bytes that nobody can guess, such as `openssl rand -hex 32` prints.
    pub key: SecretRef,
}

/// Values of a route's differences that are kept for a while. Without it none is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteSamplesSpec {
    /// How long one is kept: at most a week.
    pub ttl: Time,
    /// What is never kept: places of a body such as `/patient/name` or `/**/iban`, with everything below them, and names
    /// of headers. Cookies and whatever is named as credentials are never kept in any case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redact: Vec<String>,
}

impl Default for RouteSamplesSpec {
    fn default() -> Self {
        Self { ttl: Time(std::time::Duration::from_secs(3_600)), redact: Vec::new() }
    }
}
