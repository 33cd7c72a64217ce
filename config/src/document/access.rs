//! Who may command? The control API's address, its tokens and subjects, and how many others must approve.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::listener::ServerTlsSpec;

/// Where the control API is served, and who may use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlSpec {
    /// `address:port`. Beyond loopback there must be tokens or subjects, or `insecure_control: true`.
    pub address: String,
    /// Set where operators speak TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTlsSpec>,
    /// Names that the API is asked for by, beside loopback ones and addresses. Others are turned away, so that no web page
    /// reaches it by a name of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Tokens by name. As soon as there is one here, nobody comes in without.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub tokens: IndexMap<String, TokenSpec>,
    /// Who is known by a certificate that `tls.clients` vouches for, by name. As soon as there is one here, nobody comes in
    /// without a token or a certificate of somebody named here. Who has a token of the same name, too, is the same person.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub subjects: IndexMap<String, SubjectSpec>,
    /// How many others must approve what moves traffic, but for a rollback and a lock, which never wait.
    #[serde(default, skip_serializing_if = "is_none")]
    pub approvals: u8,
}

impl ControlSpec {
    pub(crate) fn at(address: &str) -> Self {
        let address = address.to_owned();
        Self {
            address,
            tls: None,
            hosts: Vec::new(),
            tokens: IndexMap::new(),
            subjects: IndexMap::new(),
            approvals: 0,
        }
    }

    /// Whether nobody has to say who they are, as long as only loopback is listened on.
    #[must_use]
    pub fn knows_nobody(&self) -> bool {
        self.tokens.is_empty() && self.subjects.is_empty()
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

/// What somebody may do who shows a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectSpec {
    /// The name in the certificate by which they are known. Where one certificate fits several subjects, the first counts.
    pub certificate: CertifiedName,
    /// What it is good for.
    pub scopes: Vec<AccessScope>,
    /// Only these routes, for what changes something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<String>>,
    /// Only these tenants, for what changes something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Vec<String>>,
}

/// A name that a certificate is for, to the letter: no patterns, and no other spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CertifiedName {
    /// A URI among its alternative names, such as `spiffe://example.org/ann`.
    Uri(String),
    /// A host name among them.
    Dns(String),
    /// An e-mail address among them.
    Email(String),
    /// The common name of its subject, where that has one only.
    CommonName(String),
}

impl CertifiedName {
    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Uri(name) | Self::Dns(name) | Self::Email(name) | Self::CommonName(name) => name,
        }
    }
}

/// One thing that a token or a certificate is good for. None includes another one, but for `admin`, which includes all.
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
    /// To apply configurations, replace targets and restore revisions; not to change `control`,
    /// `insecure_control`, `ofrep` or `store`.
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
