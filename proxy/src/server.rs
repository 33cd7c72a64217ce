//! What runs side by side? The proxy's listeners, the background services, and whatever the binary brings along.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use config::{Listener as Listening, Settings};
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server, ShutdownWatch};
use pingora::services::background::{BackgroundService, background_service};
use pingora::services::listening::Service;
use prometheus_client::registry::Registry;
use rules::SnapshotCell;
use rules::exchange::ExchangeReport;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::access_log::AccessLog;
use crate::connection::{Admission, ConnectionApp, Entrance, Pressure};
use crate::gate::{Policies, Surroundings};
use crate::handler::Handler;
use crate::metrics::{ProxyCollector, ProxyCounters};
use crate::peers::Peers;
use crate::shadow::ShadowSender;
use crate::signals::Signals;
use crate::{health, resolver};

/// How often a request is tried at most: on a target, on another one of the arm, on stable, on another one there.
const ATTEMPTS: usize = 4;
/// Unused connections to upstreams that each worker may keep.
const KEPT_CONNECTIONS: usize = 1_024;
/// Memory for what is read of each connection at a time: with Pingora's own, thousands that are idle take too much.
const READ_BUFFER_BYTES: usize = 8 * 1_024;
/// How often readiness and drain look whether they are done.
const LOOK: Duration = Duration::from_millis(10);

/// Where the process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The listeners accept connections.
    Serving,
    /// No longer ready: requests in flight are finished.
    Draining,
    /// Nothing is in flight any more, or the time is up.
    Stopped,
}

/// Who hears of phases and of requests to reload.
#[derive(Clone)]
pub struct Listener {
    /// Called on each change of phase, from any thread.
    pub phase: Arc<dyn Fn(Phase) + Send + Sync>,
    /// Called when the operator asks to read the configuration again.
    pub reload: Arc<dyn Fn() + Send + Sync>,
}

/// What the proxy is made from.
pub struct Parts {
    /// Where snapshots come from.
    pub cell: Arc<SnapshotCell>,
    /// What is fixed for the life of the process.
    pub settings: Arc<Settings>,
    /// Where comparison results go.
    pub reports: mpsc::Sender<ExchangeReport>,
    /// Who hears of phases.
    pub listener: Listener,
}

/// Why the proxy cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address cannot be had.
    #[error("cannot listen on {address}; is something else listening there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The access log's writer cannot be started.
    #[error("cannot start the access log")]
    AccessLog(#[source] std::io::Error),
}

/// The data plane, ready to run.
pub struct Proxy {
    parts: Parts,
    entrances: Vec<Entrance>,
    admission: Arc<Admission>,
    handler: Handler,
    /// Lines of the access log that wait to be written.
    unwritten: Arc<AtomicUsize>,
}

impl Proxy {
    /// Claims the listeners' addresses and registers the proxy's metrics. No request is served before [`Proxy::run`].
    ///
    /// # Errors
    /// When an address cannot be had, or a thread cannot be started.
    pub fn new(parts: Parts, metrics: &mut Registry) -> Result<Self, StartError> {
        let listeners = parts.settings.listeners.iter().copied();
        let entrances = listeners.map(claim).collect::<Result<Vec<_>, _>>()?;
        let counters = Arc::new(ProxyCounters::default());
        let pressure = Arc::new(Pressure::new(Arc::clone(&parts.cell)));
        let admission = Admission::new(Arc::clone(&pressure));
        let unwritten = Arc::new(AtomicUsize::new(0));
        let shadow = ShadowSender::start(
            parts.settings.shadow,
            Arc::clone(&pressure),
            parts.reports.clone(),
        );
        let log = || {
            AccessLog::start(Arc::clone(&counters), Arc::clone(&unwritten))
                .map_err(StartError::AccessLog)
        };
        metrics.register_collector(Box::new(ProxyCollector {
            cell: Arc::clone(&parts.cell),
            counters: Arc::clone(&counters),
            pressure: Arc::clone(&pressure),
            admission: Arc::clone(&admission),
            shadow: shadow.clone(),
        }));
        let handler = Handler {
            cell: Arc::clone(&parts.cell),
            peers: Peers::default(),
            shadow,
            access_log: parts.settings.access_log.then(log).transpose()?,
            counters,
            policies: Policies::new(Arc::clone(&parts.cell)),
            pressure,
        };
        Ok(Self { parts, entrances, admission, handler, unwritten })
    }

