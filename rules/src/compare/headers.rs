//! Which headers are compared, and how? Never, by presence, by what they mean, or to the letter.

use std::collections::BTreeSet;

use http::HeaderMap;
use http::header::{CONNECTION, HeaderName};

use super::fields::{Meaning, members};
use super::findings::Findings;
use super::relation::{text_class, texts};
use super::{CompareRules, Difference, DifferenceKind, Location, Relation, ValueClass, cookies};

/// How a header is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    /// Not at all: it belongs to the connection or to the body's framing, or names software.
    Never,
    /// Whether it is there: its value is new with each answer.
    Presence,
    /// By what it means, in whatever order and spelling.
    Meaning(Meaning),
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
        "set-cookie" => Treatment::Cookies,
        _ => Treatment::Text,
    }
}

/// Compares two header sections; what differs is added to the findings.
pub(super) fn compare(
    rules: &CompareRules,
    stable: &HeaderMap,
    candidate: &HeaderMap,
    findings: &mut Findings,
) {
    let per_connection = named_by_connection(stable, candidate);
    let names: BTreeSet<&str> =
        stable.keys().chain(candidate.keys()).map(HeaderName::as_str).collect();
    for name in names {
        let is_ignored = rules.ignore_headers.iter().any(|ignored| ignored == name)
            || per_connection.contains(name);
        match treatment(name) {
            _ if is_ignored => {}
            Treatment::Never => {}
            Treatment::Cookies => cookies::compare(stable, candidate, findings),
            told => findings.extend(field(name, told, stable, candidate)),
        }
    }
}

/// Compares the fields of one name.
fn field(
    name: &str,
    treatment: Treatment,
    stable: &HeaderMap,
    candidate: &HeaderMap,
) -> Option<Difference> {
    let (left, right) = (joined(stable, name), joined(candidate, name));
    let (left, right) = match (left, right) {
        (Some(left), Some(right)) => (left, right),
        (Some(left), None) => {
            let classes = (text_class(&left), ValueClass::Absent);
            return Some(difference(name, DifferenceKind::Missing, classes, None));
        }
        (None, Some(right)) => {
            let classes = (ValueClass::Absent, text_class(&right));
            return Some(difference(name, DifferenceKind::Extra, classes, None));
        }
        (None, None) => return None,
    };
    let is_same = match treatment {
        Treatment::Presence | Treatment::Never | Treatment::Cookies => true,
        Treatment::Meaning(meaning) => members(meaning, &left) == members(meaning, &right),
        Treatment::Text => left == right,
    };
    let classes = (text_class(&left), text_class(&right));
    (!is_same).then(|| difference(name, DifferenceKind::Value, classes, texts(&left, &right)))
}

/// Fields of the same name are one list (RFC 9110 5.3). Bytes beyond ASCII are kept apart, each as its own character.
fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
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

fn named_by_connection(stable: &HeaderMap, candidate: &HeaderMap) -> BTreeSet<String> {
    let values = [stable, candidate].into_iter().flat_map(|headers| headers.get_all(CONNECTION));
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

/// A difference of a header, or of a part of it.
pub(super) fn difference(
    path: &str,
    kind: DifferenceKind,
    classes: (ValueClass, ValueClass),
    relation: Option<Relation>,
) -> Difference {
    Difference { location: Location::Header, path: path.into(), kind, classes, relation }
}
