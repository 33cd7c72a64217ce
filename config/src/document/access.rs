//! Who may command? The control API's address, its tokens, and how many others must approve.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the control API is served, and who may use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlSpec {
    /// `address:port`. Beyond loopback there must be tokens, or `insecure_control: true`.
    pub address: String,
    /// Names that the API is asked for by, beside loopback ones and addresses. Others are turned away, so that no web page
    /// reaches it by a name of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Tokens by name. As soon as there is one here, nobody comes in without.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub tokens: IndexMap<String, TokenSpec>,
    /// How many others must approve what moves traffic, but for a rollback and a lock, which never wait.
    #[serde(default, skip_serializing_if = "is_none")]
    pub approvals: u8,
}

impl ControlSpec {
    pub(crate) fn at(address: &str) -> Self {
        let address = address.to_owned();
        Self { address, hosts: Vec::new(), tokens: IndexMap::new(), approvals: 0 }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_none(approvals: &u8) -> bool {
    *approvals == 0
}

/// What somebody who holds a token may do. The token itself is nowhere; this is what `turnout token hash` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenSpec {
    /// `sha256:` and the hash of the token in hexadecimal.
    pub hash: String,
    /// What it is good for.
    pub scopes: Vec<AccessScope>,
    /// Only these routes, for what changes something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<String>>,
    /// Only these tenants, for what changes something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Vec<String>>,
    /// Until when (RFC 3339), for example `2027-01-31T00:00:00Z`; for good where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// One thing that a token is good for. None includes another one, but for `admin`, which includes all.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum AccessScope {
    /// To look at everything.
    Read,
    /// To see samples of differences, with the values of answers in them; each look is in the audit.
    Samples,
    /// To move and copy traffic, and to lock tenants.
    Shift,
    /// To put traffic back on stable, and nothing else.
    Rollback,
    /// To approve what others want to do.
    Approve,
    /// To apply configurations, replace targets and restore revisions.
    Apply,
    /// Everything, tokens included.
    Admin,
}

impl AccessScope {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::Samples,
        Self::Shift,
        Self::Rollback,
        Self::Approve,
        Self::Apply,
        Self::Admin,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Samples => "samples",
            Self::Shift => "shift",
            Self::Rollback => "rollback",
            Self::Approve => "approve",
            Self::Apply => "apply",
            Self::Admin => "admin",
        }
    }
}
