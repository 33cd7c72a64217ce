//! Who asks over TLS? A client that names a host, shows a certificate where it has one, and lets ALPN choose.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WantsClientCert;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    WantsVerifier,
};

use super::certificates::{Authority, Certified};
use super::connection::Connection;

const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];

/// How to ask over TLS.
#[derive(Clone)]
pub(crate) struct TlsClient(ClientConfig);

impl TlsClient {
    /// One that believes this authority alone.
    pub(crate) fn trusting(authority: &Authority) -> Self {
        Self::made(|builder| builder.with_root_certificates(authority.roots()), None)
    }

    /// One that believes this authority, and shows this certificate.
    pub(crate) fn showing(authority: &Authority, own: &Certified) -> Self {
        Self::made(|builder| builder.with_root_certificates(authority.roots()), Some(own))
    }

    /// One that takes any certificate, to look at it.
    pub(crate) fn looking() -> Self {
        let mut client =
            Self::made(|builder| builder.with_root_certificates(RootCertStore::empty()), None);
        client.0.dangerous().set_certificate_verifier(Arc::new(Anything(ring::default_provider())));
        client
    }

    fn made(verified: impl FnOnce(Unverified) -> WithoutOwn, own: Option<&Certified>) -> Self {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = verified(builder.with_safe_default_protocol_versions().unwrap());
        let mut config = match own {
            Some(own) => builder.with_client_auth_cert(vec![own.der()], own.key()).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = BOTH.iter().map(|protocol| protocol.to_vec()).collect();
        Self(config)
    }

    /// The same one, offering only this protocol.
    pub(crate) fn speaking(mut self, protocol: &str) -> Self {
        self.0.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        self
    }

    /// Shakes hands; without a name, none is asked for.
    pub(crate) async fn connect(
        &self,
        to: SocketAddr,
        name: Option<&str>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = match name {
            Some(name) => ServerName::try_from(name.to_owned()).unwrap(),
            None => ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into()),
        };
        let stream = TcpStream::connect(to).await?;
        TlsConnector::from(Arc::new(self.0.clone())).connect(name, stream).await
    }

    /// A connection to a host, in what both sides speak.
    pub(crate) async fn open(&self, to: SocketAddr, name: &str) -> Result<Connection, String> {
        let stream = self.connect(to, Some(name)).await.map_err(|error| error.to_string())?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            return Connection::http2(stream, &format!("https://{name}")).await;
        }
        Connection::http1(stream).await
    }
}

type Unverified = ConfigBuilder<ClientConfig, WantsVerifier>;
type WithoutOwn = ConfigBuilder<ClientConfig, WantsClientCert>;

/// The certificate that the other side showed.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[derive(Debug)]
struct Anything(CryptoProvider);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
