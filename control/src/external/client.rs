//! How is another system asked? One request within its time-out, one answer within its size, and no redirects.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use config::External;
use config::units::Time;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use super::silence::Silence;

/// More of an answer is not read. (INV-7)
const LARGEST: usize = 64 << 10;
const AGENT: HeaderValue = HeaderValue::from_static("turnout");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

type Connections = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Keeps connections to other systems, apart by their settings.
#[derive(Debug, Default)]
pub(crate) struct Client(Mutex<BTreeMap<String, (Arc<External>, Connections)>>);

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) enum Sent {
    /// Nothing but the question.
    Get,
    /// A JSON document, with the headers that say who it is from.
    Post { body: Bytes, headers: Vec<(HeaderName, HeaderValue)> },
}

impl Client {
    /// Asks, and gives the status and the answer's body, whatever the status is.
    ///
    /// # Errors
    /// When there is no whole answer within time and size.
    pub(crate) async fn ask(
        &self,
        external: &Arc<External>,
        path: Option<&str>,
        query: Option<&str>,
        sent: Sent,
    ) -> Result<(StatusCode, Bytes), Silence> {
        let uri = join(&external.url, path, query)?;
        let request = request(external, uri, sent)?;
        let connections = self.connections(external)?;
        let answered = async {
            let answer = connections.request(request).await.map_err(|error| lost(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LARGEST).collect().await;
            let body = body.map_err(|error| {
                let over = error.is::<http_body_util::LengthLimitError>();
                if over { Silence::TooLarge } else { Silence::Broken }
            })?;
            Ok((status, body.to_bytes()))
        };
        match tokio::time::timeout(external.timeout, answered).await {
            Ok(answered) => answered,
            Err(_) => Err(Silence::TimedOut(Time(external.timeout))),
        }
    }

    /// Forgets connections to systems that are gone, or whose settings have changed.
    pub(crate) fn keep_only(&self, externals: &BTreeMap<String, Arc<External>>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, (known, _)| externals.get(name).is_some_and(|one| one == known));
    }

    fn connections(&self, external: &Arc<External>) -> Result<Connections, Silence> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, connections)) =
            known.get(&external.name).filter(|(known, _)| known == external)
        {
            return Ok(connections.clone());
        }
        let connections = connect(external)?;
        known.insert(external.name.clone(), (Arc::clone(external), connections.clone()));
        Ok(connections)
    }
}

/// Certificates are verified always: by the system's authorities, or by those given.
fn connect(external: &External) -> Result<Connections, Silence> {
    let unusable = |why: String| Silence::Settings(why);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?;
    let builder = match &external.roots {
        Some(roots) => {
            let mut store = RootCertStore::empty();
            for root in roots {
                let added = store.add(CertificateDer::from(root.as_slice()));
                added.map_err(|error| unusable(error.to_string()))?;
            }
            builder.with_root_certificates(store)
        }
        None if external.url.scheme_str() == Some("https") => {
            let native = builder.with_native_roots();
            native.map_err(|error| unusable(format!("the system's certificates: {error}")))?
        }
        None => builder.with_root_certificates(RootCertStore::empty()),
    };
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(builder.with_no_client_auth())
        .https_or_http()
        .enable_http1()
        .build();
    let mut client = legacy::Client::builder(TokioExecutor::new());
    client.pool_max_idle_per_host(2);
    Ok(client.build(connector))
}

fn request(external: &External, uri: Uri, sent: Sent) -> Result<Request<Full<Bytes>>, Silence> {
    let (method, body, own) = match sent {
        Sent::Get => (Method::GET, Bytes::new(), Vec::new()),
        Sent::Post { body, headers } => (Method::POST, body, headers),
    };
    let mut request = Request::builder().method(&method).uri(uri).body(Full::new(body));
    if let Ok(request) = &mut request {
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, AGENT);
        headers.insert(header::ACCEPT, JSON);
        if method == Method::POST {
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        headers.extend(external.headers.iter().cloned());
        headers.extend(own);
    }
    request.map_err(|error| Silence::Settings(error.to_string()))
}

/// The system's URL with a path after its own, and a query beside its own.
fn join(url: &Uri, path: Option<&str>, query: Option<&str>) -> Result<Uri, Silence> {
    let (path, path_query) = path.map_or((None, None), |path| match path.split_once('?') {
        Some((path, query)) => (Some(path), Some(query)),
        None => (Some(path), None),
    });
    let mut text = match path {
        Some(path) => format!("{}{path}", url.path().trim_end_matches('/')),
        None => url.path().to_owned(),
    };
    for (place, query) in [url.query(), path_query, query].into_iter().flatten().enumerate() {
        text.push(if place == 0 { '?' } else { '&' });
        text.push_str(query);
    }
    let mut parts = url.clone().into_parts();
    // The text may hold a secret, the error does not.
    let parsed = text.parse::<PathAndQuery>();
    parts.path_and_query = Some(parsed.map_err(|error| Silence::Settings(error.to_string()))?);
    Uri::from_parts(parts).map_err(|error| Silence::Settings(error.to_string()))
}

/// What the innermost error says: that a connection was refused, or a certificate is not believed.
fn lost(error: &legacy::Error) -> Silence {
    if !error.is_connect() {
        return Silence::Broken;
    }
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    Silence::Unreachable(innermost.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_come_after_those_of_the_url() {
        let rows = [
            ("http://h:1", None, None, "http://h:1/"),
            ("https://h/base/", Some("/a"), Some("q=1"), "https://h/base/a?q=1"),
            ("https://h/hook?token=x", None, None, "https://h/hook?token=x"),
            (
                "https://h/hook?token=x",
                Some("/a?b=c"),
                Some("q=1"),
                "https://h/hook/a?token=x&b=c&q=1",
            ),
        ];
        for (url, path, query, joined) in rows {
            let url: Uri = url.parse().unwrap();
            assert_eq!(join(&url, path, query).unwrap().to_string(), joined);
        }
    }
}
