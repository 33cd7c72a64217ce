//! What can be asked of the server?

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, IF_MATCH};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::args::ChangeArgs;
use super::exit::Failure;

const ACTOR: HeaderName = HeaderName::from_static("x-turnout-actor");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is asked of the server.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    body: Option<(&'static str, Bytes)>,
    if_revision: Option<u64>,
    last_event: Option<u64>,
}

impl Ask {
    /// To be told what is at `path`.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            body: None,
            if_revision: None,
            last_event: None,
        }
    }

    /// To do something that `body` describes.
    pub(crate) fn json(method: Method, path: impl Into<String>, body: &Value) -> Self {
        let body = Some(("application/json", Bytes::from(body.to_string())));
        Self { method, body, ..Self::get(path) }
    }

    /// To take a configuration.
    pub(crate) fn yaml(path: impl Into<String>, text: String) -> Self {
        Self {
            method: Method::POST,
            body: Some(("application/yaml", Bytes::from(text))),
            ..Self::get(path)
        }
    }

    /// To remove what is at `path`.
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    /// Only on top of this revision, where one is given.
    pub(crate) fn on(self, if_revision: Option<u64>) -> Self {
        Self { if_revision, ..self }
    }

    /// As the command line says: only on top of a revision, or only tried.
    pub(crate) fn told_by(self, told: &ChangeArgs) -> Self {
        self.on(told.if_revision).tried(told.dry_run)
    }

    /// Only to be told what it would change.
    pub(crate) fn tried(self, dry_run: bool) -> Self {
        let sign = if self.path.contains('?') { '&' } else { '?' };
        let path = if dry_run { format!("{}{sign}dry_run=true", self.path) } else { self.path };
        Self { path, ..self }
    }

    /// Only what came after this event.
    pub(crate) fn after(self, event: Option<u64>) -> Self {
        Self { last_event: event, ..self }
    }

    /// The request to `server`, in the name of `actor`.
    ///
    /// # Errors
    /// When that is no request that can be sent.
    pub(crate) fn request(
        &self,
        server: &str,
        actor: Option<&HeaderValue>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder()
            .method(&self.method)
            .uri(format!("{server}{}", self.path))
            .header(ACCEPT, "application/json, application/yaml, text/event-stream, */*;q=0.1");
        if let Some(actor) = actor {
            request = request.header(ACTOR, actor);
        }
        if let Some(revision) = self.if_revision {
            request = request.header(IF_MATCH, format!("\"r{revision}\""));
        }
        if let Some(event) = self.last_event {
            request = request.header(LAST_EVENT_ID, event);
        }
        let mut bytes = Bytes::new();
        if let Some((kind, body)) = &self.body {
            request = request.header(CONTENT_TYPE, *kind);
            bytes = body.clone();
        }
        request.body(Full::new(bytes)).map_err(|error| Failure::of("cannot ask the server", error))
    }
}

/// A text as one segment of a path, or one value of a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_encoded_for_paths_and_queries() {
        assert_eq!(encoded("user@example.org:1"), "user%40example.org%3A1");
        assert_eq!(encoded("why & how?"), "why%20%26%20how%3F");
    }
}
