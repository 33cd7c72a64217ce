//! Who may knock at the control API? Nobody who comes by another host's name, or from another web page.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Refuses requests for another host, as DNS rebinding makes them, and those that web pages of other origins make.
///
/// A loopback address alone is no protection: a browser on the same machine reaches it for any page.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    if !is_for_loopback(request.uri(), request.headers()) {
        return Problem::foreign_host().into_response();
    }
    if !is_from_loopback(request.headers()) {
        return Problem::foreign_origin().into_response();
    }
    next.run(request).await
}

fn is_for_loopback(uri: &Uri, headers: &HeaderMap) -> bool {
    let hosts = || headers.get_all(header::HOST).iter();
    uri.authority().is_none_or(|authority| is_loopback(authority.host()))
        && hosts().next().is_some()
        && hosts().all(|host| {
            let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
            authority.is_some_and(|authority| is_loopback(authority.host()))
        })
}

fn is_from_loopback(headers: &HeaderMap) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
        origin.is_some_and(|origin| origin.host().is_some_and(is_loopback))
    })
}

fn is_loopback(host: &str) -> bool {
    let name = host.to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    // RFC 6761 section 6.3: names below localhost are loopback, too.
    name == "localhost"
        || name.ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &header::HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_loopback_hosts_are_let_in() {
        let path: Uri = "/v1/status".parse().unwrap();
        let cases: [(&[&str], bool); 14] = [
            (&["localhost"], true),
            (&["LOCALHOST:7081"], true),
            (&["turnout.localhost:7081"], true),
            (&["127.0.0.1:7081"], true),
            (&["127.8.8.8"], true),
            (&["[::1]:7081"], true),
            (&["[::ffff:127.0.0.1]"], true),
            (&[], false),
            (&[""], false),
            (&["evil.example.org"], false),
            (&["localhost.evil.example.org:7081"], false),
            (&["192.168.0.1:7081"], false),
            (&["evil.example.org@localhost:1@evil.example.org"], false),
            (&["localhost", "evil.example.org"], false),
        ];
        for (hosts, let_in) in cases {
            assert_eq!(is_for_loopback(&path, &headers(&header::HOST, hosts)), let_in, "{hosts:?}");
        }
        let absolute: Uri = "http://evil.example.org/v1/status".parse().unwrap();
        assert!(!is_for_loopback(&absolute, &headers(&header::HOST, &["localhost"])));
    }

    #[test]
    fn only_loopback_origins_are_let_in() {
        let cases: [(&[&str], bool); 6] = [
            (&[], true),
            (&["http://localhost:7081"], true),
            (&["http://127.0.0.1:5173"], true),
            (&["https://evil.example.org"], false),
            (&["null"], false),
            (&["http://localhost:7081", "https://evil.example.org"], false),
        ];
        for (origins, let_in) in cases {
            let headers = headers(&header::ORIGIN, origins);
            assert_eq!(is_from_loopback(&headers), let_in, "{origins:?}");
        }
    }
}
