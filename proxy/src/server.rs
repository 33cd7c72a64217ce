//! What runs side by side? The proxy's listeners, the background services, and whatever the binary brings along.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use config::{Listener as Listening, Protocol, Settings};
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server, ShutdownWatch};
use pingora::services::background::{BackgroundService, background_service};
use pingora::services::listening::Service;
use prometheus_client::registry::Registry;
use rules::SnapshotCell;
use rules::exchange::ExchangeReport;
use tokio::sync::{mpsc, watch};

use crate::access_log::AccessLog;
use crate::connection::{Admission, ConnectionApp, Entrance, Pressure};
use crate::drain::Drain;
use crate::farewell::{Farewell, ToldToLeave};
use crate::gate::{Policies, Surroundings};
use crate::handler::Handler;
use crate::metrics::{ProxyCollector, ProxyCounters};
use crate::outgoing::{TargetProxy, own_proxy};
use crate::peers::Peers;
use crate::shadow::ShadowSender;
use crate::signals::Signals;
use crate::sockets::{OnSockets, Sockets};
use crate::token::Issuers;
use crate::{health, resolver, token};

/// How often a request is tried at most: on a target, on another one of the arm, on stable, on another one there.
const ATTEMPTS: usize = 4;
/// Unused connections to upstreams that each worker may keep.
const KEPT_CONNECTIONS: usize = 1_024;
/// What is read at a time of a TLS connection, whose records are read piece by piece. All else is read right to where it
/// belongs: with a buffer for each of thousands that are idle, they take too much.
const TLS_READ_BUFFER_BYTES: usize = 8 * 1_024;

/// Where the process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The listeners accept connections.
    Serving,
    /// No longer ready: requests in flight are finished.
    Draining,
    /// Another process serves on the same sockets: requests in flight are finished.
    HandedOver,
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
    /// Called when the operator asks the binary on disk to take over.
    pub upgrade: Arc<dyn Fn() + Send + Sync>,
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
    /// The listeners' sockets: one for each of the settings' listeners, in their order.
    pub sockets: Vec<TcpListener>,
    /// Becomes true when another process serves on the same sockets; this one drains then, and leaves.
    pub handed_over: watch::Receiver<bool>,
}

