//! Which Redis does a fleet share, if it does?

use std::path::PathBuf;

use super::findings::{Findings, Pointer};
use crate::document::secret::{Secret, SecretRef};
use crate::document::{Document, RedisSpec};

const PREFIX: &str = "turnout";
const KEEP_REVISIONS: u32 = 1_000;
const KEEP_AUDIT: u32 = 100_000;

/// The Redis that a fleet shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// Which server is asked.
    pub servers: RedisServers,
    /// What every key begins with.
    pub prefix: String,
    /// The user to log in as.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// Whether connections are encrypted.
    pub tls: Option<RedisTls>,
    /// How many revisions are kept.
    pub keep_revisions: u32,
    /// How many lines of the audit are kept.
    pub keep_audit: u32,
}

/// Which server is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisServers {
    /// This one.
    One(RedisAddress),
    /// The one that leads, as the Sentinels say.
    Sentinel {
        /// The Sentinels.
        sentinels: Vec<RedisAddress>,
        /// What they call the servers that they watch over.
        master: String,
    },
    /// Those of a cluster, found by some of them.
    Cluster(Vec<RedisAddress>),
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisAddress {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Encrypted connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisTls {
    /// Certificates to trust instead of the system's, in PEM.
    pub ca: Option<Secret>,
}

/// The database file that the state is kept in.
pub(super) fn path(document: &Document, findings: &mut Findings<'_>) -> Option<PathBuf> {
    if document.store.path.trim().is_empty() {
        let at = Pointer::root().key("store").key("path");
        let hint = "write `turnout.db`".to_owned();
        findings.error_with_hint(&at, "empty_path", "the store needs a file", hint);
        return None;
    }
    Some(document.origin.base.join(&document.store.path))
}

/// The Redis that the state is kept in, if it is.
pub(super) fn redis(document: &Document, findings: &mut Findings<'_>) -> Option<RedisSettings> {
    let spec = document.store.redis.as_ref()?;
    let at = Pointer::root().key("store").key("redis");
    let secret =
        |reference: &Option<SecretRef>| document.origin.secrets.get(reference.as_ref()?).cloned();
    for (key, value) in [("keep_revisions", spec.keep_revisions), ("keep_audit", spec.keep_audit)] {
        if value == Some(0) {
            let message = "at least 1 has to be kept";
            findings.error(&at.key(key), "zero", message);
        }
    }
    let prefix = spec.prefix.clone().unwrap_or_else(|| PREFIX.to_owned());
    if prefix.is_empty()
        || !prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    {
        let message = format!("{prefix:?} is no prefix");
        let hint = "use letters, digits, `-`, `_`, `.` and `:`".to_owned();
        findings.error_with_hint(&at.key("prefix"), "bad_prefix", message, hint);
    }
    Some(RedisSettings {
        servers: servers(spec, &at, findings)?,
        prefix,
        username: spec.username.clone(),
        password: secret(&spec.password),
        tls: spec.tls.as_ref().map(|tls| RedisTls { ca: secret(&tls.ca) }),
        keep_revisions: spec.keep_revisions.unwrap_or(KEEP_REVISIONS),
        keep_audit: spec.keep_audit.unwrap_or(KEEP_AUDIT),
    })
}

fn servers(spec: &RedisSpec, at: &Pointer, findings: &mut Findings<'_>) -> Option<RedisServers> {
    let RedisSpec { address: one, sentinels, master, cluster, .. } = spec;
    let mut all = |key: &str, texts: &[String]| -> Option<Vec<RedisAddress>> {
        let at = at.key(key);
        let texts = texts.iter().enumerate();
        texts.map(|(i, text)| address(text, &at.item(i), findings)).collect()
    };
    match (one, sentinels.as_slice(), master, cluster.as_slice()) {
        (Some(one), [], None, []) => {
            address(one, &at.key("address"), findings).map(RedisServers::One)
        }
        (None, [_, ..], Some(master), []) => {
            let (sentinels, master) = (all("sentinels", sentinels)?, master.clone());
            Some(RedisServers::Sentinel { sentinels, master })
        }
        (None, [], None, [_, ..]) => all("cluster", cluster).map(RedisServers::Cluster),
        _ => {
            let message = "it does not say which Redis that is";
            let hint = "write exactly one: `address`, or `sentinels` with `master`, or `cluster`";
            findings.error_with_hint(at, "which_redis", message, hint.to_owned());
            None
        }
    }
}

fn address(text: &str, at: &Pointer, findings: &mut Findings<'_>) -> Option<RedisAddress> {
    let parts = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    let Some((host, Ok(port))) = parts.map(|(host, port)| (host, port.parse::<u16>())) else {
        let message = format!("{text:?} is no address");
        let hint = "write `host:port`, for example `redis.internal:6379`".to_owned();
        findings.error_with_hint(at, "bad_address", message, hint);
        return None;
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some(RedisAddress { host: host.to_owned(), port })
}
