//! Where do services ask for flags, and which of them may each see?

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::listener::ServerTlsSpec;

/// Where services ask for flags (OpenFeature's remote evaluation protocol) and for nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfrepSpec {
    /// `address:port`, such as `0.0.0.0:7083`. Beyond loopback there must be tokens.
    pub address: String,
    /// Set where services speak TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTlsSpec>,
    /// Tokens by name. As soon as there is one here, nobody gets a flag without. They are good for nothing else.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub tokens: IndexMap<String, FlagTokenSpec>,
}

/// What a service that holds a token may see. The token itself is nowhere; this is what `turnout token hash` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlagTokenSpec {
    /// `sha256:` and the hash of the token in hexadecimal.
    pub hash: String,
    /// Only these flags: by name, or by how they begin, as `billing.*`. Of all others nobody can tell whether they are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
    /// Until when (RFC 3339), for example `2027-01-31T00:00:00Z`; for good where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

impl FlagTokenSpec {
    /// Whether a flag is among those that may be seen.
    ///
    /// ```
    /// let token: config::document::ofrep::FlagTokenSpec =
    ///     serde_json::from_str(r#"{"hash": "sha256:..", "flags": ["reports", "billing.*"]}"#).unwrap();
    /// assert!(token.may_see("reports") && token.may_see("billing.new"));
    /// assert!(!token.may_see("reports.new") && !token.may_see("billing"));
    /// ```
    #[must_use]
    pub fn may_see(&self, flag: &str) -> bool {
        let fits = |limit: &String| match limit.strip_suffix('*') {
            Some(begin) => flag.starts_with(begin),
            None => flag == limit,
        };
        self.flags.as_ref().is_none_or(|limits| limits.iter().any(fits))
    }
}
