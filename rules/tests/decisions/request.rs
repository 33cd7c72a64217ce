//! What does a table's request look like? One line, and what differs from the ordinary.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rules::Facts;
use rules::token::{Claims, Token, TokenProblem};
use serde::Deserialize;

use crate::world::Texts;

/// A request as a table writes it: `GET api.example.org/v1/sms?x=1`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestCase {
    request: String,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, Texts>,
    client: Option<std::net::IpAddr>,
    untrusted: Option<bool>,
    id: Option<String>,
    now: Option<i64>,
    /// What the token says; a claim of `null` is one that is not a text.
    claims: Option<std::collections::BTreeMap<Box<str>, Option<Box<str>>>>,
    /// The token proves nothing.
    #[serde(default)]
    forged: bool,
    /// What is expected, as [`crate::tables`] writes verdicts.
    pub(crate) gives: String,
}

/// A request that owns its parts.
#[derive(Debug)]
pub(crate) struct Request {
    method: Method,
    host: String,
    path: String,
    query: String,
    headers: HeaderMap,
    client: std::net::IpAddr,
    trusted: bool,
    id: String,
    now_unix: i64,
    claims: Option<Claims>,
    forged: bool,
}

impl Request {
    /// A GET by a trusted peer, of `host/path?query`.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let slash = target.find('/').unwrap();
        let (host, target) = target.split_at(slash);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: method.parse().unwrap(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            client: [192, 0, 2, 7].into(),
            trusted: true,
            id: "request-1".to_owned(),
            now_unix: 0,
            claims: None,
            forged: false,
        }
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            client: self.client,
            trusted: self.trusted,
            token: match &self.claims {
                _ if self.forged => Token::Refused(TokenProblem::Signature),
                Some(claims) => Token::Verified(claims),
                None => Token::Missing,
            },
            request_id: &self.id,
            now_unix: self.now_unix,
        }
    }
}

impl From<&RequestCase> for Request {
    fn from(case: &RequestCase) -> Self {
        let (method, target) = case.request.split_once(' ').unwrap();
        let mut request = Self::new(method, target);
        for (name, values) in &case.headers {
            for value in &values.0 {
                request = request.with_header(name, value);
            }
        }
        request.client = case.client.unwrap_or(request.client);
        request.trusted = !case.untrusted.unwrap_or(false);
        request.id = case.id.clone().unwrap_or(request.id);
        request.claims = case.claims.clone().map(Claims::new);
        request.forged = case.forged;
        request.now_unix = case.now.unwrap_or(0);
        request
    }
}