    /// Serves until a signal asks to leave. `beside` runs in a runtime of its own, next to the proxy.
    ///
    /// When everything in flight is done, or the time for it is up, [`Phase::Stopped`] is told; whoever hears it ends the
    /// process. Pingora itself would only return after the whole drain time.
    pub fn run(self, beside: impl Future<Output = ()> + Send + 'static) {
        let Self { parts, entrances, admission, handler, unwritten } = self;
        let Parts { cell, settings, listener, .. } = parts;
        let conf = ServerConf {
            threads: settings.threads,
            max_retries: ATTEMPTS,
            upstream_keepalive_pool_size: KEPT_CONNECTIONS,
            grace_period_seconds: Some(settings.drain.as_secs().saturating_add(1)),
            graceful_shutdown_timeout_seconds: Some(1),
            ..ServerConf::default()
        };
        let mut server = Server::new_with_opt_and_conf(None, conf);
        server.bootstrap();
        let pending = [Arc::clone(&handler.pressure.requests), unwritten];
        let (counters, access_log) = (Arc::clone(&handler.counters), handler.access_log.clone());
        let app = http_proxy(&server.configuration, handler);
        let surroundings = Surroundings::new(Arc::clone(&cell), counters, access_log);
        let app = ConnectionApp::new(app, &cell, entrances.clone(), admission, surroundings);
        let mut proxy = Service::new("proxy".to_owned(), app);
        for entrance in &entrances {
            let listener = ListenerConfig::tcp(entrance.bound.to_string());
            let buffers = L4BufferSettings::default().read(READ_BUFFER_BYTES);
            proxy.add_listener(listener.l4_buffer(buffers));
        }
        server.add_service(proxy);
        let resolving = resolver::keep_resolving(Arc::clone(&cell));
        server.add_service(background_service("resolver", Beside::until_shutdown(resolving)));
        let checking = health::keep_checking(cell);
        server.add_service(background_service("health", Beside::until_shutdown(checking)));
        server.add_service(background_service("control", Beside::to_its_end(beside)));
        let ready = announce(entrances, listener.clone());
        server.add_service(background_service("readiness", Beside::until_shutdown(ready)));
        let drain = Drain { pending, longest: settings.drain, listener: listener.clone() };
        server.add_service(background_service("drain", drain));
        server.run(RunArgs { shutdown_signal: Box::new(Signals { listener }) });
    }
}

/// Makes sure that an address can be had, and finds a port where none is given: Pingora panics where it cannot listen.
fn claim(listener: Listening) -> Result<Entrance, StartError> {
    let address = listener.address;
    let bound = TcpListener::bind(address).and_then(|socket| socket.local_addr());
    let bound = bound.map_err(|source| StartError::Listen { address, source })?;
    Ok(Entrance { listener, bound })
}

/// Tells that the proxy serves as soon as every listener accepts a connection.
async fn announce(entrances: Vec<Entrance>, listener: Listener) {
    for Entrance { bound: address, .. } in entrances {
        let mut reachable = address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => reachable.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => reachable.set_ip(Ipv6Addr::LOCALHOST.into()),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
        while TcpStream::connect(reachable).await.is_err() {
            sleep(LOOK).await;
        }
        tracing::info!(%address, "listening");
    }
    (listener.phase)(Phase::Serving);
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task in a runtime of its own.
struct Beside {
    task: Mutex<Option<Task>>,
    until_shutdown: bool,
}

impl Beside {
    fn until_shutdown(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { task: Mutex::new(Some(Box::pin(task))), until_shutdown: true }
    }

    fn to_its_end(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { task: Mutex::new(Some(Box::pin(task))), until_shutdown: false }
    }
}

#[async_trait]
impl BackgroundService for Beside {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(task) = task else { return };
        if self.until_shutdown {
            tokio::select! {
                () = task => {}
                _ = shutdown.changed() => {}
            }
        } else {
            task.await;
        }
    }
}

/// Waits until nothing is in flight any more, and everything of it is written down.
struct Drain {
    /// Requests in flight, and lines of the access log that wait to be written.
    pending: [Arc<AtomicUsize>; 2],
    longest: Duration,
    listener: Listener,
}

#[async_trait]
impl BackgroundService for Drain {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        if shutdown.changed().await.is_err() {
            return;
        }
        let left = || self.pending.iter().map(|count| count.load(Ordering::Relaxed)).sum::<usize>();
        let deadline = Instant::now() + self.longest;
        while left() > 0 && Instant::now() < deadline {
            sleep(LOOK).await;
        }
        tracing::info!(cut_off = left(), "drained");
        (self.listener.phase)(Phase::Stopped);
    }
}
