//! What does Pingora want to know of a connection? All of it is the inner one's, besides what rides along with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pingora::http::ResponseHeader;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{Digest, Stream};
use pingora::proxy::Session;

use crate::added::AddedLines;

/// What rides along with a connection: how phases, which Pingora shows no connection, and the connection itself speak to
/// each other.
#[derive(Debug, Default)]
pub(crate) struct Rider {
    /// The host name that was asked for when TLS began (SNI), in lower case.
    server_name: Option<Box<str>>,
    /// What goes out behind the next head.
    pub(crate) lines: AddedLines,
    /// How many milliseconds a target may let a read wait.
    patience_ms: AtomicU64,
    /// Whether a target has given its whole answer.
    answered: AtomicBool,
    /// How many exchanges with a target have begun on it.
    exchanges: AtomicU64,
}

impl Rider {
    /// An exchange with a target begins, which may let a read wait so long.
    pub(crate) fn begin(&self, patience: Duration) {
        self.wait(patience);
        self.answered.store(false, Ordering::Relaxed);
        self.exchanges.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the exchange is not the first one.
    pub(crate) fn is_reused(&self) -> bool {
        self.exchanges.load(Ordering::Relaxed) > 1
    }

    /// From now on a target may let a read wait so long.
    pub(crate) fn wait(&self, patience: Duration) {
        let ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.patience_ms.store(ms, Ordering::Relaxed);
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_ms.load(Ordering::Relaxed))
    }

    /// The target has given its whole answer.
    pub(crate) fn note_answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }
}

/// A connection, and what is told of it with every request.
#[derive(Debug)]
pub(crate) struct Transport {
    stream: Stream,
    rider: Arc<Rider>,
    told: Option<Arc<ProxyDigest>>,
}

impl Transport {
    /// A connection, with what rides along with it.
    pub(crate) fn new(stream: Stream) -> Self {
        let name = stream.get_ssl().and_then(|tls| tls.server_name());
        let server_name = name.map(|name| name.to_ascii_lowercase().into());
        let rider = Arc::new(Rider { server_name, ..Rider::default() });
        // Pingora lets nothing of ours ride along but what hangs on a proxy's answer; there is no such proxy here.
        let nothing = ResponseHeader::build(200, Some(0)).map(Box::new).ok();
        let rides = || Some(Box::new(Arc::clone(&rider)) as Box<_>);
        let told = nothing.map(|nothing| Arc::new(ProxyDigest::new(nothing, rides())));
        Self { stream, rider, told }
    }

    /// What goes out behind the next head.
    pub(crate) fn lines(&self) -> &AddedLines {
        &self.rider.lines
    }

    /// What rides along with it.
    pub(crate) const fn rider(&self) -> &Arc<Rider> {
        &self.rider
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(crate) fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    pub(crate) fn into_stream(self) -> Stream {
        self.stream
    }

    pub(crate) fn told(&self) -> Option<Arc<ProxyDigest>> {
        self.told.clone().or_else(|| self.stream.get_proxy_digest())
    }
}

/// The host name that the client asked for when TLS began.
pub(crate) fn server_name(session: &Session) -> Option<&str> {
    rider(session.digest()?)?.server_name.as_deref()
}

/// What rides along with a connection, of which Pingora tells this.
pub(crate) fn rider(connection: &Digest) -> Option<&Arc<Rider>> {
    connection.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref()
}

/// Implements what is the same for every connection that stands before another. With the type alone for one that has it as
/// `inner` for as long as it lives; else `$inner` gives a [`Transport`] as an option, and `$inner_mut` the same to be changed.
macro_rules! is_a_transport {
    ($name:ty) => {
        impl $name {
            const fn inner(&self) -> Option<&$crate::connection::Transport> {
                Some(&self.inner)
            }

            const fn inner_mut(&mut self) -> Option<&mut $crate::connection::Transport> {
                Some(&mut self.inner)
            }
        }

        #[async_trait::async_trait]
        impl pingora::protocols::Shutdown for $name {
            async fn shutdown(&mut self) {
                self.inner.stream_mut().shutdown().await;
            }
        }

        $crate::connection::is_a_transport!($name, inner, inner_mut);
    };
    ($name:ty, $inner:ident, $inner_mut:ident) => {
        impl pingora::protocols::UniqueID for $name {
            fn id(&self) -> pingora::protocols::UniqueIDType {
                self.$inner().map(|inner| inner.stream().id()).unwrap_or_default()
            }
        }

        impl pingora::protocols::Ssl for $name {
            fn get_ssl(&self) -> Option<&pingora::protocols::tls::TlsRef> {
                self.$inner()?.stream().get_ssl()
            }

            fn get_ssl_digest(&self) -> Option<std::sync::Arc<pingora::protocols::tls::SslDigest>> {
                self.$inner()?.stream().get_ssl_digest()
            }

            fn selected_alpn_proto(&self) -> Option<pingora::protocols::ALPN> {
                Self::PROTOCOL
            }
        }

        /// Nobody peeks: what is spoken is known by the listener, or by what TLS agreed on.
        impl pingora::protocols::Peek for $name {}

        impl pingora::protocols::GetTimingDigest for $name {
            fn get_timing_digest(&self) -> Vec<Option<pingora::protocols::TimingDigest>> {
                self.$inner().map(|inner| inner.stream().get_timing_digest()).unwrap_or_default()
            }

            fn get_read_pending_time(&self) -> std::time::Duration {
                let inner = self.$inner();
                inner.map(|inner| inner.stream().get_read_pending_time()).unwrap_or_default()
            }

            fn get_write_pending_time(&self) -> std::time::Duration {
                let inner = self.$inner();
                inner.map(|inner| inner.stream().get_write_pending_time()).unwrap_or_default()
            }
        }

        impl pingora::protocols::GetProxyDigest for $name {
            fn get_proxy_digest(
                &self,
            ) -> Option<std::sync::Arc<pingora::protocols::raw_connect::ProxyDigest>> {
                self.$inner()?.told()
            }
        }

        impl pingora::protocols::GetSocketDigest for $name {
            fn get_socket_digest(
                &self,
            ) -> Option<std::sync::Arc<pingora::protocols::SocketDigest>> {
                self.$inner()?.stream().get_socket_digest()
            }

            fn set_socket_digest(&mut self, digest: pingora::protocols::SocketDigest) {
                if let Some(inner) = self.$inner_mut() {
                    inner.stream_mut().set_socket_digest(digest);
                }
            }
        }
    };
}

pub(crate) use is_a_transport;
