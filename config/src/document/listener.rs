//! Where are clients served, and how? Sockets, what is spoken there, and certificates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;
use super::secret::SecretRef;

/// Where health and metrics are served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusSpec {
    /// `address:port`, such as `0.0.0.0:7082`.
    pub address: String,
    /// Set where whoever asks speaks TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTlsSpec>,
}

impl StatusSpec {
    pub(super) fn at(address: &str) -> Self {
        Self { address: address.to_owned(), tls: None }
    }
}

/// Where clients are served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerSpec {
    /// `address:port`, such as `0.0.0.0:7080`.
    pub address: String,
    /// Set where clients speak TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTlsSpec>,
    /// Whether clients speak HTTP/2 without TLS here, and nothing else.
    #[serde(default, skip_serializing_if = "is_false")]
    pub h2c: bool,
}

impl ListenerSpec {
    pub(super) fn at(address: &str) -> Self {
        Self { address: address.to_owned(), tls: None, h2c: false }
    }
}

/// How clients' TLS is ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerTlsSpec {
    /// The certificates, found by the host name that a client asks for; the first where it asks for none of them.
    pub certificates: Vec<CertificateSpec>,
    /// Whose certificates clients may or must show; nobody's where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientAuthSpec>,
    /// Whether clients are offered HTTP/2.
    #[serde(default = "yes")]
    pub http2: bool,
}

/// How TLS is ended where HTTP/1 is all that is spoken: on the control API, the status listener and the one for services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerTlsSpec {
    /// The certificates, found by the host name that a client asks for; the first where it asks for none of them.
    pub certificates: Vec<CertificateSpec>,
    /// Whose certificates clients may or must show; nobody's where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientAuthSpec>,
}

/// A certificate with its private key. Both are read again when their files change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateSpec {
    /// The certificate and those that lead to its authority, in PEM.
    pub cert: SecretRef,
    /// Its private key, in PEM.
    pub key: SecretRef,
}

/// Whose certificates clients may or must show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientAuthSpec {
    /// The authorities, in PEM.
    pub ca: SecretRef,
    /// Whether a client without a certificate is turned away.
    #[serde(default = "yes")]
    pub required: bool,
}

const fn yes() -> bool {
    true
}
