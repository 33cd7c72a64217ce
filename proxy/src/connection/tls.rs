//! How is a client's TLS ended? By the certificates of the current snapshot, so that new ones need no new connection.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::listeners::tls::Acceptor;
use pingora::protocols::l4::stream::Stream as Socket;
use pingora::protocols::{Peek, Stream};
use rules::SnapshotCell;
use rules::tls::ListenerTls;
use rustls::server::ServerConfig;
use tokio::time::timeout;

/// Ends TLS for all listeners that have it.
pub(super) struct Tls {
    cell: Arc<SnapshotCell>,
    made: ArcSwap<Made>,
}

/// Why TLS came to nothing.
pub(super) enum Failure {
    /// Who connected left without a word, as those do who only look whether somebody listens.
    Left,
    /// It was not TLS, not meant for us, or took too long.
    Handshake,
}

/// What was made of the snapshot's certificates, for as long as they stay.
struct Made {
    of: Arc<[ListenerTls]>,
    acceptors: HashMap<SocketAddr, Arc<Acceptor>>,
}

impl Tls {
    pub(super) fn new(cell: Arc<SnapshotCell>) -> Self {
        let of = Arc::clone(&cell.load().tls);
        let acceptors = acceptors(&of, &HashMap::new());
        Self { cell, made: ArcSwap::from_pointee(Made { of, acceptors }) }
    }

    /// Shakes hands on a listener.
    ///
    /// # Errors
    /// Where that fails or takes too long.
    pub(super) async fn accept(
        &self,
        listener: SocketAddr,
        stream: Stream,
        within: Duration,
    ) -> Result<Stream, Failure> {
        let acceptor = self.acceptor(listener).ok_or(Failure::Handshake)?;
        let socket = stream.into_any().downcast::<Socket>();
        let mut socket = socket.map_err(|_not_a_socket| Failure::Handshake)?;
        let handshake = async {
            socket.try_peek(&mut [0; 1]).await.map_err(|_gone| Failure::Left)?;
            acceptor.tls_handshake(*socket).await.map_err(|error| {
                tracing::debug!(error = %error.etype().as_str(), "a TLS handshake failed");
                Failure::Handshake
            })
        };
        let shaken = timeout(within, handshake).await.map_err(|_late| {
            tracing::debug!("a TLS handshake took too long");
            Failure::Handshake
        })?;
        shaken.map(|stream| Box::new(stream) as Stream)
    }

    fn acceptor(&self, listener: SocketAddr) -> Option<Arc<Acceptor>> {
        let of = Arc::clone(&self.cell.load().tls);
        let made = self.made.load();
        if Arc::ptr_eq(&made.of, &of) {
            return made.acceptors.get(&listener).cloned();
        }
        let acceptors = acceptors(&of, &made.acceptors);
        let acceptor = acceptors.get(&listener).cloned();
        self.made.store(Arc::new(Made { of, acceptors }));
        acceptor
    }
}

/// An acceptor for each listener. Where one cannot be made, which compiling should have found, the one before goes on.
fn acceptors(
    of: &[ListenerTls],
    before: &HashMap<SocketAddr, Arc<Acceptor>>,
) -> HashMap<SocketAddr, Arc<Acceptor>> {
    let each = of.iter().filter_map(|listener| match server_config(listener) {
        Ok(config) => {
            let acceptor = Acceptor::from_server_config(Arc::new(config));
            Some((listener.address, Arc::new(acceptor)))
        }
        Err(error) => {
            tracing::error!(
                address = %listener.address, %error,
                "the certificates of a listener cannot be used, the former ones go on"
            );
            Some((listener.address, Arc::clone(before.get(&listener.address)?)))
        }
    });
    each.collect()
}

fn server_config(listener: &ListenerTls) -> Result<ServerConfig, rustls::Error> {
    let mut config = config::server_config(&listener.server)?;
    config.alpn_protocols = if listener.http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    Ok(config)
}
