//! How do copies and checks speak TLS? As the upstream says, with ring, verified unless opted out.

use std::io;
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rules::upstream::UpstreamTls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Why no TLS connection can be made at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The system's certificates cannot be read.
    #[error("the system's certificates cannot be read")]
    SystemRoots(#[source] io::Error),
    /// The upstream's settings make no TLS configuration.
    #[error("the TLS settings cannot be used")]
    Settings(#[from] rustls::Error),
    /// There is no name to verify.
    #[error("{name:?} is not a name to verify a certificate against")]
    ServerName {
        /// What was to be the name.
        name: String,
        /// What is wrong with it.
        source: InvalidDnsNameError,
    },
}

/// The TLS configuration of an upstream.
pub(crate) fn client_config(tls: &UpstreamTls, http2: bool) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match &tls.roots {
        _ if tls.skip_verify => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny { provider }))
        }
        Some(roots) => {
            let mut store = RootCertStore::empty();
            for root in roots.iter() {
                store.add(CertificateDer::from(root.as_slice()).into_owned())?;
            }
            builder.with_root_certificates(store)
        }
        None => builder.with_native_roots().map_err(TlsError::SystemRoots)?,
    };
    let mut config = match &tls.client {
        Some(own) => {
            let chain = own.chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
            let key = PrivateKeyDer::try_from(own.key.reveal().to_vec());
            let key = key.map_err(|why| rustls::Error::General(why.to_owned()))?;
            builder.with_client_auth_cert(chain, key)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    Ok(config)
}

/// The name to ask for and to verify: the upstream's own, or else the target's host.
pub(crate) fn server_name(
    tls: &UpstreamTls,
    target_host: &str,
) -> Result<ServerName<'static>, TlsError> {
    name(tls.server_name.as_deref(), target_host)
}

/// The name to ask for and to verify, of one that is perhaps set and of the target's host.
pub(crate) fn name(set: Option<&str>, target_host: &str) -> Result<ServerName<'static>, TlsError> {
    let name = set.unwrap_or(target_host);
    ServerName::try_from(name.to_owned())
        .map_err(|source| TlsError::ServerName { name: name.to_owned(), source })
}

/// `insecure_skip_verify`: any certificate will do, but the handshake's signatures must still be its own.
#[derive(Debug)]
struct AcceptAny {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
