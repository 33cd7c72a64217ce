//! Who asks? A pooled HTTP client, and one that writes bytes as they are given.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

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

    /// The request itself; `whom` is the scheme and the authority, or nothing for a target without them.
    pub(crate) fn of(self, whom: &str) -> Result<Request<Full<Bytes>>, String> {
        let request = Request::builder().method(&*self.method).uri(format!("{whom}{}", self.path));
        let mut request = request.body(Full::new(self.body)).map_err(|error| error.to_string())?;
        *request.headers_mut() = self.headers;
        Ok(request)
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
    /// Fields that came after the body.
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    /// Reads an answer to its end.
    pub(crate) async fn read(answer: Response<Incoming>) -> Result<Self, String> {
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| format!("{error:?}"))?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        Ok(Self { status: head.status, headers: head.headers, body: body.to_bytes(), trailers })
    }

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
        let request = ask.of(&format!("http://{to}"))?;
        let exchange = async {
            let answer = self.pool.request(request).await.map_err(|error| format!("{error:?}"))?;
            Answer::read(answer).await
        };
        match tokio::time::timeout(ANSWER_WITHIN, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {ANSWER_WITHIN:?}")),
        }
    }
}

/// What bytes can be written to and read from.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// A connection on which a test writes and reads bytes itself.
pub(crate) struct RawConnection {
    stream: Box<dyn Stream>,
    /// Read, but not yet asked for.
    ahead: Vec<u8>,
}

impl RawConnection {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        Self::of(TcpStream::connect(to).await.unwrap())
    }

    /// One that comes from another address of this machine.
    pub(crate) async fn from_address(local: [u8; 4], to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((IpAddr::from(local), 0).into()).unwrap();
        Self::of(socket.connect(to).await.unwrap())
    }

    /// The same, with as little room for what comes as the kernel grants.
    pub(crate) async fn narrow(local: [u8; 4], to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(1).unwrap();
        socket.bind((IpAddr::from(local), 0).into()).unwrap();
        Self::of(socket.connect(to).await.unwrap())
    }

    pub(crate) fn of(stream: impl Stream) -> Self {
        Self { stream: Box::new(stream), ahead: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes).await.unwrap();
    }

    /// Writes to somebody who may have closed by then.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
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

    /// The status of the next answer, which is read whole; none where the other side closes instead.
    pub(crate) async fn status(&mut self) -> Option<u16> {
        while self.ahead.is_empty() {
            if !self.read_more().await {
                return None;
            }
        }
        let (head, _body) = self.read_answer().await;
        head.split(' ').nth(1)?.parse().ok()
    }

    /// Sends a piece after each pause until an answer comes; gives what comes until the other side closes.
    pub(crate) async fn ended_while_sending(&mut self, piece: &str, pause: Duration) -> String {
        while tokio::time::timeout(pause, self.read_more()).await.is_err() {
            if self.try_write(piece).await.is_err() {
                break;
            }
        }
        self.read_until_closed().await;
        String::from_utf8_lossy(&self.ahead).into_owned()
    }

    /// Reads until the other side closes, in whatever way; gives how much came.
    pub(crate) async fn read_until_closed(&mut self) -> usize {
        while self.read_more().await {}
        self.ahead.len()
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
