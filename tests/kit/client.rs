//! Who asks? A pooled HTTP client, and one that writes bytes as they are given.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A request to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: String,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

pub(crate) fn ask(method: &str, path_and_query: &str) -> Ask {
    Ask {
        method: method.to_owned(),
        path: path_and_query.to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }
}

pub(crate) fn get(path_and_query: &str) -> Ask {
    ask("GET", path_and_query)
}

pub(crate) fn post(path_and_query: &str, body: impl Into<Bytes>) -> Ask {
    ask("POST", path_and_query).body(body)
}

impl Ask {
    /// Adds a field; a name may come more than once.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn host(self, host: &str) -> Self {
        self.header("host", host)
    }

    pub(crate) fn tenant(self, tenant: &str) -> Self {
        self.header("x-tenant-id", tenant)
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The one value of a header; none where it is missing.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        assert!(values.next().is_none(), "{name} more than once in {self:?}");
        Some(first.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The name of the origin that answered.
    pub(crate) fn origin(&self) -> &str {
        self.header("x-origin").unwrap_or_else(|| panic!("no origin answered this: {self:?}"))
    }

    /// The stable code of a problem (RFC 9457), whose media type and members are checked on the way.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16(), "{problem}");
        for member in ["title", "code"] {
            assert!(problem[member].is_string(), "no {member} in {problem}");
        }
        problem["code"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// A client that keeps its connections.
#[derive(Clone)]
pub(crate) struct Client {
    pool: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::from_address(None)
    }

    /// A client that connects from another address of this machine, `127.0.0.0/8`.
    pub(crate) fn from_address(local: Option<IpAddr>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_local_address(local);
        connector.set_nodelay(true);
        let pool = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(10))
            .build(connector);
        Self { pool }
    }

    /// Sends a request and waits for the whole answer.
    pub(crate) async fn send(&self, to: SocketAddr, ask: Ask) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(&*ask.method)
            .uri(format!("http://{to}{}", ask.path))
            .body(Full::new(ask.body))
            .map_err(|error| error.to_string())?;
        *request.headers_mut() = ask.headers;
        let exchange = async {
            let answer = self.pool.request(request).await.map_err(|error| format!("{error:?}"))?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        match tokio::time::timeout(ANSWER_WITHIN, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {ANSWER_WITHIN:?}")),
        }
    }
}

/// A connection on which a test writes and reads bytes itself.
pub(crate) struct RawConnection {
    stream: TcpStream,
    /// Read, but not yet asked for.
    ahead: Vec<u8>,
}

impl RawConnection {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        Self::of(TcpStream::connect(to).await.unwrap())
    }

    pub(crate) fn of(stream: TcpStream) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Everything until the other side closes.
    pub(crate) async fn read_to_end(mut self) -> String {
        while self.read_more().await {}
        String::from_utf8_lossy(&self.ahead).into_owned()
    }

    /// Everything up to and with the first occurrence of a text.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let deadline = Instant::now() + ANSWER_WITHIN;
        loop {
            let found = self.ahead.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = found {
                return self.take(at + end.len());
            }
            let more = self.read_more().await;
            let so_far = String::from_utf8_lossy(&self.ahead);
            assert!(more, "closed before {end:?}: {so_far}");
            assert!(Instant::now() < deadline, "no {end:?} but: {so_far}");
        }
    }

    /// The next answer, which must say how long it is: head and body.
    pub(crate) async fn read_answer(&mut self) -> (String, String) {
        let head = self.read_until("\r\n\r\n").await.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.unwrap_or_else(|| panic!("no length: {head}")).parse().unwrap();
        (head, self.read_exactly(length).await)
    }

    pub(crate) async fn read_exactly(&mut self, count: usize) -> String {
        while self.ahead.len() < count {
            assert!(self.read_more().await, "closed after {} bytes", self.ahead.len());
        }
        self.take(count)
    }

    fn take(&mut self, count: usize) -> String {
        let taken: Vec<u8> = self.ahead.drain(..count).collect();
        String::from_utf8_lossy(&taken).into_owned()
    }

    /// Whether the other side has not closed yet.
    async fn read_more(&mut self) -> bool {
        let mut chunk = [0; 4096];
        let read = tokio::time::timeout(ANSWER_WITHIN, self.stream.read(&mut chunk)).await;
        let count = read.expect("neither bytes nor an end come").unwrap_or(0);
        self.ahead.extend_from_slice(&chunk[..count]);
        count > 0
    }
}
