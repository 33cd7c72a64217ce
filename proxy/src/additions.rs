//! What does the proxy add to a request's head? Whom it came from and what it was asked for there, through whom it came, and
//! what it is called.

use std::net::IpAddr;

use http::Version;
use http::header::HeaderMap;
use pingora::http::RequestHeader;
use pingora::prelude::Result;

use crate::exchange::Known;
use crate::field::Field;
use crate::hops;
use crate::ids::{CORRELATION_ID, REQUEST_ID};
use crate::trace::TRACEPARENT;

pub(crate) static FORWARDED_FOR: Field = Field::new("x-forwarded-for", "X-Forwarded-For");
static FORWARDED_PROTO: Field = Field::new("x-forwarded-proto", "X-Forwarded-Proto");
static FORWARDED_HOST: Field = Field::new("x-forwarded-host", "X-Forwarded-Host");
static FORWARDED_PORT: Field = Field::new("x-forwarded-port", "X-Forwarded-Port");
/// An IPv6 address in full.
const LONGEST_ADDRESS: usize = 39;

/// What is added to one request.
pub(crate) struct Additions<'k> {
    known: &'k Known,
    /// Where it came from, hop by hop.
    came_from: Option<String>,
    via: &'static str,
}

impl<'k> Additions<'k> {
    /// Those of a request with this head, that came in this version.
    pub(crate) fn new(head: &HeaderMap, received: Version, known: &'k Known) -> Self {
        let came_from = known.peer.map(|peer| way(head, peer));
        Self { known, came_from, via: hops::signature(received) }
    }

    /// Takes out of the head what they replace.
    pub(crate) fn make_room(&self, request: &mut RequestHeader) {
        for name in self.known.ids.unfit() {
            request.remove_header(name);
        }
        if self.came_from.is_some() && self.known.trusted {
            request.remove_header(&FORWARDED_FOR.name);
        }
    }

    /// Tells each field that the head does not have already, and its value.
    ///
    /// # Errors
    /// What `tell` fails with.
    pub(crate) fn each(
        &self,
        head: &HeaderMap,
        mut tell: impl FnMut(&Field, &str) -> Result<()>,
    ) -> Result<()> {
        let known = self.known;
        if let Some(trace) = &known.trace {
            tell(&TRACEPARENT, trace)?;
        }
        if let Some(came_from) = &self.came_from {
            tell(&FORWARDED_FOR, came_from)?;
        }
        let (scheme, port) = if known.https { ("https", "443") } else { ("http", "80") };
        let name = rules::facts::host_name(&known.host);
        let asked_for = known.host.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
        for (field, value) in [
            (&FORWARDED_PROTO, scheme),
            (&FORWARDED_HOST, &*known.host),
            (&FORWARDED_PORT, asked_for.unwrap_or(port)),
        ] {
            // What anybody else says was removed when the request came in.
            if !known.trusted || !head.contains_key(&field.name) {
                tell(field, value)?;
            }
        }
        tell(&hops::SIGNATURE, self.via)?;
        for field in [&REQUEST_ID, &CORRELATION_ID] {
            if !head.contains_key(&field.name) {
                tell(field, known.ids.request.as_str())?;
            }
        }
        Ok(())
    }
}

/// The addresses that a request came from, this proxy's peer last.
fn way(head: &HeaderMap, peer: IpAddr) -> String {
    let mut way = String::with_capacity(LONGEST_ADDRESS);
    let before = head.get_all(&FORWARDED_FOR.name).iter();
    for field in before.filter_map(|field| field.to_str().ok()) {
        way.push_str(field);
        way.push_str(", ");
    }
    push_address(&mut way, peer.to_canonical());
    way
}

/// As `Display` writes an address, for a tenth of the instructions where it is one of IPv4.
fn push_address(text: &mut String, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        text.push_str(&address.to_string());
        return;
    };
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        for (unit, least) in [(100, 100), (10, 10), (1, 0)] {
            if octet >= least {
                text.push(char::from(b'0' + octet / unit % 10));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Ids;

    fn known(trusted: bool, head: &HeaderMap) -> Known {
        Known {
            ids: Ids::of(head),
            trace: Some("00-1-2-00".into()),
            peer: Some([10, 0, 0, 1].into()),
            client: None,
            trusted,
            debug: false,
            https: true,
            method: http::Method::GET,
            host: "[::1]:8443".into(),
            normal_path: None,
            came_unix: 0,
        }
    }

    /// What an arm gets of a request that came with these fields: what is left of them, then what is added.
    fn told(trusted: bool, fields: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        let known = known(trusted, &request.headers);
        let additions = Additions::new(&request.headers, Version::HTTP_2, &known);
        additions.make_room(&mut request);
        let line = |name: &str, value: &str| {
            format!("{name}: {}", value.replace(known.ids.request.as_str(), "ID"))
        };
        let left = request.headers.iter();
        let mut told: Vec<String> =
            left.map(|(name, value)| line(name.as_str(), value.to_str().unwrap())).collect();
        additions
            .each(&request.headers, |field, value| {
                told.push(line(field.written, value));
                Ok(())
            })
            .unwrap();
        told
    }

    #[test]
    fn an_arm_is_told_each_field_once() {
        let added = [
            "traceparent: 00-1-2-00",
            "X-Forwarded-For: 10.0.0.1",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: [::1]:8443",
            "X-Forwarded-Port: 8443",
            "Via: 2 turnout",
            "X-Request-Id: ID",
            "X-Correlation-Id: ID",
        ];
        assert_eq!(told(false, &[]), added);
        assert_eq!(told(true, &[]), added);
        assert_eq!(told(false, &[("x-request-id", "not one"), ("kong-request-id", "")]), added);
        let given = [
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-for", "192.0.2.2, 192.0.2.3"),
            ("x-forwarded-host", "shop"),
            ("x-request-id", "r-1"),
            ("via", "1.1 kong"),
        ];
        let expected = [
            "via: 1.1 kong",
            "x-forwarded-host: shop",
            "x-request-id: ID",
            "traceparent: 00-1-2-00",
            "X-Forwarded-For: 192.0.2.1, 192.0.2.2, 192.0.2.3, 10.0.0.1",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Port: 8443",
            "Via: 2 turnout",
            "X-Correlation-Id: ID",
        ];
        assert_eq!(told(true, &given), expected);
    }

    #[test]
    fn addresses_are_written_as_everybody_writes_them() {
        for address in ["0.0.0.0", "1.20.103.255", "9.10.99.100", "127.0.0.1", "2001:db8::1", "::1"]
        {
            let mut text = String::new();
            push_address(&mut text, address.parse().unwrap());
            assert_eq!(text, address);
        }
    }
}
