//! How does an origin answer at the least cost? With fixed bytes, of the kind and size that the query asks for.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The longest head that is taken.
const HEAD_BOUND_BYTES: usize = 64 * 1024;
/// The longest answer that is made.
const ANSWER_BOUND_BYTES: usize = 16 * 1024 * 1024;
/// How many answers a connection keeps made; a query beyond them ends it.
const KEPT_ANSWERS: usize = 64;

/// How a [`Fixed`] origin answers, beside what it is asked for. Parts are of 10,000 answers, spread evenly over them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Manner {
    /// How many JSON answers have another value in one place.
    pub noisy: u64,
    /// How many answers are a 503.
    pub failing: u64,
    /// How long each answer is held back.
    pub delay: Duration,
}

/// An HTTP/1.1 server on 127.0.0.1 for benchmarks: `?bytes=1024` is answered with so much text, `?json=16384` with a JSON
/// document of that size, whatever the path. It keeps nothing, so that it costs little beside what is measured.
///
/// Every answer carries `x-origin: <name>`. Bodies of requests need a `Content-Length`. Dropping it closes its port.
pub struct Fixed {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    name: String,
    manner: Manner,
    count: AtomicU64,
}

impl Fixed {
    /// Starts on a free port, on the caller's tokio runtime.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn start(name: &str, manner: Manner) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { name: name.to_owned(), manner, count: AtomicU64::new(0) });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests were received since the start.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shared.count.load(Ordering::Relaxed)
    }
}

impl Drop for Fixed {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error of `accept` belongs to one connection that is gone already (accept(2)).
                let Ok((stream, _)) = accepted else { tokio::task::yield_now().await; continue };
                // Failing costs latency only.
                drop(stream.set_nodelay(true));
                let shared = Arc::clone(&shared);
                // How a connection ends is its client's matter.
                connections.spawn(async move { drop(serve(stream, &shared).await) });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut read = BytesMut::with_capacity(16 * 1024);
    let mut made = HashMap::new();
    loop {
        let Some(head) = Head::parse(&read)? else {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
            continue;
        };
        read.advance(head.bytes);
        let mut body = head.body;
        while body > read.len() {
            body -= read.len();
            read.clear();
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        read.advance(body);
        let number = shared.count.fetch_add(1, Ordering::Relaxed);
        if !shared.manner.delay.is_zero() {
            tokio::time::sleep(shared.manner.delay).await;
        }
        if !made.contains_key(&head.asked) && made.len() >= KEPT_ANSWERS {
            return Err(io::Error::other("too many kinds of answers for one connection"));
        }
        let answers = made.entry(head.asked).or_insert_with_key(|asked| Answers::of(asked, shared));
        stream.write_all(answers.at(number, shared.manner)).await?;
        if head.last {
            return Ok(());
        }
    }
}

/// What counts of a request's head.
struct Head {
    bytes: usize,
    body: usize,
    asked: Asked,
    last: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asked {
    Text(usize),
    Json(usize),
}

impl Head {
    /// `None` while more of it is to come.
    fn parse(read: &[u8]) -> io::Result<Option<Self>> {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        let bytes = match request.parse(read).map_err(io::Error::other)? {
            httparse::Status::Complete(bytes) => bytes,
            httparse::Status::Partial if read.len() > HEAD_BOUND_BYTES => {
                return Err(io::Error::other("a head without an end"));
            }
            httparse::Status::Partial => return Ok(None),
        };
        let asked = Asked::of(request.path.unwrap_or_default())?;
        let (mut body, mut last) = (0, false);
        for field in request.headers.iter() {
            let value = std::str::from_utf8(field.value).unwrap_or_default();
            if field.name.eq_ignore_ascii_case("content-length") {
                body = value.parse().map_err(io::Error::other)?;
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(io::Error::other("a body without a length"));
            } else if field.name.eq_ignore_ascii_case("connection") {
                last = value.eq_ignore_ascii_case("close");
            }
        }
        Ok(Some(Self { bytes, body, asked, last }))
    }
}

impl Asked {
    fn of(path: &str) -> io::Result<Self> {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let (kind, size) = query.split_once('=').unwrap_or(("bytes", "2"));
        let bytes = size.parse().map_err(io::Error::other)?;
        match kind {
            _ if bytes > ANSWER_BOUND_BYTES => Err(io::Error::other("too much is asked for")),
            "bytes" => Ok(Self::Text(bytes)),
            "json" => Ok(Self::Json(bytes)),
            _ => Err(io::Error::other("neither bytes nor json")),
        }
    }
}

/// All answers to one query, head and body, ready to be written.
struct Answers {
    usual: Bytes,
    noisy: Bytes,
    failing: Bytes,
}

impl Answers {
    fn of(asked: &Asked, Shared { name, .. }: &Shared) -> Self {
        let (media_type, usual, noisy) = match *asked {
            Asked::Text(bytes) => ("text/plain", "x".repeat(bytes), "x".repeat(bytes)),
            Asked::Json(bytes) => {
                ("application/json", document(bytes, 1).to_string(), document(bytes, 2).to_string())
            }
        };
        let whole = |status: &str, body: &str| {
            let length = body.len();
            Bytes::from(format!(
                "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\nx-origin: {name}\r\n\r\n{body}"
            ))
        };
        Self {
            usual: whole("200 OK", &usual),
            noisy: whole("200 OK", &noisy),
            failing: whole("503 Service Unavailable", ""),
        }
    }

