//! Who may knock at the control API? Nobody who comes by another host's name, or from another web page.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::site::Site;

/// Refuses requests for another host, as DNS rebinding makes them, and those that web pages of other origins make.
///
/// A loopback address alone is no protection: a browser on the same machine reaches it for any page.
pub(super) async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let present = site.present();
    let named = &present.desired.configuration.document.control.hosts;
    let known = Known { named, by_address: site.desk().ledger().is_reached() };
    if !known.is_asked(request.uri(), request.headers()) {
        return Problem::foreign_host().into_response();
    }
    if !known.asks(request.headers()) {
        return Problem::foreign_origin().into_response();
    }
    next.run(request).await
}

/// Whether a request is for this machine by a loopback name, and no web page of another origin makes it.
pub(super) fn is_local(request: &Request) -> bool {
    let known = Known { named: &[], by_address: false };
    known.is_asked(request.uri(), request.headers()) && known.asks(request.headers())
}

/// The names that the control API goes by.
struct Known<'n> {
    named: &'n [String],
    /// Whether any address will do, as where it listens beyond loopback. No page can give an address another meaning.
    by_address: bool,
}

impl Known<'_> {
    fn is_asked(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let hosts = || headers.get_all(header::HOST).iter();
        uri.authority().is_none_or(|authority| self.is(authority.host()))
            && hosts().next().is_some()
            && hosts().all(|host| {
                let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
                authority.is_some_and(|authority| self.is(authority.host()))
            })
    }

    fn asks(&self, headers: &HeaderMap) -> bool {
        headers.get_all(header::ORIGIN).iter().all(|origin| {
            let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
            origin.is_some_and(|origin| origin.host().is_some_and(|host| self.is(host)))
        })
    }

    fn is(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        is_loopback(host)
            || self.named.iter().any(|name| name.eq_ignore_ascii_case(host))
            || self.by_address && bare.parse::<IpAddr>().is_ok()
    }
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

    const LOOPBACK: Known<'_> = Known { named: &[], by_address: false };

    #[test]
    fn a_listener_that_is_reached_goes_by_its_address_and_its_names() {
        let (path, named) = ("/v1/status".parse().unwrap(), ["turnout.internal".to_owned()]);
        let known = Known { named: &named, by_address: true };
        for (host, let_in) in [
            ("10.0.0.7:7081", true),
            ("[fd00::7]:7081", true),
            ("Turnout.internal:7081", true),
            ("evil.example.org", false),
            ("10.0.0.7.evil.example.org", false),
        ] {
            assert_eq!(known.is_asked(&path, &headers(&header::HOST, &[host])), let_in, "{host}");
        }
    }

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
            assert_eq!(
                LOOPBACK.is_asked(&path, &headers(&header::HOST, hosts)),
                let_in,
                "{hosts:?}"
            );
        }
        let absolute: Uri = "http://evil.example.org/v1/status".parse().unwrap();
        assert!(!LOOPBACK.is_asked(&absolute, &headers(&header::HOST, &["localhost"])));
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
            assert_eq!(LOOPBACK.asks(&headers), let_in, "{origins:?}");
        }
    }
}
