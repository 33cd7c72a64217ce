//! An origin that answers as it is told, down to the byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::DEADLINE;

/// What the origin does with a request.
pub(super) enum Reply {
    /// Answers, and takes the next request.
    Bytes(String),
    /// Writes that much, and closes the connection.
    Cut(String),
    /// Reads, and never writes.
    Never,
}

/// A whole JSON answer.
pub(super) fn json(body: &str) -> Reply {
    Reply::Bytes(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A listening origin, and the requests that came in.
pub(super) struct Origin {
    pub(super) address: String,
    requests: mpsc::UnboundedReceiver<String>,
    connections: Arc<AtomicUsize>,
}

impl Origin {
    pub(super) async fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, reply)
    }

    pub(super) fn on(
        listener: TcpListener,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let (seen, requests) = mpsc::unbounded_channel();
        let reply = Arc::new(reply);
        let connections = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, Arc::clone(&reply), seen.clone()));
            }
        });
        Self { address, requests, connections }
    }

    /// The next request: head and body as they came.
    pub(super) async fn request(&mut self) -> String {
        tokio::time::timeout(DEADLINE, self.requests.recv()).await.unwrap().unwrap()
    }

    /// How many connections were made to it.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn has_seen_nothing(&mut self) -> bool {
        self.requests.try_recv().is_err()
    }
}

async fn serve(
    mut stream: TcpStream,
    reply: Arc<impl Fn(&str) -> Reply>,
    seen: mpsc::UnboundedSender<String>,
) {
    while let Some(request) = read(&mut stream).await {
        let reply = reply(&request);
        drop(seen.send(request));
        match reply {
            Reply::Bytes(bytes) => stream.write_all(bytes.as_bytes()).await.unwrap_or_default(),
            Reply::Cut(bytes) => {
                return stream.write_all(bytes.as_bytes()).await.unwrap_or_default();
            }
            Reply::Never => std::future::pending().await,
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return Some(text);
        }
    }
}
