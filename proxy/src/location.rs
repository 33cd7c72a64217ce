//! How does what an arm says about its own paths reach the client? Mapped back to the path family the client used.

use http::HeaderValue;
use http::header::{CONTENT_LOCATION, LOCATION, SET_COOKIE};
use http::uri::Uri;
use pingora::http::ResponseHeader;
use pingora::prelude::Result;
use rules::{Rewrite, Upstream};

/// Who the client asked, and who the arm thinks it is.
pub(crate) struct Sides<'s> {
    /// The authority that the client wrote.
    pub(crate) client: &'s str,
    /// The Host that the arm was asked for, where it is another one.
    pub(crate) rewritten: Option<&'s HeaderValue>,
    /// The arm's pool.
    pub(crate) upstream: &'s Upstream,
}

/// Maps Location, Content-Location and cookie paths back with `rewrite`, the one that led to the arm.
pub(crate) fn map_back(
    response: &mut ResponseHeader,
    rewrite: &Rewrite,
    sides: &Sides<'_>,
) -> Result<()> {
    let back = rewrite.back();
    for name in [LOCATION, CONTENT_LOCATION] {
        let value = response.headers.get(&name).and_then(|value| value.to_str().ok());
        if let Some(mapped) = value.and_then(|value| map_reference(value, &back, sides)) {
            response.insert_header(name, mapped)?;
        }
    }
    if back != Rewrite::Keep && response.headers.contains_key(SET_COOKIE) {
        map_cookies(response, &back)?;
    }
    Ok(())
}

/// The reference as the client knows it; none where it stays as it is.
fn map_reference(value: &str, back: &Rewrite, sides: &Sides<'_>) -> Option<String> {
    if value.starts_with('/') && !value.starts_with("//") {
        let mapped = map_path(value, back);
        return (mapped != value).then_some(mapped);
    }
    let uri: Uri = value.parse().ok()?;
    let authority = uri.authority()?.as_str();
    let path = value.split_once("//").and_then(|(_, rest)| Some(rest.split_at(rest.find('/')?).1));
    let mapped = map_path(path.unwrap_or("/"), back);
    if authority.eq_ignore_ascii_case(sides.client) {
        let scheme = uri.scheme_str()?;
        let absolute = format!("{scheme}://{authority}{mapped}");
        return (absolute != value).then_some(absolute);
    }
    // An arm that names itself would lead the client past the proxy.
    sides.is_the_arm(&uri).then_some(mapped)
}

fn map_path(reference: &str, back: &Rewrite) -> String {
    let end = reference.find(['?', '#']).unwrap_or(reference.len());
    let (path, rest) = reference.split_at(end);
    let mapped = back.apply(path);
    // Two slashes at the beginning would name another host (RFC 3986 section 4.2).
    let guard = if mapped.starts_with("//") { "/." } else { "" };
    [guard, &*mapped, rest].concat()
}

impl Sides<'_> {
    /// Whether an absolute reference names the arm: by the Host it was asked for, or by a target's address. The scheme's
    /// own port need not be written (RFC 9110 section 4.2).
    fn is_the_arm(&self, uri: &Uri) -> bool {
        let Some(authority) = uri.authority() else { return false };
        let is_rewritten =
            self.rewritten.is_some_and(|host| host.as_bytes() == authority.as_str().as_bytes());
        let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(default_port);
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_target = |target: &rules::upstream::Target| {
            target.address.port() == port && target.address.host().eq_ignore_ascii_case(host)
        };
        is_rewritten || self.upstream.targets.iter().any(is_target)
    }
}

fn map_cookies(response: &mut ResponseHeader, back: &Rewrite) -> Result<()> {
    let cookies: Vec<HeaderValue> = response.headers.get_all(SET_COOKIE).iter().cloned().collect();
    response.remove_header(&SET_COOKIE);
    for cookie in cookies {
        match cookie.to_str().ok().and_then(|text| map_cookie(text, back)) {
            Some(mapped) => response.append_header(SET_COOKIE, mapped)?,
            None => response.append_header(SET_COOKIE, cookie)?,
        };
    }
    Ok(())
}

