//! Do two answers set the same cookies? By name and attributes; a cookie's value is nobody's business. (INV-12)

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderMap;
use http::header::SET_COOKIE;

use super::findings::Findings;
use super::template::told;
use super::texts::texts;
use super::{Difference, DifferenceKind, Home, Location, ValueClass, reference};

/// A cookie's attributes, by name in lower case.
type Attributes = BTreeMap<String, String>;

const STRING: ValueClass = ValueClass::String;
const ABSENT: ValueClass = ValueClass::Absent;

/// Compares what both set; each cookie and each of its attributes is a field, named `set-cookie:<name>` and
/// `set-cookie:<name>:<attribute>`.
pub(super) fn compare(
    stable: &HeaderMap,
    candidate: &HeaderMap,
    homes: (Option<&Home>, Option<&Home>),
    findings: &mut Findings,
) {
    let (left, right) = (cookies(stable, homes.0), cookies(candidate, homes.1));
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for name in names {
        let path = format!("set-cookie:{}", told(name));
        let (left, right) = (left.get(name), right.get(name));
        note(&path, left.map(|_| ""), right.map(|_| ""), findings);
        if let (Some(left), Some(right)) = (left, right) {
            attributes(&path, left, right, findings);
        }
    }
}

fn attributes(cookie: &str, left: &Attributes, right: &Attributes, findings: &mut Findings) {
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for name in names {
        let path = format!("{cookie}:{}", told(name));
        let value = |side: &'_ Attributes| side.get(name).cloned();
        note(&path, value(left).as_deref(), value(right).as_deref(), findings);
    }
}

fn note(path: &str, left: Option<&str>, right: Option<&str>, findings: &mut Findings) {
    let (kind, classes, relation) = match (left, right) {
        (Some(left), Some(right)) if left == right => {
            return findings.header((Location::Header, path), Ok(()));
        }
        (Some(left), Some(right)) => (DifferenceKind::Value, (STRING, STRING), texts(left, right)),
        (Some(_), None) => (DifferenceKind::Missing, (STRING, ABSENT), None),
        (None, _) => (DifferenceKind::Extra, (ABSENT, STRING), None),
    };
    let location = Location::Header;
    let difference = Difference { location, path: path.into(), kind, classes, relation };
    findings.header((location, path), Err(difference));
}

/// All cookies by name; the last of a name counts, as it does in a browser for the same path.
fn cookies(headers: &HeaderMap, home: Option<&Home>) -> BTreeMap<String, Attributes> {
    let values = headers.get_all(SET_COOKIE).iter();
    let texts = values.map(|value| String::from_utf8_lossy(value.as_bytes()));
    texts
        .map(|text| {
            let mut parts = text.split(';').map(str::trim);
            let pair = parts.next().unwrap_or_default();
            let name = pair.split('=').next().unwrap_or_default().trim().to_owned();
            (
                name,
                parts.filter(|part| !part.is_empty()).map(|part| attribute(part, home)).collect(),
            )
        })
        .collect()
}

/// An attribute (RFC 6265 4.1): a date is told by presence, only paths have a case, and they are the client's view.
fn attribute(text: &str, home: Option<&Home>) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let name = name.trim().to_ascii_lowercase();
    let value = match name.as_str() {
        "expires" => String::new(),
        "path" => reference::path_as_known(home, value.trim()).into_owned(),
        _ => value.trim().to_ascii_lowercase(),
    };
    (name, value)
}
