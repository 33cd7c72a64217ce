//! Through what does a new connection come before its requests are read?

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use config::{Listener, Protocol};
use pingora::apps::{HttpServerApp, ServerApp};
use pingora::protocols::{ALPN, Stream};
use pingora::server::ShutdownWatch;
use rules::SnapshotCell;

use super::admission::{Admission, Turned};
use super::http2::WatchedStream;
use super::served::ServedNow;
use super::tls::{Failure, Tls};
use super::transport::Transport;
use crate::gate::{self, GatedStream, ReturnSlot, Surroundings};

/// A listener, and the address that it really has: the configuration may leave the port open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entrance {
    pub(crate) listener: Listener,
    pub(crate) bound: SocketAddr,
}

/// Leads connections to an application.
pub(crate) struct ConnectionApp<A> {
    served: ServedNow<A>,
    cell: Arc<SnapshotCell>,
    entrances: Vec<Entrance>,
    admission: Arc<Admission>,
    tls: Tls,
    surroundings: Arc<Surroundings>,
}

impl<A> ConnectionApp<A> {
    pub(crate) fn new(
        app: Arc<A>,
        cell: &Arc<SnapshotCell>,
        entrances: Vec<Entrance>,
        admission: Arc<Admission>,
        surroundings: Surroundings,
    ) -> Self {
        Self {
            served: ServedNow::new(app, Arc::clone(cell)),
            cell: Arc::clone(cell),
            entrances,
            admission,
            tls: Tls::new(Arc::clone(cell)),
            surroundings: Arc::new(surroundings),
        }
    }

    /// Where a connection came in.
    fn entrance(&self, stream: &Stream) -> Option<&Entrance> {
        if let [only] = &*self.entrances {
            return Some(only);
        }
        let local = stream.get_socket_digest()?;
        let local = local.local_addr()?.as_inet()?;
        let same_port = || self.entrances.iter().filter(|one| one.bound.port() == local.port());
        same_port()
            .find(|one| one.bound.ip() == local.ip())
            .or_else(|| same_port().find(|one| one.bound.ip().is_unspecified()))
    }
}

/// Who is at the other end.
pub(crate) fn peer(stream: &Stream) -> Option<IpAddr> {
    Some(stream.get_socket_digest()?.peer_addr()?.as_inet()?.ip())
}

impl<A: HttpServerApp + Send + Sync + 'static> ConnectionApp<A> {
    /// Ends with the connection: Pingora keeps it for as many requests as come.
    async fn http1(&self, stream: Transport, shutdown: &ShutdownWatch) {
        if !gate::IS_THERE {
            drop(self.served.current().process_new(stream.into_stream(), shutdown).await);
            return;
        }
        let slot = ReturnSlot::default();
        let gated = GatedStream::new(stream, Arc::clone(&self.surroundings), Arc::clone(&slot));
        drop(self.served.current().process_new(Box::new(gated), shutdown).await);
        let returned = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(returned) = returned {
            Box::pin(gate::answer(returned, &self.surroundings)).await;
        }
    }

    async fn http2(&self, stream: Transport, shutdown: &ShutdownWatch) {
        let times = self.cell.load().limits.times;
        let watched = WatchedStream::new(stream, times.head, Arc::clone(&self.surroundings));
        match watched.begun().await {
            Ok(begun) => drop(self.served.current().process_new(Box::new(begun), shutdown).await),
            Err(Some(returned)) => gate::answer(returned, &self.surroundings).await,
            Err(None) => {}
        }
    }

    async fn encrypted(&self, entrance: &Entrance, stream: Stream, shutdown: &ShutdownWatch) {
        let within = self.cell.load().limits.times.handshake;
        match Box::pin(self.tls.accept(entrance.listener.address, stream, within)).await {
            Ok(stream) if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) => {
                Box::pin(self.http2(Transport::new(stream), shutdown)).await;
            }
            Ok(stream) => self.http1(Transport::new(stream), shutdown).await,
            Err(Failure::Handshake) => self.admission.count(Turned::Handshake),
            Err(Failure::Left) => {}
        }
    }
}

/// What comes of it is kept as long as the connection: the ways that most do not take are kept apart, each as large as it
/// is alone.
#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> ServerApp for ConnectionApp<A> {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let _admitted = self.admission.admit(peer(&stream), &self.cell.load()).ok()?;
        let entrance = self.entrance(&stream)?;
        match entrance.listener.protocol {
            Protocol::Http1 => self.http1(Transport::new(stream), shutdown).await,
            Protocol::H2c => Box::pin(self.http2(Transport::new(stream), shutdown)).await,
            Protocol::Tls => Box::pin(self.encrypted(entrance, stream, shutdown)).await,
        }
        None
    }

    async fn cleanup(&self) {
        self.served.current().cleanup().await;
    }
}
