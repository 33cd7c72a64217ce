//! On which sockets is traffic taken? On those that listen already: this process's own, or those of the one before it.
//!
//! Pingora looks for a listening socket by its address before it makes one. So it is given all of them, and no address is
//! claimed twice, nor does anything of Pingora's own upgrade socket (world-writable, at most 32 descriptors) come into play.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ListenFds, RuntimeOpts, ShutdownWatch};
use pingora::services::Service;
use rules::SnapshotCell;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::resolver;
use crate::token::{self, Issuers};

/// How long the first client waits for the targets' names and the issuers' keys. One name that nobody knows, or one issuer
/// that does not answer, must not keep all others from serving.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Sockets that listen, until Pingora has them.
pub(crate) struct Sockets {
    waiting: Mutex<Vec<(SocketAddr, TcpListener)>>,
    addresses: Vec<SocketAddr>,
    taken: watch::Sender<bool>,
}

impl Sockets {
    /// Sockets for Pingora's runtimes.
    ///
    /// # Errors
    /// When one of them is none that can be used.
    pub(crate) fn new(sockets: Vec<TcpListener>) -> io::Result<Self> {
        let with_address = |socket: TcpListener| {
            socket.set_nonblocking(true)?;
            Ok((socket.local_addr()?, socket))
        };
        let waiting = sockets.into_iter().map(with_address).collect::<io::Result<Vec<_>>>()?;
        let addresses = waiting.iter().map(|(address, _)| *address).collect();
        Ok(Self { waiting: Mutex::new(waiting), addresses, taken: watch::Sender::new(false) })
    }

    /// Where they listen.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits until connections are accepted.
    pub(crate) async fn taken(&self) {
        // The sender is this one's own.
        self.taken.subscribe().wait_for(|taken| *taken).await.ok();
    }

    fn hand_to(&self, fds: &ListenFds) {
        let waiting =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut fds = fds.lock();
        for (address, socket) in waiting {
            fds.add(address.to_string(), socket.into_raw_fd());
        }
        drop(fds);
        self.taken.send_replace(true);
    }
}

/// A service of Pingora's that finds its sockets listening. What comes before it can serve waits in their queues.
pub(crate) struct OnSockets<S> {
    pub(crate) service: S,
    pub(crate) sockets: Arc<Sockets>,
    pub(crate) cell: Arc<SnapshotCell>,
    pub(crate) issuers: Arc<Issuers>,
}

#[async_trait]
impl<S: Service> Service for OnSockets<S> {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        let names = resolver::all_known(&self.cell);
        let keys = token::all_asked(&self.cell, &self.issuers);
        timeout(LONGEST_WAIT, async { tokio::join!(names, keys) }).await.ok();
        if let Some(fds) = &fds {
            self.sockets.hand_to(fds);
        }
        self.service.start_service(fds, shutdown, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        self.service.threads()
    }

    fn runtime_opts_override(&self, global: &RuntimeOpts) -> Option<RuntimeOpts> {
        self.service.runtime_opts_override(global)
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        self.service.listen_addresses()
    }
}
