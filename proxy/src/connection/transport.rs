//! What does Pingora want to know of a connection? All of it is the inner one's, besides the name that a client asked for.

use std::sync::Arc;

use pingora::http::ResponseHeader;
use pingora::protocols::Stream;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::proxy::Session;

/// The host name that a client asked for when TLS began (SNI), in lower case.
struct ServerName(Box<str>);

/// A connection, and what is told of it with every request.
#[derive(Debug)]
pub(crate) struct Transport {
    stream: Stream,
    told: Option<Arc<ProxyDigest>>,
}

impl Transport {
    /// A connection; the name that its client asked for is told along with its requests.
    pub(crate) fn new(stream: Stream) -> Self {
        let name = stream.get_ssl().and_then(|tls| tls.server_name()).map(str::to_ascii_lowercase);
        // Pingora lets nothing of ours ride along but what hangs on a proxy's answer; there is no such proxy here.
        let told = name.and_then(|name| {
            let nothing = Box::new(ResponseHeader::build(200, Some(0)).ok()?);
            Some(Arc::new(ProxyDigest::new(nothing, Some(Box::new(ServerName(name.into()))))))
        });
        Self { stream, told }
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
    let told = session.digest()?.proxy_digest.as_ref()?.user_data.as_ref()?;
    told.downcast_ref::<ServerName>().map(|name| &*name.0)
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