    const fn at(&self, number: u64, manner: Manner) -> &Bytes {
        if falls(number, manner.failing) {
            &self.failing
        } else if falls(number, manner.noisy) {
            &self.noisy
        } else {
            &self.usual
        }
    }
}

/// Whether this one is among so many of 10,000, spread evenly.
const fn falls(number: u64, parts: u64) -> bool {
    number.wrapping_mul(parts) / 10_000 != number.wrapping_add(1).wrapping_mul(parts) / 10_000
}

/// A list of orders that takes so many bytes, or a little more where these are few; `version` is the value that differs.
fn document(bytes: usize, version: u64) -> Value {
    let order = |n: usize| {
        json!({
            "id": format!("order-{n:06}"),
            "customer": {"name": "Abena Mensah", "tier": "gold", "since": "2019-04-01"},
            "amount": 12.5,
            "paid": n.is_multiple_of(3),
            "tags": ["new", "priority"],
        })
    };
    let whole = |orders: Vec<Value>, note: String| json!({"version": version, "orders": orders, "note": note});
    let room = bytes.saturating_sub(whole(Vec::new(), String::new()).to_string().len());
    // The second one is not paid, and as long as any.
    let longest = order(1).to_string().len() + 1;
    let orders: Vec<Value> = (0..room / longest).map(order).collect();
    let filled = whole(orders.clone(), String::new()).to_string().len();
    whole(orders, "x".repeat(bytes.saturating_sub(filled)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_their_size_and_differ_in_one_place() {
        for bytes in [1_024, 16 * 1_024, 256 * 1_024] {
            let (one, other) = (document(bytes, 1), document(bytes, 2));
            assert_eq!((one.to_string().len(), other.to_string().len()), (bytes, bytes));
            assert_eq!(one["orders"], other["orders"]);
            assert_ne!(one, other);
        }
    }

    #[test]
    fn parts_are_spread_evenly() {
        for parts in [0, 1, 500, 3_333, 10_000] {
            let all = (0..10_000).filter(|number| falls(*number, parts)).count();
            assert_eq!(all as u64, parts);
        }
        let first: Vec<u64> = (0..100).filter(|number| falls(*number, 1_000)).collect();
        assert_eq!(first, [9, 19, 29, 39, 49, 59, 69, 79, 89, 99]);
    }
}
