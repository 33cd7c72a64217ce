//! Origins below or beside HTTP/1: one that a test speaks for byte by byte, and one that speaks HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::RawConnection;

/// An origin that the test speaks for.
pub(crate) struct RawOrigin(TcpListener);

impl RawOrigin {
    pub(crate) async fn listen() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The connection over which a request comes that begins like this and is not a copy; its head has been read.
    /// Copies are answered with 200 and forgotten.
    pub(crate) async fn accept_asked(&mut self, begin: &str) -> RawConnection {
        loop {
            let accepted = tokio::time::timeout(Duration::from_secs(20), self.0.accept()).await;
            let (stream, _) = accepted.expect("nobody connects").unwrap();
            let mut connection = RawConnection::of(stream);
            let head = connection.read_until("\r\n\r\n").await;
            assert!(head.starts_with(begin), "{head}");
            if !head.to_lowercase().contains("x-turnout-shadow") {
                return connection;
            }
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    }

    /// Whether anybody else has connected.
    pub(crate) async fn was_asked_again(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(50), self.0.accept()).await.is_ok()
    }
}

/// An origin that speaks HTTP/2 without TLS, sends bodies back and tells what it was asked in headers.
pub(crate) struct Http2Origin {
    address: SocketAddr,
    listener: JoinHandle<()>,
}

pub(crate) async fn http2_origin() -> Http2Origin {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(http2.serve_connection(TokioIo::new(stream), service_fn(tell)));
        }
    });
    Http2Origin { address, listener }
}

async fn tell(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = head.uri.authority().map(http::uri::Authority::as_str).or(host);
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let response = Response::builder()
        .header("x-version", format!("{:?}", head.version))
        .header("x-target", target)
        .header("x-authority", authority.unwrap_or_default())
        .body(Full::new(body));
    Ok(response.unwrap())
}

impl Http2Origin {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Http2Origin {
    fn drop(&mut self) {
        self.listener.abort();
    }
}
