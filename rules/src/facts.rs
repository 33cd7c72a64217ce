//! What is known of a request before anything is decided?

use std::borrow::Cow;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Method};
use percent_encoding::percent_decode_str;

use crate::token::Token;

/// The facts of one request, borrowed from wherever its head is kept; collected once.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'r> {
    /// The request's method.
    pub method: &'r Method,
    /// The authority as the client wrote it, perhaps with a port.
    pub host: &'r str,
    /// The path in normal form ([`crate::normal`]), without the query.
    pub path: &'r str,
    /// The query without its question mark; empty where there is none.
    pub query: &'r str,
    /// All header fields.
    pub headers: &'r HeaderMap,
    /// The client's address: the peer's, or what a trusted peer says it is.
    pub client: IpAddr,
    /// Whether the peer is one of `trusted_proxies`, so that its identity headers are believed.
    pub trusted: bool,
    /// What its token proves, where the route asks for one.
    pub token: Token<'r>,
    /// The request's id: stable over retries and over both layers of proxies.
    pub request_id: &'r str,
    /// Now, in seconds since 1970, for sunset dates.
    pub now_unix: i64,
}

/// A value that a request has not, has once, or has more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occurrence<T> {
    /// Not there.
    Missing,
    /// There, once.
    One(T),
    /// There more than once, or not readable as text: two readers could differ.
    Ambiguous,
}

impl<'r> Facts<'r> {
    /// The one value of a header.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Occurrence<Cow<'r, str>> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Occurrence::Missing,
            (Some(value), None) => value
                .to_str()
                .map_or(Occurrence::Ambiguous, |text| Occurrence::One(Cow::Borrowed(text))),
            (Some(_), Some(_)) => Occurrence::Ambiguous,
        }
    }

    /// The one value of a cookie, over all `Cookie` fields (RFC 6265 section 5.4).
    #[must_use]
    pub fn cookie(&self, name: &str) -> Occurrence<Cow<'r, str>> {
        let pairs = self
            .headers
            .get_all(http::header::COOKIE)
            .iter()
            .filter_map(|field| field.to_str().ok())
            .flat_map(|field| field.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        only(pairs.filter(|(key, _)| *key == name).map(|(_, value)| Cow::Borrowed(value)))
    }

    /// The one value of a query parameter, percent-decoded.
    #[must_use]
    pub fn query_parameter(&self, name: &str) -> Occurrence<Cow<'r, str>> {
        let named = self.query_pairs().filter(|(key, _)| decoded_is(key, name));
        only(named.map(|(_, value)| percent_decode_str(value).decode_utf8_lossy()))
    }

    /// The value of a claim in the verified token.
    #[must_use]
    pub fn claim(&self, name: &str) -> Occurrence<Cow<'r, str>> {
        let Token::Verified(claims) = self.token else { return Occurrence::Missing };
        match claims.get(name) {
            Occurrence::One(value) => Occurrence::One(Cow::Borrowed(value)),
            Occurrence::Missing => Occurrence::Missing,
            Occurrence::Ambiguous => Occurrence::Ambiguous,
        }
    }

    /// The path's segment at `index`, counted from 0.
    #[must_use]
    pub fn path_segment(&self, index: usize) -> Option<&'r str> {
        self.path.strip_prefix('/')?.split('/').nth(index).filter(|segment| !segment.is_empty())
    }

    /// The host without its port.
    #[must_use]
    pub fn host_name(&self) -> &'r str {
        host_name(self.host)
    }

    /// The query's pairs, still encoded.
    pub(crate) fn query_pairs(&self) -> impl Iterator<Item = (&'r str, &'r str)> + use<'r> {
        self.query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }
}

/// Whether `encoded`, percent-decoded, reads `plain`; compared without a copy.
pub(crate) fn decoded_is(encoded: &str, plain: &str) -> bool {
    percent_decode_str(encoded).eq(plain.bytes())
}

/// An authority without its port: `[::1]:80` is `[::1]`, `example.org:80` is `example.org`.
#[must_use]
pub fn host_name(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority.split_once(']').map_or(authority, |(literal, _)| {
            authority.get(..=literal.len()).unwrap_or(authority)
        });
    }
    authority.split_once(':').map_or(authority, |(name, _)| name)
}

fn only<'r>(mut values: impl Iterator<Item = Cow<'r, str>>) -> Occurrence<Cow<'r, str>> {
    match (values.next(), values.next()) {
        (None, _) => Occurrence::Missing,
        (Some(value), None) => Occurrence::One(value),
        (Some(_), Some(_)) => Occurrence::Ambiguous,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn facts<'r>(headers: &'r HeaderMap, query: &'r str, path: &'r str) -> Facts<'r> {
        Facts {
            method: &Method::GET,
            host: "Example.org:8080",
            path,
            query,
            headers,
            client: [127, 0, 0, 1].into(),
            trusted: true,
            token: Token::Missing,
            request_id: "",
            now_unix: 0,
        }
    }

    #[test]
    fn values_are_found_once_or_called_ambiguous() {
        let mut headers = HeaderMap::new();
        headers.insert("x-one", HeaderValue::from_static("1"));
        headers.append("x-two", HeaderValue::from_static("1"));
        headers.append("x-two", HeaderValue::from_static("2"));
        headers.append("cookie", HeaderValue::from_static("a=1; tenant=t7"));
        headers.append("cookie", HeaderValue::from_static("b=2; a=3"));
        let facts = facts(&headers, "tenant=caf%C3%A9&x=1&x=2&%74=plain", "/t/acme/x");

        let one = |text: &'static str| Occurrence::One(Cow::Borrowed(text));
        assert_eq!(facts.header(&HeaderName::from_static("x-one")), one("1"));
        assert_eq!(facts.header(&HeaderName::from_static("x-two")), Occurrence::Ambiguous);
        assert_eq!(facts.header(&HeaderName::from_static("x-none")), Occurrence::Missing);
        assert_eq!(facts.cookie("tenant"), one("t7"));
        assert_eq!(facts.cookie("a"), Occurrence::Ambiguous);
        assert_eq!(facts.query_parameter("tenant"), one("café"));
        assert_eq!(facts.query_parameter("t"), one("plain"));
        assert_eq!(facts.query_parameter("x"), Occurrence::Ambiguous);
        assert_eq!(facts.path_segment(1), Some("acme"));
        assert_eq!(facts.path_segment(3), None);
    }

    #[test]
    fn ports_are_left_out_of_host_names() {
        for (authority, name) in
            [("a.org", "a.org"), ("a.org:1", "a.org"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")]
        {
            assert_eq!(host_name(authority), name);
        }
    }
}
