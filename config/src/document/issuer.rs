//! How is an issuer of tokens written? Who signs, for whom, and where its keys are.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretRef;
use crate::units::Time;

/// Who signs tokens (JWT, RFC 7519), and which of them are meant for the services behind the proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerSpec {
    /// What a token's `iss` must be, to the letter.
    pub issuer: String,
    /// What a token's `aud` must be, or have among others: one of these.
    pub audience: Vec<String>,
    /// Its public keys, as a JSON Web Key Set (RFC 7517). Exactly one of `keys` and `keys_from` is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<SecretRef>,
    /// Where its public keys are fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_from: Option<KeysFromSpec>,
    /// The algorithms that its keys may be used with, where a key does not name its own: `RS256` of RSA keys, and the
    /// curve's own of others, where none are given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<String>,
    /// How far its clock may be from ours: at most 60s.
    #[serde(default = "IssuerSpec::leeway")]
    pub leeway: Time,
}

impl IssuerSpec {
    const fn leeway() -> Time {
        Time(Duration::from_secs(30))
    }
}

/// Where an issuer's public keys are fetched, in the background; the last good ones are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeysFromSpec {
    /// The address of its JSON Web Key Set.
    pub url: String,
    /// How often it is fetched.
    #[serde(default = "KeysFromSpec::every")]
    pub every: Time,
    /// Certificates to trust instead of the system's, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<SecretRef>,
}

impl KeysFromSpec {
    const fn every() -> Time {
        Time(Duration::from_secs(5 * 60))
    }
}

/// What a route asks of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtSpec {
    /// Whose token, as `Authorization: Bearer` brings it.
    pub issuer: String,
    /// What becomes of a request without one. A token that proves nothing is always refused.
    #[serde(default)]
    pub missing: MissingJwtSpec,
}

/// What becomes of a request without a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingJwtSpec {
    /// It is refused with 401.
    #[default]
    Reject,
    /// It is served; its tenant is looked for in the other places.
    Pass,
}
