//! Which headers are compared, and how? Never, by presence, by what they mean, or to the letter.

use std::collections::BTreeSet;

use http::HeaderMap;
use http::header::{CONNECTION, HeaderName};

use super::fields::{Meaning, members};
use super::findings::Findings;
use super::relation::text_class;
use super::texts::texts;
use super::{
    Answer, CompareRules, Difference, DifferenceKind as Kind, Home, Location, ValueClass, cookies,
    reference, samples,
};

/// How a header is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    /// Not at all: it belongs to the connection or to the body's framing, or names software.
    Never,
    /// Whether it is there: its value is new with each answer.
    Presence,
    /// By what it means, in whatever order and spelling.
    Meaning(Meaning),
    /// As a reference: a place of the arm itself is meant wherever the arm says it is.
    Reference,
    /// Per cookie.
    Cookies,
    /// To the letter.
    Text,
}

/// By exact name, in lower case: a header that merely looks like one of these is compared to the letter.
fn treatment(name: &str) -> Treatment {
    match name {
        // RFC 9110 7.6.1, framing, software and what is said of the connection. Content-Encoding is judged with the
        // body.
        "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer"
        | "transfer-encoding" | "upgrade" | "content-length" | "content-encoding" | "server"
        | "x-powered-by" | "via" | "alt-svc" | "nel" => Treatment::Never,
        "date" | "age" | "expires" | "last-modified" | "etag" | "retry-after" | "server-timing"
        | "x-runtime" | "x-request-id" | "x-correlation-id" | "traceparent" | "tracestate"
        | "b3" => Treatment::Presence,
        _ if name.starts_with("x-kong-") || name.starts_with("x-b3-") => Treatment::Presence,
        "content-type" => Treatment::Meaning(Meaning::MediaType),
        "cache-control" => Treatment::Meaning(Meaning::Directives),
        "vary" => Treatment::Meaning(Meaning::Names),
        "allow" | "link" => Treatment::Meaning(Meaning::List),
        "strict-transport-security" => Treatment::Meaning(Meaning::Parameters),
        "www-authenticate" => Treatment::Meaning(Meaning::Challenges),
        "location" | "content-location" => Treatment::Reference,
        "set-cookie" => Treatment::Cookies,
        _ => Treatment::Text,
    }
}

/// Compares the fields before and after two bodies; what comes of each is added to the findings.
pub(super) fn compare(
    rules: &CompareRules,
    stable: &Answer<'_>,
    candidate: &Answer<'_>,
    findings: &mut Findings,
) {
    let (left, right) = (stable.headers, candidate.headers);
    let sides = Sides { rules, left, right, homes: (stable.home, candidate.home) };
    section(&sides, Location::Header, findings);
    let none = HeaderMap::new();
    let (left, right) = (stable.trailers.unwrap_or(&none), candidate.trailers.unwrap_or(&none));
    section(&Sides { left, right, ..sides }, Location::Trailer, findings);
}

/// Two sections of fields, stable's on the left.
struct Sides<'a> {
    rules: &'a CompareRules,
    left: &'a HeaderMap,
    right: &'a HeaderMap,
    homes: (Option<&'a Home>, Option<&'a Home>),
}

fn section(sides: &Sides<'_>, location: Location, findings: &mut Findings) {
    let per_connection = named_by_connection(sides.left, sides.right);
    let mut names: Vec<&str> =
        sides.left.keys().chain(sides.right.keys()).map(HeaderName::as_str).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        match treatment(name) {
            Treatment::Never => {}
            _ if per_connection.contains(name) => {}
            _ if sides.rules.ignore_headers.iter().any(|ignored| ignored == name) => {
                findings.tally.fields.ignored += 1;
            }
            Treatment::Cookies => {
                cookies::compare(sides.left, sides.right, sides.homes, findings);
            }
            told => findings.header((location, name), field(sides, location, name, told)),
        }
    }
    samples::of_fields(location, (sides.left, sides.right), findings);
}

/// Compares the fields of one name.
fn field(
    sides: &Sides<'_>,
    location: Location,
    name: &str,
    treatment: Treatment,
) -> Result<(), Difference> {
    // What is the same to the letter means the same, but for references: each arm's are seen from its own place.
    if treatment != Treatment::Reference && are_same(sides, name) {
        return Ok(());
    }
    let differs = |kind, classes, relation| {
        Err(Difference { location, path: name.into(), kind, classes, relation })
    };
    let (left, right) = match (joined(sides.left, name), joined(sides.right, name)) {
        (Some(left), Some(right)) => (left, right),
        (Some(left), None) => {
            return differs(Kind::Missing, (text_class(&left), ValueClass::Absent), None);
        }
        (None, Some(right)) => {
            return differs(Kind::Extra, (ValueClass::Absent, text_class(&right)), None);
        }
        (None, None) => return Ok(()),
    };
    let is_same = match treatment {
        Treatment::Presence | Treatment::Never | Treatment::Cookies => true,
        Treatment::Meaning(meaning) => members(meaning, &left) == members(meaning, &right),
        Treatment::Reference => {
            let known = |text, home| reference::as_known(sides.rules, home, text);
            known(&left, sides.homes.0) == known(&right, sides.homes.1)
        }
        Treatment::Text => left == right,
    };
    if is_same {
        return Ok(());
    }
    differs(Kind::Value, (text_class(&left), text_class(&right)), texts(&left, &right))
}

fn are_same(sides: &Sides<'_>, name: &str) -> bool {
    sides.left.get_all(name).iter().eq(sides.right.get_all(name).iter())
}

/// Fields of the same name are one list (RFC 9110 5.3). Bytes beyond ASCII are kept apart, each as its own character.
pub(super) fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter().peekable();
    values.peek()?;
    let mut text = String::new();
    for value in values {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.extend(value.as_bytes().iter().copied().map(char::from));
    }
    Some(text)
}

/// The fields that belong to one connection only (RFC 9110 7.6.1), in lower case.
fn named_by_connection(stable: &HeaderMap, candidate: &HeaderMap) -> BTreeSet<String> {
    let values = [stable, candidate].into_iter().flat_map(|headers| headers.get_all(CONNECTION));
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}
