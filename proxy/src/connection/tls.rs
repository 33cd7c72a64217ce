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
use rules::tls::{Certificate, ListenerTls};
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{
    ClientHello, NoClientAuth, ResolvesServerCert, ServerConfig, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, server::danger::ClientCertVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
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
    let provider = Arc::new(ring::default_provider());
    let certificates = Certificates::new(&listener.certificates, &provider)?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(client_verifier(listener, provider)?)
        .with_cert_resolver(Arc::new(certificates));
    // Those who come again are spared the key exchange; new certificates come with new tickets.
    config.ticketer = ring::Ticketer::new()?;
    config.alpn_protocols = if listener.http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    Ok(config)
}

fn client_verifier(
    listener: &ListenerTls,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
    let Some(clients) = &listener.clients else { return Ok(Arc::new(NoClientAuth)) };
    let mut roots = RootCertStore::empty();
    for der in &clients.roots {
        roots.add(CertificateDer::from(&**der))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if clients.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| rustls::Error::General(error.to_string()))
}

/// The certificates of a listener, by the host names that they are for.
#[derive(Debug)]
struct Certificates {
    /// In lower case; those of a wildcard without their `*`.
    named: HashMap<Box<str>, Arc<CertifiedKey>>,
    first: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    fn new(all: &[Certificate], provider: &CryptoProvider) -> Result<Self, rustls::Error> {
        let (mut named, mut first) = (HashMap::new(), None);
        for certificate in all {
            let chain = certificate.chain.iter().map(|der| CertificateDer::from(der.to_vec()));
            let key = PrivateKeyDer::try_from(certificate.key.reveal().to_vec())
                .map_err(|why| rustls::Error::General(why.to_owned()))?;
            let usable = Arc::new(CertifiedKey::from_der(chain.collect(), key, provider)?);
            for name in &certificate.names {
                let place = name.strip_prefix('*').unwrap_or(name).into();
                named.entry(place).or_insert_with(|| Arc::clone(&usable));
            }
            first.get_or_insert(usable);
        }
        Ok(Self { named, first })
    }

    fn for_name(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let parent = || name.find('.').and_then(|dot| name.get(dot..));
        self.named.get(name).or_else(|| self.named.get(parent()?))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.for_name(name));
        named.or(self.first.as_ref()).cloned()
    }
}
