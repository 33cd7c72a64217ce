//! Which keys does an issuer publish now? Fetched in the background, again and again; the last good ones are kept.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use config::causes;
use config::jwks::KeysError;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rules::token::{KeySource, KeyUrl};
use rules::{IssuerName, SnapshotCell};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use super::issuers::Issuers;
use super::verifier::Verifier;
use crate::upstream_tls::{self, TlsError};

/// How often it is looked which keys are due.
const TICK: Duration = Duration::from_millis(250);
/// How often it is looked whether all have been asked, where somebody waits for that.
const GLANCE: Duration = Duration::from_millis(20);
/// How long an issuer may take to answer.
const WITHIN: Duration = Duration::from_secs(10);
/// How soon it is asked again after it failed, or named a key that is not known.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// The longest key set that is read. (INV-7)
const LONGEST: usize = 256 << 10;

/// Why no keys came.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("it takes too long")]
    Late,
    #[error("it cannot be reached")]
    Connect(#[source] io::Error),
    #[error("TLS cannot be spoken to it")]
    Tls(#[from] TlsError),
    #[error("TLS with it does not come about")]
    Handshake(#[source] io::Error),
    #[error("it does not speak HTTP")]
    Http(#[from] hyper::Error),
    #[error("its address cannot be asked for")]
    Request(#[from] http::Error),
    #[error("it answers {0}")]
    Status(StatusCode),
    #[error("its answer breaks off, or is longer than {LONGEST} bytes")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    #[error("its answer cannot be used")]
    Keys(#[from] KeysError),
}

/// Fetches the keys of every issuer that publishes them, again and again.
pub(crate) async fn keep_fetching(cell: Arc<SnapshotCell>, issuers: Arc<Issuers>) {
    let mut last: HashMap<IssuerName, Attempt> = HashMap::new();
    let mut fetches: JoinSet<(Arc<Verifier>, Result<(), FetchError>)> = JoinSet::new();
    loop {
        let mut before = std::mem::take(&mut last);
        for verifier in &issuers.all(&cell.load()) {
            let KeySource::Url(url) = &verifier.issuer.keys else { continue };
            let key = verifier.issuer.name.clone();
            // Another definition of the same name has no keys yet.
            let known = before.remove(&key).filter(|known| Arc::ptr_eq(&known.of, verifier));
            if !known.as_ref().is_none_or(|known| known.is_due(url)) {
                last.extend(known.map(|known| (key, known)));
                continue;
            }
            verifier.key_missed.store(false, Ordering::Relaxed);
            let asked = Arc::clone(verifier);
            let task = fetches.spawn(async move {
                let fetched = fetch(&asked).await;
                (asked, fetched)
            });
            last.insert(key, Attempt::begin(Arc::clone(verifier), task));
        }
        let tick = sleep(TICK);
        tokio::pin!(tick);
        loop {
            tokio::select! {
                Some(ended) = fetches.join_next() => {
                    // One that panicked has said so itself; its attempt has failed, as it stands.
                    let Ok((verifier, fetched)) = ended else { continue };
                    if let Err(error) = &fetched {
                        let (issuer, error) = (&verifier.issuer.name, causes(error));
                        tracing::warn!(%issuer, error, "keys could not be fetched, those before go on");
                    }
                    verifier.was_asked.store(true, Ordering::Relaxed);
                    let attempt = last.get_mut(&verifier.issuer.name);
                    if let Some(attempt) = attempt.filter(|last| Arc::ptr_eq(&last.of, &verifier)) {
                        attempt.failed = fetched.is_err();
                    }
                }
                () = &mut tick => break,
            }
        }
    }
}

/// Waits until every issuer that publishes its keys has been asked for them, whatever came of it: one that fails is asked
/// again later than anybody should wait.
pub(crate) async fn all_asked(cell: &SnapshotCell, issuers: &Issuers) {
    let is_missed = |verifier: &Arc<Verifier>| {
        let is_published = matches!(verifier.issuer.keys, KeySource::Url(_));
        is_published && verifier.key_count() == 0 && !verifier.was_asked.load(Ordering::Relaxed)
    };
    while issuers.all(&cell.load()).iter().any(is_missed) {
        sleep(GLANCE).await;
    }
}

/// The last time that an issuer was asked.
struct Attempt {
    of: Arc<Verifier>,
    begun: Instant,
    /// Unless it is known to have brought keys.
    failed: bool,
    task: AbortHandle,
}

impl Attempt {
    fn begin(of: Arc<Verifier>, task: AbortHandle) -> Self {
        Self { of, begun: Instant::now(), failed: true, task }
    }

    fn is_due(&self, url: &KeyUrl) -> bool {
        let soon = self.failed || self.of.key_missed.load(Ordering::Relaxed);
        let pause = if soon { AGAIN_AFTER.min(url.every) } else { url.every };
        self.task.is_finished() && self.begun.elapsed() >= pause
    }
}

async fn fetch(verifier: &Verifier) -> Result<(), FetchError> {
    let KeySource::Url(url) = &verifier.issuer.keys else { return Ok(()) };
    let text = timeout(WITHIN, ask(url)).await.map_err(|_late| FetchError::Late)??;
    Ok(verifier.take_keys(&text)?)
}

async fn ask(url: &KeyUrl) -> Result<Bytes, FetchError> {
    let address = (url.address.host(), url.address.port());
    let stream = TcpStream::connect(address).await.map_err(FetchError::Connect)?;
    let Some(tls) = &url.tls else { return get(TokioIo::new(stream), url).await };
    let config: ClientConfig = upstream_tls::client_config(tls, false)?;
    let name = upstream_tls::server_name(tls, url.address.host())?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.map_err(FetchError::Handshake)?;
    get(TokioIo::new(stream), url).await
}

async fn get<S>(stream: S, url: &KeyUrl) -> Result<Bytes, FetchError>
where
    S: Read + Write + Send + Unpin + 'static,
{
    let request = Request::get(&*url.path)
        .header(http::header::HOST, url.address.to_string())
        .header(http::header::ACCEPT, "application/jwk-set+json, application/json")
        .header(http::header::USER_AGENT, "turnout")
        .body(Empty::<Bytes>::new())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender.send_request(request).await?;
    if answer.status() != StatusCode::OK {
        return Err(FetchError::Status(answer.status()));
    }
    let body = Limited::new(answer.into_body(), LONGEST).collect().await;
    Ok(body.map_err(FetchError::Body)?.to_bytes())
}
