//! What does rustls need to end TLS? Made of what was compiled, for listeners of every kind.

use std::collections::HashMap;
use std::sync::Arc;

use rules::tls::{Certificate, ServerTls};
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoClientAuth, ResolvesServerCert, ServerConfig, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What ends TLS as this says. Which protocols are offered in it is left open.
///
/// # Errors
/// Where a certificate or an authority cannot be used, which compiling should have found.
pub fn server_config(server: &ServerTls) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let certificates = Certificates::new(&server.certificates, &provider)?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(client_verifier(server, provider)?)
        .with_cert_resolver(Arc::new(certificates));
    // Those who come again are spared the key exchange; new certificates come with new tickets.
    config.ticketer = ring::Ticketer::new()?;
    Ok(config)
}

fn client_verifier(
    server: &ServerTls,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
    let Some(clients) = &server.clients else { return Ok(Arc::new(NoClientAuth)) };
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
