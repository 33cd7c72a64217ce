//! Who stands behind? Three readers of HTTP/1 on raw sockets: a strict one, one that knows chunks, one that knows lengths.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Knows one way to write a request, and tells of anything else.
    Strict,
    /// Takes lines as they come, joins folded ones, and any mention of `chunked` for chunks.
    ChunksFirst,
    /// Takes lines as they come, and knows of bodies by their Content-Length only.
    LengthOnly,
}

/// What has come in.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What a strict reader would not have taken.
    pub(super) broken: Vec<String>,
    /// The request lines, with the number of the connection that they came over.
    pub(super) lines: Vec<(usize, String)>,
}

pub(super) struct Origin {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Mutex<Seen>>,
    listener: JoinHandle<()>,
}

impl Origin {
    pub(super) async fn start(reader: Reader) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let listener = tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let connection = Connection { stream, ahead: Vec::new(), reader };
                tokio::spawn(connection.serve(number, Arc::clone(&shared)));
            }
        });
        Self { address, seen, listener }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

struct Connection {
    stream: TcpStream,
    ahead: Vec<u8>,
    reader: Reader,
}

/// A head as a reader understands it.
struct Head {
    line: String,
    body: Body,
    /// Nothing more is read after it.
    last: bool,
}

enum Body {
    Length(usize),
    Chunked,
}

impl Connection {
    /// Answers each request with its own request line.
    async fn serve(mut self, number: usize, seen: Arc<Mutex<Seen>>) {
        while let Some(head) = self.head().await {
            let head = match head {
                Ok(head) => head,
                Err(broken) => {
                    seen.lock().unwrap().broken.push(broken);
                    self.answer("400 Bad Request", "no request").await;
                    return;
                }
            };
            seen.lock().unwrap().lines.push((number, head.line.clone()));
            let whole = match head.body {
                Body::Length(length) => self.take(length).await.map(|_| ()),
                Body::Chunked => match self.chunks().await {
                    Some(Err(broken)) => {
                        seen.lock().unwrap().broken.push(broken);
                        None
                    }
                    chunks => chunks.map(|_| ()),
                },
            };
            if whole.is_none() {
                return;
            }
            self.answer("200 OK", &head.line).await;
            if head.last {
                self.stream.shutdown().await.unwrap_or_default();
                while self.more().await.is_some() {}
                return;
            }
        }
    }

    async fn answer(&mut self, status: &str, body: &str) {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        let body = if body.starts_with("HEAD ") { "" } else { body };
        // A peer that is gone shows when the next request is read.
        self.stream.write_all((answer + body).as_bytes()).await.unwrap_or_default();
    }

    async fn head(&mut self) -> Option<Result<Head, String>> {
        match self.reader {
            Reader::Strict => {
                let head = self.until(b"\r\n\r\n").await?;
                Some(strict_head(&head))
            }
            Reader::ChunksFirst | Reader::LengthOnly => {
                let mut lines = Vec::new();
                loop {
                    let line = self.line().await?;
                    match (line.is_empty(), lines.is_empty()) {
                        (true, true) => {}
                        (true, false) => return Some(lenient_head(&lines, self.reader)),
                        (false, _) => lines.push(line),
                    }
                }
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        let line = self.until(b"\n").await?;
        Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    async fn chunks(&mut self) -> Option<Result<(), String>> {
        loop {
            let line = self.until(b"\n").await?;
            let text = String::from_utf8_lossy(&line).into_owned();
            let strict = text.strip_suffix("\r\n").is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            });
            if self.reader == Reader::Strict && !strict {
                return Some(Err(format!("chunk size {text:?}")));
            }
            let digits: String = text.trim().chars().take_while(char::is_ascii_hexdigit).collect();
            let size = usize::from_str_radix(&digits, 16).unwrap_or(0);
            if size == 0 {
                while !self.line().await?.is_empty() {
                    if self.reader == Reader::Strict {
                        return Some(Err("trailers".to_owned()));
                    }
                }
                return Some(Ok(()));
            }
            let chunk = self.take(size + 2).await?;
            if self.reader == Reader::Strict && !chunk.ends_with(b"\r\n") {
                return Some(Err(format!("end of chunk {text:?}")));
            }
        }
    }

    async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.ahead.windows(end.len()).position(|window| window == end) {
                return self.take(at + end.len()).await;
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.ahead.len() < count {
            self.more().await?;
        }
        Some(self.ahead.drain(..count).collect())
    }

    async fn more(&mut self) -> Option<()> {
        let mut chunk = [0; 4_096];
        let count = self.stream.read(&mut chunk).await.unwrap_or(0);
        self.ahead.extend_from_slice(&chunk[..count]);
        (count > 0).then_some(())
    }
}

/// What the rules of the edge leave of HTTP/1, as a reader that trusts nobody.
fn strict_head(head: &[u8]) -> Result<Head, String> {
    let text: String = head.iter().map(|&byte| char::from(byte)).collect();
    let wrong = |what: &str| Err(format!("{what}: {text:?}"));
    let bare = text.replace("\r\n", "");
    if bare.contains(|c: char| c.is_ascii_control() && c != '\t') {
        return wrong("control characters");
    }
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let line = lines.next().unwrap_or("").to_owned();
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1" | "HTTP/1.0"] = parts[..] else { return wrong("request line") };
    if !(target.starts_with('/') || (method, target) == ("OPTIONS", "*"))
        || !target.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^{}`|#".contains(&byte))
    {
        return wrong("target");
    }
    let (mut hosts, mut lengths, mut encodings) = (0, Vec::new(), Vec::new());
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { return wrong("field") };
        let sign = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(sign) {
            return wrong("name");
        }
        let folded = name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let value = value.trim_matches([' ', '\t']).to_owned();
        match folded.as_str() {
            "host" | "content-length" | "transfer-encoding" if folded != name.to_lowercase() => {
                return wrong("look-alike");
            }
            "host" => hosts += 1,
            "content-length" => lengths.push(value),
            "transfer-encoding" => encodings.push(value),
            _ => {}
        }
    }
    if hosts != 1 {
        return wrong("hosts");
    }
    let body = match (&lengths[..], &encodings[..]) {
        ([], []) => Body::Length(0),
        ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            Body::Length(length.parse().unwrap())
        }
        ([], [encoding]) if encoding == "chunked" => Body::Chunked,
        _ => return wrong("framing"),
    };
    Ok(Head { line, body, last: false })
}

fn lenient_head(lines: &[String], reader: Reader) -> Result<Head, String> {
    let line = lines[0].clone();
    if !line.contains(" HTTP/") {
        return Err(format!("request line: {line:?}"));
    }
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in &lines[1..] {
        match (line.starts_with([' ', '\t']), fields.last_mut(), line.split_once(':')) {
            (true, Some((_, value)), _) => *value += line,
            (_, _, Some((name, value))) => {
                let name = name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
                fields.push((name.trim_matches('-').to_owned(), value.trim().to_lowercase()));
            }
            _ => {}
        }
    }
    let find = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let digits = |value: &String| {
        value.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
    };
    let encoding = find("transfer-encoding");
    let length = Body::Length(find("content-length").map_or(0, digits));
    let chunked = encoding.is_some_and(|encoding| encoding.contains("chunked"));
    let body = if chunked && reader == Reader::ChunksFirst { Body::Chunked } else { length };
    // Chunks that are chunks to everybody are lost on it: it gives up on the connection.
    let last =
        reader == Reader::LengthOnly && encoding.is_some_and(|encoding| encoding == "chunked");
    Ok(Head { line, body, last })
}
