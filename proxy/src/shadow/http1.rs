//! How does a copy get a connection of HTTP/1? The one that was used last, or a new one.
//!
//! hyper's own client asks a pool for each request, begins to connect beside it, and has a task wait until the connection may
//! be used again: 10,000 instructions more per copy (docs/hot-path.md). Here the answer has been read whole before a
//! connection comes back, so that nobody has to wait for it.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::uri::{Scheme, Uri};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use rules::exchange::NotComparable;
use tower::Service;

use super::connect::Connector;

type Sender = SendRequest<Full<Bytes>>;
type Sent = Result<Response<Incoming>, Unsent>;

/// Connections to one address, of one lane.
#[derive(Debug)]
pub(super) struct Http1 {
    connector: Connector,
    builder: Builder,
    /// How long a connection may wait to be used again, and how many may.
    longest: Duration,
    most: usize,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    /// The one that was used last comes last.
    senders: Vec<(Sender, Instant)>,
    /// Whether a task closes those that wait for too long.
    is_watched: bool,
}

/// A connection on which a request is being answered.
#[must_use]
pub(super) struct Lease {
    home: Arc<Http1>,
    sender: Sender,
}

/// Why there is no answer.
enum Unsent {
    /// The connection was closed before anything was sent, which makes nothing worse: here is the request.
    Stale(Box<Request<Full<Bytes>>>),
    /// It was lost on the way.
    Lost,
}

impl Http1 {
    pub(super) fn new(
        connector: Connector,
        builder: Builder,
        (longest, most): (Duration, usize),
    ) -> Arc<Self> {
        Arc::new(Self { connector, builder, longest, most, idle: Mutex::default() })
    }

    /// Sends a request whose URI is its path and query.
    ///
    /// # Errors
    /// When no connection can be made, or the answer's head does not come whole.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Lease), NotComparable> {
        if !request.headers().contains_key(HOST) {
            let host = HeaderValue::from_str(&self.connector.tcp.address.to_string()).ok();
            request.headers_mut().insert(HOST, host.ok_or(NotComparable::ShadowConnect)?);
        }
        while let Some(mut sender) = self.take() {
            if sender.ready().await.is_err() {
                continue;
            }
            match sent(&mut sender, request).await {
                Ok(answer) => return Ok((answer, self.lend(sender))),
                Err(Unsent::Stale(again)) => request = *again,
                Err(Unsent::Lost) => return Err(NotComparable::ShadowTruncated),
            }
        }
        let mut sender = Box::pin(self.connect()).await.map_err(|error| {
            tracing::debug!(error = &*error as &dyn Error, "a copy's connection cannot be made");
            NotComparable::ShadowConnect
        })?;
        let answer = sent(&mut sender, request).await.ok();
        Ok((answer.ok_or(NotComparable::ShadowTruncated)?, self.lend(sender)))
    }

    fn lend(self: &Arc<Self>, sender: Sender) -> Lease {
        Lease { home: Arc::clone(self), sender }
    }

    async fn connect(&self) -> Result<Sender, Box<dyn Error + Send + Sync>> {
        let mut connector = self.connector.clone();
        let scheme = if connector.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let uri = Uri::builder().scheme(scheme).authority(connector.tcp.address.to_string());
        let stream = connector.call(uri.path_and_query("/").build()?).await?;
        let (mut sender, connection) = self.builder.handshake(stream).await?;
        tokio::spawn(async move {
            // Whoever asked on it hears of it.
            connection.with_upgrades().await.unwrap_or_default();
        });
        sender.ready().await?;
        Ok(sender)
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Sender> {
        let mut idle = self.idle();
        while let Some((sender, since)) = idle.senders.pop() {
            if !sender.is_closed() && since.elapsed() < self.longest {
                return Some(sender);
            }
        }
        None
    }

    /// Whether any connection waits.
    #[cfg(test)]
    pub(super) fn holds_any(&self) -> bool {
        self.idle().is_watched
    }

    fn close_old(&self) -> bool {
        let mut idle = self.idle();
        idle.senders
            .retain(|(sender, since)| !sender.is_closed() && since.elapsed() < self.longest);
        idle.is_watched = !idle.senders.is_empty();
        idle.is_watched
    }
}

impl Lease {
    /// The answer has been read whole: the connection may be used again.
    pub(super) fn end(self) {
        let Self { home, sender } = self;
        let mut idle = home.idle();
        if idle.senders.len() >= home.most {
            return;
        }
        idle.senders.push((sender, Instant::now()));
        if !std::mem::replace(&mut idle.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(&home), home.longest));
        }
    }
}

/// Closes what waits for too long, until nothing waits.
async fn watch(home: Weak<Http1>, longest: Duration) {
    loop {
        tokio::time::sleep(longest).await;
        if !home.upgrade().is_some_and(|home| home.close_old()) {
            return;
        }
    }
}

async fn sent(sender: &mut Sender, request: Request<Full<Bytes>>) -> Sent {
    let unsent = |request| Unsent::Stale(Box::new(request));
    let sent = sender.try_send_request(request).await;
    sent.map_err(|mut error| error.take_message().map_or(Unsent::Lost, unsent))
}