/// Why the proxy cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's socket cannot be used.
    #[error("a listener's socket cannot be used")]
    Socket(#[source] std::io::Error),
    /// The access log's writer cannot be started.
    #[error("cannot start the access log")]
    AccessLog(#[source] std::io::Error),
    /// Pingora's proxy cannot be had.
    #[error("cannot start the proxy")]
    Proxy(#[source] std::io::Error),
}

/// The data plane, ready to run.
pub struct Proxy {
    parts: Parts,
    sockets: Sockets,
    admission: Arc<Admission>,
    app: Arc<TargetProxy>,
    issuers: Arc<Issuers>,
    pressure: Arc<Pressure>,
    counters: Arc<ProxyCounters>,
    access_log: Option<AccessLog>,
    /// Lines of the access log that wait to be written.
    unwritten: Arc<AtomicUsize>,
}

impl Proxy {
    /// Registers the proxy's metrics. No request is served before [`Proxy::run`].
    ///
    /// # Errors
    /// When a socket cannot be used, or a thread cannot be started.
    pub fn new(mut parts: Parts, metrics: &mut Registry) -> Result<Self, StartError> {
        let sockets = std::mem::take(&mut parts.sockets);
        let sockets = Sockets::new(sockets).map_err(StartError::Socket)?;
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
        let issuers = Arc::new(Issuers::new(&parts.cell.load()));
        metrics.register_collector(Box::new(ProxyCollector {
            cell: Arc::clone(&parts.cell),
            counters: Arc::clone(&counters),
            pressure: Arc::clone(&pressure),
            admission: Arc::clone(&admission),
            issuers: Arc::clone(&issuers),
            shadow: shadow.clone(),
        }));
        let access_log = parts.settings.access_log.then(log).transpose()?;
        let handler = Handler {
            cell: Arc::clone(&parts.cell),
            peers: Peers::default(),
            issuers: Arc::clone(&issuers),
            shadow,
            access_log: access_log.clone(),
            counters: Arc::clone(&counters),
            policies: Policies::new(Arc::clone(&parts.cell)),
            pressure: Arc::clone(&pressure),
        };
        let app =
            own_proxy(&Arc::new(conf(&parts.settings)), handler).map_err(StartError::Proxy)?;
        Ok(Self {
            parts,
            sockets,
            admission,
            app,
            issuers,
            pressure,
            counters,
            access_log,
            unwritten,
        })
    }

    /// Serves until a signal asks to leave. `beside` runs in a runtime of its own, next to the proxy.
    ///
    /// When everything in flight is done, or the time for it is up, [`Phase::Stopped`] is told; whoever hears it ends the
    /// process. Pingora itself would only return after the whole drain time.
    pub fn run(self, beside: impl Future<Output = ()> + Send + 'static) {
        let Self { parts, sockets, admission, app, issuers, pressure, .. } = self;
        let (counters, access_log, unwritten) = (self.counters, self.access_log, self.unwritten);
        let Parts { cell, settings, listener, handed_over, .. } = parts;
        let (sockets, farewell) = (Arc::new(sockets), Arc::new(Farewell::new()));
        let mut server = Server::new_with_opt_and_conf(None, conf(&settings));
        server.bootstrap();
        let surroundings = Surroundings::new(Arc::clone(&cell), counters, access_log);
        let entrances = entrances(&settings.listeners, &sockets);
        let addresses: Vec<(SocketAddr, Protocol)> =
            entrances.iter().map(|one| (one.bound, one.listener.protocol)).collect();
        let app = ConnectionApp::new(app, &cell, entrances, admission, surroundings);
        let app = ToldToLeave::new(app, Arc::clone(&farewell));
        let mut proxy = Service::new("proxy".to_owned(), app);
        for (address, protocol) in addresses {
            let listener = ListenerConfig::tcp(address.to_string());
            proxy.add_listener(listener.l4_buffer(buffers(protocol)));
        }
        server.add_service(OnSockets {
            service: proxy,
            sockets: Arc::clone(&sockets),
            cell: Arc::clone(&cell),
            issuers: Arc::clone(&issuers),
        });
        let resolving = resolver::keep_resolving(Arc::clone(&cell));
        server.add_service(background_service("resolver", Beside::until_shutdown(resolving)));
        let fetching = token::keep_fetching(Arc::clone(&cell), issuers);
        server.add_service(background_service("keys", Beside::until_shutdown(fetching)));
        let checking = health::keep_checking(cell);
        server.add_service(background_service("health", Beside::until_shutdown(checking)));
        server.add_service(background_service("control", Beside::to_its_end(beside)));
        let ready = announce(sockets, listener.clone());
        server.add_service(background_service("readiness", Beside::until_shutdown(ready)));
        let drain = Drain {
            pressure,
            unwritten,
            farewell: Arc::clone(&farewell),
            longest: settings.drain,
            listener: listener.clone(),
        };
        server.add_service(background_service("drain", drain));
        let signals = Signals { listener, farewell, handed_over, delay: settings.drain_delay };
        server.run(RunArgs { shutdown_signal: Box::new(signals) });
    }
}

/// How Pingora is to run.
fn conf(settings: &Settings) -> ServerConf {
    ServerConf {
        threads: settings.threads,
        // One thread has nobody to take work from, and does without what others would need for that.
        work_stealing: settings.threads > 1,
        max_retries: ATTEMPTS,
        upstream_keepalive_pool_size: KEPT_CONNECTIONS,
        grace_period_seconds: Some(settings.drain.as_secs().saturating_add(1)),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    }
}

/// Each listener with the address that it really has.
fn entrances(listeners: &[Listening], sockets: &Sockets) -> Vec<Entrance> {
    let bound = sockets.addresses().iter();
    let each = listeners.iter().zip(bound);
    each.map(|(listener, bound)| Entrance { listener: *listener, bound: *bound }).collect()
}

fn buffers(protocol: Protocol) -> L4BufferSettings {
    let read = match protocol {
        Protocol::Tls => TLS_READ_BUFFER_BYTES,
        Protocol::Http1 | Protocol::H2c => 0,
    };
    L4BufferSettings::default().read(read)
}

/// Tells that the proxy serves as soon as connections are accepted.
async fn announce(sockets: Arc<Sockets>, listener: Listener) {
    sockets.taken().await;
    for address in sockets.addresses() {
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
