//! What does the process as a whole need to know? Sockets, paths, bounds; known before anything is served.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::access::access;
use super::findings::{Findings, Pointer};
use super::listeners::{Listener, Sockets, listeners};
use super::ofrep::ofrep;
use super::store::{self, RedisSettings};
use crate::document::Document;

/// What the process as a whole needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where clients are served.
    pub listeners: Vec<Listener>,
    /// Where the control API is served.
    pub control: SocketAddr,
    /// Where health and metrics are served.
    pub status: SocketAddr,
    /// Where services ask for flags, if they do so elsewhere than at the control API.
    pub ofrep: Option<SocketAddr>,
    /// Which of these speak TLS. By which certificates may change meanwhile.
    pub encrypted: Encrypted,
    /// The database file that the state is kept in.
    pub store: PathBuf,
    /// The Redis that it is kept in instead, shared by a fleet.
    pub redis: Option<RedisSettings>,
    /// Whether each request gets a line in the log.
    pub access_log: bool,
    /// Bounds of all shadow traffic together.
    pub shadow: ShadowLimits,
    /// How long requests in flight may take to finish at shutdown.
    pub drain: Duration,
    /// How long connections are still accepted at shutdown, once the process is no longer ready.
    pub drain_delay: Duration,
    /// Worker threads of the proxy.
    pub threads: usize,
}

/// Where TLS is spoken beside traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encrypted {
    /// On the control API.
    pub control: bool,
    /// On the status listener.
    pub status: bool,
    /// Where services ask for flags.
    pub ofrep: bool,
}

/// Bounds of all shadow traffic together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShadowLimits {
    /// Copies on their way at the same time.
    pub max_in_flight: usize,
    /// Bytes of bodies that are kept for copies and comparisons.
    pub max_bytes: usize,
}

/// More worker threads than this are a slip of the finger.
const MOST_THREADS: usize = 1_024;

pub(super) fn settings(document: &Document, findings: &mut Findings<'_>) -> Option<Settings> {
    let root = Pointer::root();
    if document.version != 1 {
        let message = format!("version {} is not known", document.version);
        findings.error_with_hint(
            &root.key("version"),
            "unknown_version",
            message,
            "write `version: 1`".to_owned(),
        );
    }
    let mut sockets = Sockets::default();
    let listeners = listeners(document, &mut sockets, findings);
    let control = sockets.add(&document.control.address, &root.key("control"), findings);
    let status = sockets.add(&document.status.address, &root.key("status"), findings);
    let ofrep = ofrep(document, &mut sockets, findings);
    access(document, control, findings);
    let store = store::path(document, findings);
    let redis = store::redis(document, findings);
    let shadow = shadow(document, findings);
    let threads = threads(document, findings);
    Some(Settings {
        listeners,
        control: control?,
        status: status?,
        ofrep,
        encrypted: Encrypted {
            control: document.control.tls.is_some(),
            status: document.status.tls.is_some(),
            ofrep: document.ofrep.as_ref().is_some_and(|ofrep| ofrep.tls.is_some()),
        },
        store: store?,
        redis,
        access_log: document.access_log,
        shadow,
        drain: document.drain.0,
        drain_delay: document.drain_delay.0,
        threads,
    })
}

fn shadow(document: &Document, findings: &mut Findings<'_>) -> ShadowLimits {
    let at = Pointer::root().key("shadow");
    if document.shadow.max_in_flight == 0 {
        let hint = "to copy nothing, leave the routes' shadow share at 0%".to_owned();
        findings.error_with_hint(
            &at.key("max_in_flight"),
            "zero",
            "at least 1 copy must fit",
            hint,
        );
    }
    let max_bytes = usize::try_from(document.shadow.max_bytes.0).unwrap_or(usize::MAX);
    ShadowLimits { max_in_flight: document.shadow.max_in_flight, max_bytes }
}

fn threads(document: &Document, findings: &mut Findings<'_>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = document.threads.unwrap_or_else(cores);
    if threads == 0 || threads > MOST_THREADS {
        let message = format!("{threads} worker threads cannot be");
        let hint = format!("write 1 to {MOST_THREADS}, or leave it out for one per core");
        findings.error_with_hint(&Pointer::root().key("threads"), "threads", message, hint);
    }
    threads
}

/// The networks whose peers are believed. A bare address is a network of its own.
pub(super) fn trusted_proxies(document: &Document, findings: &mut Findings<'_>) -> Vec<IpNet> {
    let at = Pointer::root().key("trusted_proxies");
    let mut networks = Vec::new();
    for (i, text) in document.trusted_proxies.iter().enumerate() {
        let network =
            text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        match network {
            Some(network) => networks.push(network.trunc()),
            None => findings.error_with_hint(
                &at.item(i),
                "bad_network",
                format!("{text:?} is not a network"),
                "write `10.0.0.0/8`, `fd00::/8` or a single address".to_owned(),
            ),
        }
    }
    networks
}
