//! How does Pingora get a connection to a target? As ever, but for those that are wrapped on their way.

use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::http::custom::{Connection, Connector};
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::prelude::Result;
use pingora::protocols::ALPN;
use pingora::protocols::tls::CustomALPN;
use pingora::upstreams::peer::Peer;

use super::coalesced::Coalesced;

/// Makes connections on which a request's head leaves together with its body. Pingora keeps them like all others.
pub(crate) struct Coalescing {
    transport: TransportConnector,
}

impl Coalescing {
    pub(super) fn new(options: ConnectorOptions) -> Self {
        Self { transport: TransportConnector::new(Some(options)) }
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
        let mut peer = peer.clone();
        if let Some(options) = peer.get_mut_peer_options() {
            options.alpn = ALPN::H1;
        }
        let stream = self.transport.new_stream(&peer).await?;
        Ok((Connection::Stream(Box::new(Coalesced::new(stream))), false))
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
