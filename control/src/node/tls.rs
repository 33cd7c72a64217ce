//! How is TLS ended on the control API, the status listener and the one for services? By the certificates in force when a connection begins.
//!
//! Whether TLS is spoken there at all is settled when the process starts: were it to change meanwhile, nobody would know what
//! to speak, and tokens would go over a wire that was not meant for them.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rules::tls::ServerTls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::access::Shown;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long whoever was turned away has for reading why, and how much they may still send.
const GOODBYE: Duration = Duration::from_secs(1);
const MOST_UNREAD: u64 = 64 << 10;
/// What every TLS connection begins with: a record of a handshake (RFC 8446, section 5.1).
const RECORD: u8 = 22;
/// The answer to those who speak HTTP without TLS, which is the most that they can read.
const IN_THE_CLEAR: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/problem+json\r\n\
    content-length: 117\r\n\r\n\
    {\"title\":\"Bad Request\",\"status\":400,\"code\":\"tls_required\",\"detail\":\"TLS is spoken here: write https:// for http://\"}\n";

/// The certificates of a listener, as they are now.
type InForce = dyn Fn() -> Option<Arc<ServerTls>> + Send + Sync;

/// Ends TLS on one listener.
pub(super) struct Tls {
    in_force: Box<InForce>,
    made: Mutex<Option<Made>>,
}

/// What was made of the certificates, for as long as they stay.
#[derive(Clone)]
struct Made {
    of: Arc<ServerTls>,
    acceptor: TlsAcceptor,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    pub(super) fn new(
        in_force: impl Fn() -> Option<Arc<ServerTls>> + Send + Sync + 'static,
    ) -> Self {
        Self { in_force: Box::new(in_force), made: Mutex::new(None) }
    }

    /// Shakes hands; gives the connection and the certificate that was shown, if any. Whoever fails is told so where they can
    /// read it.
    ///
    /// # Errors
    /// When TLS does not come about.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Option<Shown>)> {
        let made = self.made().ok_or_else(|| io::Error::other("there is no usable certificate"))?;
        timeout(HANDSHAKE, shake_hands(made, stream)).await?
    }

    fn made(&self) -> Option<Made> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let in_force = (self.in_force)();
        let is_known = |of: &Arc<ServerTls>| made.as_ref().is_some_and(|m| Arc::ptr_eq(&m.of, of));
        if let Some(of) = in_force.filter(|of| !is_known(of)) {
            match config::server_config(&of) {
                Ok(mut config) => {
                    config.alpn_protocols = vec![b"http/1.1".to_vec()];
                    *made = Some(Made { of, acceptor: TlsAcceptor::from(Arc::new(config)) });
                }
                // Compiling should have found that; the former ones go on.
                Err(error) => tracing::error!(%error, "certificates cannot be used"),
            }
        }
        made.clone()
    }
}

async fn shake_hands(
    made: Made,
    mut stream: TcpStream,
) -> io::Result<(TlsStream<TcpStream>, Option<Shown>)> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if first != [RECORD] {
        stream.write_all(IN_THE_CLEAR).await?;
        part(stream).await;
        return Err(io::Error::other("it was not TLS"));
    }
    match made.acceptor.accept(stream).into_fallible().await {
        Ok(stream) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let shown = certificates.and_then(<[_]>::first).map(|der| Shown::read(der, made.of));
            Ok((stream, shown))
        }
        Err((error, stream)) => {
            part(stream).await;
            Err(error)
        }
    }
}

/// Ends a connection in a way that leaves what was written to be read: with data unread, the kernel would cut it off.
async fn part(mut stream: TcpStream) {
    let parting = async {
        stream.shutdown().await?;
        let mut rest = stream.take(MOST_UNREAD);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    timeout(GOODBYE, parting).await.ok();
}

#[cfg(test)]
mod tests {
    use super::IN_THE_CLEAR;

    #[test]
    fn what_those_without_tls_are_told_can_be_read() {
        let text = std::str::from_utf8(IN_THE_CLEAR).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{}", body.len());
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], "tls_required");
    }
}
