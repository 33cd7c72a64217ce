//! How is a connection for copies made? To one socket address, within its time, without a look-up.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting<S> = Pin<Box<dyn Future<Output = Result<S, BoxError>> + Send>>;

/// Connects to one address, whatever the URI says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tcp {
    pub(super) address: SocketAddr,
}

impl Service<Uri> for Tcp {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let address = self.address;
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        })
    }
}

/// Connects to one target: TCP, and TLS where the upstream has it, both within the connect time-out.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    pub(super) tcp: Tcp,
    pub(super) tls: Option<HttpsConnector<Tcp>>,
    pub(super) timeout: Duration,
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting: Connecting<Self::Response> = match &mut self.tls {
            Some(tls) => tls.call(uri),
            None => {
                let tcp = self.tcp.call(uri);
                Box::pin(async move { Ok(MaybeHttpsStream::Http(tcp.await?)) })
            }
        };
        let timeout = self.timeout;
        Box::pin(async move {
            let late = |_| BoxError::from(io::Error::from(io::ErrorKind::TimedOut));
            tokio::time::timeout(timeout, connecting).await.map_err(late)?
        })
    }
}
