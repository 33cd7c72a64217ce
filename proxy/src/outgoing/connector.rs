//! How does Pingora get a connection to a target? One that waits to be used again, or a new one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::http::custom::{Connection, Connector};
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::prelude::Result;
use pingora::protocols::ALPN;
use pingora::protocols::tls::CustomALPN;
use pingora::upstreams::peer::Peer;

use super::coalesced::Coalesced;
use super::pool::{Place, Pool};
use crate::connection::{Transport, Wait};

/// Makes connections on which a request's head leaves together with its body.
pub(crate) struct Coalescing {
    transport: TransportConnector,
    pool: Arc<Pool>,
}

impl Coalescing {
    pub(super) fn new(options: ConnectorOptions) -> Self {
        let pool = Pool::new(options.keepalive_pool_size);
        Self { transport: TransportConnector::new(Some(options)), pool }
    }

    async fn connect<P: Peer + Send + Sync + 'static>(&self, peer: &P) -> Result<Transport> {
        let mut peer = peer.clone();
        if let Some(options) = peer.get_mut_peer_options() {
            options.alpn = ALPN::H1;
        }
        Ok(Transport::new(self.transport.new_stream(&peer).await?))
    }
}

/// The protocol that leads Pingora here. Never on a wire: what TLS is told is HTTP/1.
pub(crate) fn coalesced() -> ALPN {
    ALPN::Custom(CustomALPN::new(b"coalesced".to_vec()))
}

#[async_trait]
impl Connector for Coalescing {
    /// What is spoken is Pingora's own HTTP/1.
    type Session = ();

    async fn get_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        peer: &P,
    ) -> Result<(Connection<()>, bool)> {
        let place = Place {
            pool: Arc::clone(&self.pool),
            key: peer.reuse_hash(),
            address: peer.address().as_inet().copied(),
            longest: peer.idle_timeout(),
        };
        let stream = match place.take() {
            Some(waiting) => Coalesced::new(waiting.inner, place, waiting.kept, waiting.wait),
            None => {
                let inner = Box::pin(self.connect(peer)).await?;
                Coalesced::new(inner, place, Vec::new(), Wait::default())
            }
        };
        // To Pingora all of them are new: `Rider::is_reused` tells which are not.
        Ok((Connection::Stream(Box::new(stream)), false))
    }

    async fn reused_http_session<P: Peer + Send + Sync + 'static>(&self, _: &P) -> Option<()> {
        None
    }

    async fn release_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        (): (),
        _: &P,
        _: Option<Duration>,
    ) {
    }
}
