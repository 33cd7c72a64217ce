//! An origin: a server on a loopback port that lives as long as its handle.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderValue;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::connection::{Script, serve};
use super::ledger::{Ledger, Recorded};
use super::reply::Reply;

/// A scripted HTTP/1.1 server on 127.0.0.1. Every answer carries `x-origin: <name>`, unless the behaviour sets
/// that header itself.
///
/// Dropping it closes its port and its connections as soon as its runtime gets to it; [`Origin::stop`] waits for that.
pub struct Origin {
    script: Arc<Script>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
    /// Dropping it ends `accepting`.
    open: oneshot::Sender<()>,
}

impl Origin {
    /// Starts on a free port, on the caller's tokio runtime.
    ///
    /// # Errors
    /// No port is to be had, or the name is no header value.
    pub async fn start(
        name: &str,
        behaviour: impl Fn(&Recorded) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), name, behaviour).await
    }

    /// Starts on a given address, for an origin that comes back after it was stopped.
    ///
    /// # Errors
    /// The address is taken, or the name is no header value.
    pub async fn start_at(
        address: SocketAddr,
        name: &str,
        behaviour: impl Fn(&Recorded) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let name = HeaderValue::from_str(name)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let script = Arc::new(Script {
            name,
            behaviour: RwLock::new(Arc::new(behaviour)),
            ledger: Ledger::new(),
        });
        let (open, closed) = oneshot::channel();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&script), closed));
        Ok(Self { script, address, accepting, open })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The last requests (at most 8,192, with at most 64 MiB of bodies), oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.script.ledger.requests()
    }

    /// Forgets the requests kept so far; the count stays.
    pub fn forget(&self) {
        self.script.ledger.forget();
    }

    /// How many requests were received since the start.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.script.ledger.count()
    }

    /// Waits until at least `count` requests were received since the start; `false` when they were not `within` the time.
    pub async fn reached(&self, count: u64, within: Duration) -> bool {
        self.script.ledger.reached(count, within).await
    }

    /// Behaves differently from the next request on.
    pub fn behave(&self, behaviour: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) {
        *self.script.behaviour.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(behaviour);
    }

    /// Stops and waits until the port and all connections are closed.
    pub async fn stop(self) {
        drop(self.open);
        // Nothing aborts or panics in there; that it ended is all that counts.
        drop(self.accepting.await);
    }
}

/// Accepts until the handle is gone, then closes the port and the connections.
async fn accept(listener: TcpListener, script: Arc<Script>, mut closed: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut closed => break,
            accepted = listener.accept() => {
                // An error of `accept` belongs to one connection that is gone already (accept(2)).
                let Ok((stream, peer)) = accepted else { tokio::task::yield_now().await; continue };
                // Failing costs latency only.
                drop(stream.set_nodelay(true));
                connections.spawn(serve(stream, peer, Arc::clone(&script)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}
