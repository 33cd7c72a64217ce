//! What belongs to one hop only, and how many has a message come through? `Connection` and `Via`.

use http::header::{CONNECTION, HeaderMap, HeaderName, TE, TRAILER, UPGRADE, VIA};
use http::{StatusCode, Version};
use pingora::http::ResponseHeader;
use rules::lookalike::Names;

use crate::field::Field;
use crate::protected::{Decides, decides};

/// The field that says through whom a message came.
pub(crate) static SIGNATURE: Field = Field::new("via", "Via");
/// What this proxy calls itself to others (RFC 9110 section 7.6.3): the same for all of a fleet, so that loops are seen.
const PSEUDONYM: &str = "turnout";
/// How often a request may have come through a proxy of this name before.
const MOST_VISITS: usize = 4;
/// Fields of an answer that are for the proxy only (RFC 9110 section 7.6.1); Pingora sets its own framing.
static HOP_BY_HOP: [HeaderName; 5] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authenticate"),
    TE,
    TRAILER,
];

/// Whether `Connection` names a field that is not the connection's, so that it would be lost on the way.
pub(crate) fn connection_names_protected(headers: &HeaderMap, tenants: &Names) -> bool {
    let is_protected = |name: &[u8]| {
        decides(name).is_some_and(|decides| decides != Decides::Connection) || tenants.contain(name)
    };
    connection_options(headers).any(is_protected)
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let fields = headers.get_all(CONNECTION).iter();
    fields
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|option| !option.is_empty())
}

/// Whether a request has come through here, or through others of this name, too often to come from anywhere but a loop.
pub(crate) fn is_loop(headers: &HeaderMap) -> bool {
    let visits = headers
        .get_all(VIA)
        .iter()
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b','))
        .filter_map(|entry| {
            entry.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).nth(1)
        })
        .filter(|name| name.eq_ignore_ascii_case(PSEUDONYM.as_bytes()));
    visits.count() >= MOST_VISITS
}

/// What this proxy adds to `Via` where a message came to it in this version.
pub(crate) const fn signature(received: Version) -> &'static str {
    match received {
        Version::HTTP_2 => "2 turnout",
        Version::HTTP_10 => "1.0 turnout",
        _ => "1.1 turnout",
    }
}

/// Removes what the arm said to the proxy only. An answer that switches protocols keeps what does so.
pub(crate) fn remove_hop_by_hop(response: &mut ResponseHeader) {
    let nominated = connection_options(&response.headers)
        .filter(|option| !option.eq_ignore_ascii_case(b"close") && decides(option).is_none())
        .filter_map(|option| HeaderName::from_bytes(option).ok());
    let switches = response.status == StatusCode::SWITCHING_PROTOCOLS;
    let is_of_the_hop = |name: &&HeaderName| {
        HOP_BY_HOP.contains(name) || !switches && [CONNECTION, UPGRADE].contains(name)
    };
    // Most answers have none or one: a look at each field is less than as many look-ups.
    let present = response.headers.keys().filter(is_of_the_hop).cloned();
    for name in nominated.chain(present).collect::<Vec<_>>() {
        response.remove_header(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_connection_names_only_what_is_its_own() {
        let tenants: Names = ["x-tenant-id"].into_iter().collect();
        for (values, refused) in [
            (&["close"][..], false),
            (&["keep-alive, Upgrade, TE, x-hop", "HTTP2-Settings"], false),
            (&["keep-alive, X-Forwarded-For"], true),
            (&["close", " ,, authorization"], true),
            (&["Transfer-Encoding"], true),
            (&["x_tenant_id"], true),
            (&["X_Consumer.Id"], true),
            (&["via"], true),
            (&[], false),
        ] {
            let headers = headers(&CONNECTION, values);
            assert_eq!(connection_names_protected(&headers, &tenants), refused, "{values:?}");
        }
    }

    #[test]
    fn loops_are_told_by_how_often_a_request_was_here() {
        for (values, is_a_loop) in [
            (&[][..], false),
            (&["1.1 turnout, 1.1 kong", "2 turnout"], false),
            (&["1.1 turnout, 1.1 turnout", "1.1 turnout"], false),
            (&["1.1 turnout, 2 Turnout (a)", "1.1 turnout", "HTTP/1.1  turnout"], true),
            (&["turnout, turnout, turnout, turnout"], false),
        ] {
            assert_eq!(is_loop(&headers(&VIA, values)), is_a_loop, "{values:?}");
        }
    }

    #[test]
    fn answers_lose_what_was_for_the_proxy_only() {
        let mut answer = ResponseHeader::build(200, None).unwrap();
        for (name, value) in [
            ("connection", "close, X-Hop, Content-Length"),
            ("connection", "x-other"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("upgrade", "h2c"),
            ("trailer", "x"),
            ("content-length", "3"),
            ("x-end", "1"),
        ] {
            answer.append_header(name, value).unwrap();
        }
        remove_hop_by_hop(&mut answer);
        let mut left: Vec<&str> = answer.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "x-end"]);

        let mut switching = ResponseHeader::build(101, None).unwrap();
        switching.append_header("connection", "upgrade").unwrap();
        switching.append_header("upgrade", "websocket").unwrap();
        remove_hop_by_hop(&mut switching);
        assert_eq!(switching.headers.len(), 2);
    }
}
