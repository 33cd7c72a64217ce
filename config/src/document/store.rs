//! Where is the state kept? In one file beside the configuration, or in a Redis that a fleet shares.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretRef;

/// Where the state is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSpec {
    /// The database file, relative to the configuration file's folder. With `redis`, what this node keeps for itself is
    /// beside that name.
    pub path: String,
    /// The Redis that a fleet shares, instead of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisSpec>,
}

impl Default for StoreSpec {
    fn default() -> Self {
        Self { path: "turnout.db".to_owned(), redis: None }
    }
}

/// A Redis that a fleet shares: one server, one that Sentinels watch over, or a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedisSpec {
    /// One server: `host:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The Sentinels that know which server leads: `host:port` each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sentinels: Vec<String>,
    /// What the Sentinels call the servers that they watch over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// Some nodes of a cluster: `host:port` each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster: Vec<String>,
    /// What every key begins with; fleets with different ones know nothing of one another. Default: `turnout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The user to log in as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// Whether connections are encrypted, and whose certificates are trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<RedisTlsSpec>,
    /// How many revisions are kept. Default: 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_revisions: Option<u32>,
    /// How many lines of the audit are kept. Default: 100,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_audit: Option<u32>,
}

/// Encrypted connections to Redis.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedisTlsSpec {
    /// Certificates to trust instead of the system's, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<SecretRef>,
}