/// The cookie with its `Path` attribute mapped; none where it has none, or one that stays.
fn map_cookie(cookie: &str, back: &Rewrite) -> Option<String> {
    let mut changed = false;
    let attributes: Vec<String> = cookie
        .split(';')
        .map(|attribute| {
            let path = attribute
                .split_once('=')
                .filter(|(name, _)| name.trim().eq_ignore_ascii_case("path"));
            match path {
                Some((name, path)) => {
                    let mapped = back.apply(path.trim());
                    changed |= mapped != path.trim();
                    format!("{name}={mapped}")
                }
                None => attribute.to_owned(),
            }
        })
        .collect();
    changed.then(|| attributes.join(";"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rules::upstream::{Protection, Target, TargetState, UpstreamDefinition, UpstreamTimeouts};
    use std::sync::Arc;
    use std::time::Duration;

    fn upstream() -> Upstream {
        let target = |address: &str| {
            let address = address.parse().unwrap();
            let state = Arc::new(TargetState::new(&address));
            Target { address, weight: 1, state }
        };
        let second = Duration::from_secs(1);
        Upstream::new(UpstreamDefinition {
            name: "old".parse().unwrap(),
            generation: 1,
            targets: ["old.internal:3000", "plain.internal:80"].map(target).into(),
            tls: None,
            http2: false,
            health: None,
            timeouts: UpstreamTimeouts {
                connect: second,
                read: second,
                write: second,
                idle: second,
            },
            protection: Protection::default(),
        })
    }

    #[test]
    fn references_into_the_arms_path_come_back_as_the_client_knows_them() {
        let upstream = upstream();
        let rewrite = Rewrite::prefix(
            &"/v1/communication".parse().unwrap(),
            &"/v1/messaging".parse().unwrap(),
        );
        let host = HeaderValue::from_static("messaging.internal");
        let sides =
            Sides { client: "api.example.org", rewritten: Some(&host), upstream: &upstream };
        let cases = [
            ("/v1/messaging/7?x=/v1/messaging", "/v1/communication/7?x=/v1/messaging"),
            ("http://old.internal:3000/v1/messaging/7", "/v1/communication/7"),
            ("http://plain.internal/v1/messaging/7", "/v1/communication/7"),
            ("https://plain.internal/v1/messaging/7", "https://plain.internal/v1/messaging/7"),
            ("http://messaging.internal/elsewhere#f", "/elsewhere#f"),
            (
                "https://api.example.org/v1/messaging/7",
                "https://api.example.org/v1/communication/7",
            ),
            ("https://cdn.example.net/v1/messaging/7", "https://cdn.example.net/v1/messaging/7"),
            ("//cdn.example.net/v1/messaging", "//cdn.example.net/v1/messaging"),
            ("/v1/messagingextra", "/v1/messagingextra"),
            ("7", "7"),
        ];
        for (from, to) in cases {
            let mut response = ResponseHeader::build(302, None).unwrap();
            response.insert_header(LOCATION, from).unwrap();
            map_back(&mut response, &rewrite, &sides).unwrap();
            assert_eq!(response.headers.get(LOCATION).unwrap(), to, "{from}");
        }
    }

    #[test]
    fn cookie_paths_come_back_too() {
        let back = Rewrite::prefix(&"/old".parse().unwrap(), &"/new".parse().unwrap());
        let mapped = map_cookie("sid=path=/old; Path=/old/a; HttpOnly", &back);
        assert_eq!(mapped.as_deref(), Some("sid=path=/old; Path=/new/a; HttpOnly"));
        assert_eq!(map_cookie("sid=1; Path=/", &back), None);
    }
}
