//! What does a copy's head carry?

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HeaderName, HeaderValue,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method};
use rules::Route;
use rules::route::ShadowCredentials;

use super::ledger::Claim;

/// The header by which a service tells a copy from a request that somebody waits for.
const SHADOW: HeaderName = HeaderName::from_static("x-turnout-shadow");
/// What belongs to one connection (RFC 9110 7.6.1) or is written anew for the copy: it is sent whole and at once.
const LEFT_BEHIND: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    CONTENT_LENGTH,
    EXPECT,
];

/// The primary's headers without what is for one connection only, without credentials where the route says so, and with
/// `X-Turnout-Shadow: 1`. Host, Idempotency-Key and trace context stay.
pub(super) fn copied(mut headers: HeaderMap, route: &Route) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&LEFT_BEHIND) {
        headers.remove(name);
    }
    if route.shadow.credentials == ShadowCredentials::Strip {
        for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
            headers.remove(name);
        }
    }
    headers.insert(SHADOW, HeaderValue::from_static("1"));
    headers
}

/// What is sent before the body, and the claim that pays for keeping it.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) path_and_query: String,
    pub(super) headers: HeaderMap,
    pub(super) _claim: Claim,
}

/// Roughly the bytes that headers hold on to.
pub(super) fn head_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}
