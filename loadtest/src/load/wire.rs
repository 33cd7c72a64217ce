//! What carries requests? Pooled connections, in HTTP/1.1 or HTTP/2, with or without TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::{CertificateDer, DnsName, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::call::{Call, Failure, Outcome};
use super::plan::Protocol;

pub(super) struct Wire {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    scheme: &'static str,
}

/// Carries requests, in TLS where there is a certificate to trust.
pub(super) fn wire(
    protocol: Protocol,
    trusted: Option<&CertificateDer<'static>>,
) -> io::Result<Wire> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    let name = DnsName::try_from("localhost").map_err(io::Error::other)?;
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(trusted)?)
        .https_or_http()
        .with_server_name_resolver(FixedServerNameResolver::new(ServerName::DnsName(name)));
    let connector = match protocol {
        Protocol::Http1 => connector.enable_http1().wrap_connector(tcp),
        Protocol::Http2 => connector.enable_http2().wrap_connector(tcp),
    };
    // The pool closes what idles for 20 s; servers are asked to wait longer than that before they do.
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(20))
        .http2_only(protocol == Protocol::Http2)
        .build(connector);
    Ok(Wire { client, scheme: if trusted.is_some() { "https" } else { "http" } })
}

fn tls(trusted: Option<&CertificateDer<'static>>) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if let Some(certificate) = trusted {
        roots.add(certificate.clone()).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth())
}

impl Wire {
    pub(super) async fn send(&self, target: SocketAddr, call: &Call, within: Duration) -> Outcome {
        let base = format!("{}://{target}", self.scheme);
        let Ok(request) = call.to_request(&base) else { return Failure::Unsendable.into() };
        let exchange = async {
            let Ok(response) = self.client.request(request).await else {
                return Failure::Connection.into();
            };
            let (head, body) = response.into_parts();
            let Ok(body) = body.collect().await else { return Failure::Truncated.into() };
            Outcome { status: Ok(head.status), headers: head.headers, body: body.to_bytes() }
        };
        tokio::time::timeout(within, exchange).await.unwrap_or_else(|_| Failure::Timeout.into())
    }
}
