//! Which connections and which breaker serve an upstream's copies? Its own, and anew for each generation.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::Builder;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rules::upstream::{Target, UpstreamTls};
use rules::{Upstream, UpstreamName};
use rustls::ClientConfig;

use super::breaker::{Breaker, Breaking};
use super::connect::{Connector, Tcp};
use super::http1::Http1;
use super::lanes::LANES;
use crate::upstream_tls::{self, TlsError};

/// More upstreams than this are not remembered at once.
const MOST_UPSTREAMS: usize = 1_024;
/// More addresses of one upstream than this are not remembered at once, by each lane.
const MOST_ADDRESSES: usize = 256;
/// Connections that each lane keeps open to one address while nothing is sent.
const MOST_IDLE: usize = 32;
/// Fields of one answer; the primary takes as many.
const MOST_HEADERS: usize = 256;
/// What one HTTP/1 connection reads ahead, and the longest head of an answer: the ledger does not see it. (INV-7)
const READ_AHEAD_BYTES: usize = 64 * 1_024;
/// What one HTTP/2 stream, and one connection, may receive before it is read.
const HTTP2_WINDOWS_BYTES: (u32, u32) = (256 * 1_024, 1_024 * 1_024);

/// What sends copies to one address.
#[derive(Debug, Clone)]
pub(super) enum HttpClient {
    Http1(Arc<Http1>),
    /// hyper's own, which sends all on one connection.
    Http2(Box<Client<Connector, Full<Bytes>>>),
}

/// A lane, an address and its name.
type Line = (usize, SocketAddr, Box<str>);

/// All upstreams that copies were sent to.
#[derive(Debug, Default)]
pub(super) struct Destinations {
    breaking: Breaking,
    /// Of each, the newest generation first, and the one before: requests that began earlier still use it.
    known: RwLock<HashMap<UpstreamName, Vec<Arc<Destination>>>>,
}

impl Destinations {
    pub(super) fn new(breaking: Breaking) -> Self {
        Self { breaking, known: RwLock::default() }
    }

    /// The destination of an upstream as it is defined now.
    pub(super) fn of(&self, upstream: &Upstream, now: Instant) -> Arc<Destination> {
        let is_meant = |one: &&Arc<Destination>| one.generation == upstream.generation;
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(&upstream.name).and_then(|all| all.iter().find(is_meant).cloned());
        drop(known);
        found.unwrap_or_else(|| self.learn(upstream, now))
    }

    fn learn(&self, upstream: &Upstream, now: Instant) -> Arc<Destination> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_UPSTREAMS {
            known.clear();
        }
        let generations = known.entry(upstream.name.clone()).or_default();
        if let Some(found) = generations.iter().find(|one| one.generation == upstream.generation) {
            return Arc::clone(found);
        }
        let new = Arc::new(Destination {
            generation: upstream.generation,
            breaker: Breaker::new(self.breaking, now),
            tls: OnceLock::new(),
            clients: Mutex::default(),
        });
        generations.push(Arc::clone(&new));
        generations.sort_by_key(|one| std::cmp::Reverse(one.generation));
        generations.truncate(2);
        new
    }
}

/// One generation of an upstream, as copies see it.
#[derive(Debug)]
pub(super) struct Destination {
    generation: u64,
    pub(super) breaker: Arc<Breaker>,
    tls: OnceLock<Arc<ClientConfig>>,
    clients: Mutex<HashMap<Line, HttpClient>>,
}

impl Destination {
    /// A lane's client that connects to one address of a target.
    pub(super) fn client(
        &self,
        lane: usize,
        upstream: &Upstream,
        (target, address): (&Target, SocketAddr),
    ) -> Result<HttpClient, TlsError> {
        let key = (lane, address, Box::from(target.address.host()));
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let found = clients.get(&key).cloned();
        drop(clients);
        if let Some(client) = found {
            return Ok(client);
        }
        let made = self.connect(upstream, target, address)?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MOST_ADDRESSES * LANES {
            clients.clear();
        }
        Ok(clients.entry(key).or_insert(made).clone())
    }

    fn connect(
        &self,
        upstream: &Upstream,
        target: &Target,
        address: SocketAddr,
    ) -> Result<HttpClient, TlsError> {
        let tcp = Tcp { address };
        let over_tls = |tls: &UpstreamTls| {
            let config = self.tls_config(tls, upstream.http2)?;
            let name = upstream_tls::server_name(tls, target.address.host())?;
            let name = Arc::new(FixedServerNameResolver::new(name));
            Ok::<_, TlsError>(HttpsConnector::new(tcp, config, true, name))
        };
        let tls = upstream.tls.as_ref().map(over_tls).transpose()?;
        let connector = Connector { tcp, tls, timeout: upstream.timeouts.connect };
        if !upstream.http2 {
            let mut builder = Builder::new();
            builder.max_headers(MOST_HEADERS).max_buf_size(READ_AHEAD_BYTES);
            let waiting = (upstream.timeouts.idle, MOST_IDLE);
            return Ok(HttpClient::Http1(Http1::new(connector, builder, waiting)));
        }
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(upstream.timeouts.idle)
            .pool_max_idle_per_host(MOST_IDLE)
            .http2_initial_stream_window_size(HTTP2_WINDOWS_BYTES.0)
            .http2_initial_connection_window_size(HTTP2_WINDOWS_BYTES.1)
            .http2_only(true)
            .build(connector);
        Ok(HttpClient::Http2(Box::new(client)))
    }

    /// Read once per generation: the system's certificates are files.
    fn tls_config(&self, tls: &UpstreamTls, http2: bool) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let made = Arc::new(upstream_tls::client_config(tls, http2)?);
        Ok(Arc::clone(self.tls.get_or_init(|| made)))
    }
}
