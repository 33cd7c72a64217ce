//! Does one target answer as it should? Asked over a connection of its own, encrypted as requests are.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rules::Upstream;
use rules::upstream::{Address, HealthProbe};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::upstream_tls::{self, TlsError};

/// How targets of an upstream are spoken to.
#[derive(Clone)]
pub(crate) struct Speech {
    tls: Option<Encryption>,
    http2: bool,
}

#[derive(Clone)]
struct Encryption {
    config: Arc<ClientConfig>,
    server_name: Option<Box<str>>,
}

/// The encryption of each definition of an upstream, made once: the system's certificates are files.
#[derive(Default)]
pub(crate) struct Speeches(HashMap<u64, Option<Speech>>);

impl Speeches {
    /// How an upstream's targets are spoken to; not at all where its encryption cannot be had.
    pub(crate) fn of(&mut self, upstream: &Upstream) -> Option<Speech> {
        self.0.entry(upstream.pool_key).or_insert_with(|| speech(upstream)).clone()
    }

    /// Forgets all but these definitions.
    pub(crate) fn keep(&mut self, is_there: impl Fn(u64) -> bool) {
        self.0.retain(|key, _| is_there(*key));
    }
}

fn speech(upstream: &Upstream) -> Option<Speech> {
    let encryption = |tls: &rules::upstream::UpstreamTls| {
        let config = upstream_tls::client_config(tls, upstream.http2)?;
        let server_name = tls.server_name.clone();
        Ok::<_, TlsError>(Encryption { config: Arc::new(config), server_name })
    };
    let tls = upstream.tls.as_ref().map(encryption).transpose();
    let told = |error: &TlsError| {
        tracing::error!(upstream = %upstream.name, %error, "targets cannot be checked");
    };
    Some(Speech { tls: tls.inspect_err(told).ok()?, http2: upstream.http2 })
}

/// Asks a target once; nothing where it does not answer as it should.
pub(crate) async fn ask(
    address: SocketAddr,
    target: &Address,
    probe: &HealthProbe,
    speech: &Speech,
) -> Option<()> {
    let stream = TcpStream::connect(address).await.ok()?;
    let HealthProbe::Http(path) = probe else { return Some(()) };
    let answer = match &speech.tls {
        None => get(TokioIo::new(stream), target, path, speech.http2).await?,
        Some(tls) => {
            let name = upstream_tls::name(tls.server_name.as_deref(), target.host()).ok()?;
            let connector = TlsConnector::from(Arc::clone(&tls.config));
            let stream = connector.connect(name, stream).await.ok()?;
            get(TokioIo::new(stream), target, path, speech.http2).await?
        }
    };
    (answer.status().is_success() || answer.status().is_redirection()).then_some(())
}

async fn get<S>(stream: S, target: &Address, path: &str, http2: bool) -> Option<Response<Incoming>>
where
    S: Read + Write + Send + Unpin + 'static,
{
    let request = Request::get(path).header(http::header::USER_AGENT, "turnout-health");
    if http2 {
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut sender, connection) = handshake.await.ok()?;
        let uri = format!("http://{target}{path}");
        let request = request.uri(uri).version(Version::HTTP_2).body(Empty::<Bytes>::new()).ok()?;
        let driver = tokio::spawn(connection);
        let answer = sender.send_request(request).await.ok();
        driver.abort();
        return answer;
    }
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.ok()?;
    let request = request.header(http::header::HOST, target.to_string());
    let request = request.body(Empty::<Bytes>::new()).ok()?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await.ok();
    driver.abort();
    answer
}
