//! What was an origin asked? The last requests, within bounds.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::sync::watch;

/// How many requests are kept; older ones are only counted.
const KEPT_REQUESTS: usize = 8_192;
/// How many bytes of bodies are kept with them.
const KEPT_BYTES: usize = 64 * 1024 * 1024;

/// One request as an origin received it, body complete.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The origin's own count of requests, from 1.
    pub number: u64,
    /// When the body was complete.
    pub at: Instant,
    /// The other end of the connection: two requests with the same one came over one connection.
    pub peer: SocketAddr,
    /// The method.
    pub method: Method,
    /// The path with its query, as on the wire.
    pub path_and_query: String,
    /// All header fields, in the order received per name.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Recorded {
    /// The path without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path_and_query.split_once('?').map_or(self.path_and_query.as_str(), |(path, _)| path)
    }

    /// The query without its question mark, empty when there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }

    /// A header's first value, when it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The last requests of one origin, and the count of all.
#[derive(Debug)]
pub(super) struct Ledger {
    kept: Mutex<Kept>,
    count: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    requests: VecDeque<Recorded>,
    bytes: usize,
    count: u64,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::default(), count: watch::Sender::new(0) }
    }

    /// Numbers a request and keeps it.
    pub(super) fn record(&self, mut request: Recorded) -> Recorded {
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.count += 1;
            request.number = kept.count;
            kept.bytes += request.body.len();
            kept.requests.push_back(request.clone());
            while kept.requests.len() > KEPT_REQUESTS || kept.bytes > KEPT_BYTES {
                let Some(oldest) = kept.requests.pop_front() else { break };
                kept.bytes -= oldest.body.len();
            }
        }
        self.count.send_modify(|count| *count = request.number.max(*count));
        request
    }

    pub(super) fn requests(&self) -> Vec<Recorded> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.requests.iter().cloned().collect()
    }

    /// Forgets the requests, but not their count.
    pub(super) fn forget(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.requests.clear();
        kept.bytes = 0;
    }

    pub(super) fn count(&self) -> u64 {
        *self.count.borrow()
    }

    /// Waits until `count` requests were received, at most `within`.
    pub(super) async fn reached(&self, count: u64, within: Duration) -> bool {
        let mut counts = self.count.subscribe();
        let reached = tokio::time::timeout(within, counts.wait_for(|seen| *seen >= count)).await;
        matches!(reached, Ok(Ok(_)))
    }
}
