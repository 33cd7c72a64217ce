//! Who answers over TLS? An origin that may want to see certificates, and remembers whether it saw one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::{NoClientAuth, WebPkiClientVerifier};

use super::certificates::{Authority, Certified};

/// One request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct AskedOverTls {
    pub(crate) path: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    /// The host that TLS was begun for.
    pub(crate) server_name: Option<String>,
    /// Whether the connection came with a certificate.
    pub(crate) certified: bool,
}

/// An origin that speaks TLS, and in it HTTP/2 or HTTP/1.
pub(crate) struct TlsOrigin {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<AskedOverTls>>>,
    accepting: JoinHandle<()>,
}

impl TlsOrigin {
    /// Starts one; only those are let in whom `clients` vouches for, if it is given.
    pub(crate) async fn start(own: &Certified, clients: Option<&Authority>) -> Self {
        Self::saying("over TLS", own, clients).await
    }

    /// The same, with an answer of its own.
    pub(crate) async fn saying(
        says: &'static str,
        own: &Certified,
        clients: Option<&Authority>,
    ) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config(own, clients)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::default());
        let accepting = tokio::spawn({
            let asked = Arc::clone(&asked);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(acceptor.clone(), stream, Arc::clone(&asked), says));
                }
            }
        });
        Self { address, asked, accepting }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn asked(&self) -> Vec<AskedOverTls> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for TlsOrigin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn config(own: &Certified, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let verifier = match clients {
        None => Arc::new(NoClientAuth) as _,
        Some(clients) => {
            let roots = Arc::new(clients.roots());
            WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .build()
                .unwrap()
        }
    };
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_client_cert_verifier(verifier);
    let mut config = builder.with_single_cert(vec![own.der()], own.key()).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

async fn serve(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    asked: Arc<Mutex<Vec<AskedOverTls>>>,
    says: &'static str,
) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let tls = stream.get_ref().1;
    let certified = tls.peer_certificates().is_some();
    let server_name = tls.server_name().map(str::to_owned);
    let http2 = tls.alpn_protocol() == Some(b"h2");
    let answer = service_fn(move |request: Request<Incoming>| {
        asked.lock().unwrap().push(AskedOverTls {
            path: request.uri().path().to_owned(),
            version: request.version(),
            headers: request.headers().clone(),
            server_name: server_name.clone(),
            certified,
        });
        async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(says.as_bytes())))) }
    });
    let stream = TokioIo::new(stream);
    // Whoever leaves early is no failure of the test.
    if http2 {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        server.serve_connection(stream, answer).await.unwrap_or_default();
    } else {
        let server = hyper::server::conn::http1::Builder::new();
        server.serve_connection(stream, answer).await.unwrap_or_default();
    }
}
