//! Do two answers set the same cookies? By name and attributes; a cookie's value is nobody's business. (INV-12)

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderMap;
use http::header::SET_COOKIE;

use super::findings::Findings;
use super::headers::difference;
use super::relation::texts;
use super::template::told;
use super::{DifferenceKind, ValueClass};

/// A cookie's attributes, by name in lower case.
type Attributes = BTreeMap<String, String>;

const STRING: ValueClass = ValueClass::String;
const ABSENT: ValueClass = ValueClass::Absent;

/// Compares what both set; what differs is added to the findings, as `set-cookie:<name>` or
/// `set-cookie:<name>:<attribute>`.
pub(super) fn compare(stable: &HeaderMap, candidate: &HeaderMap, findings: &mut Findings) {
    let (left, right) = (cookies(stable), cookies(candidate));
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for name in names {
        let path = format!("set-cookie:{}", told(name));
        let found = match (left.get(name), right.get(name)) {
            (Some(left), Some(right)) => {
                attributes(&path, left, right, findings);
                continue;
            }
            (Some(_), None) => difference(&path, DifferenceKind::Missing, (STRING, ABSENT), None),
            (None, _) => difference(&path, DifferenceKind::Extra, (ABSENT, STRING), None),
        };
        findings.add(found);
    }
}

fn attributes(cookie: &str, left: &Attributes, right: &Attributes, findings: &mut Findings) {
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for name in names {
        let path = format!("{cookie}:{}", told(name));
        let (kind, classes, relation) = match (left.get(name), right.get(name)) {
            (Some(left), Some(right)) if left == right => continue,
            (Some(left), Some(right)) => {
                (DifferenceKind::Value, (STRING, STRING), texts(left, right))
            }
            (Some(_), None) => (DifferenceKind::Missing, (STRING, ABSENT), None),
            (None, _) => (DifferenceKind::Extra, (ABSENT, STRING), None),
        };
        findings.add(difference(&path, kind, classes, relation));
    }
}

/// All cookies by name; the last of a name counts, as it does in a browser for the same path.
fn cookies(headers: &HeaderMap) -> BTreeMap<String, Attributes> {
    let values = headers.get_all(SET_COOKIE).iter();
    let texts = values.map(|value| String::from_utf8_lossy(value.as_bytes()));
    texts
        .map(|text| {
            let mut parts = text.split(';').map(str::trim);
            let pair = parts.next().unwrap_or_default();
            let name = pair.split('=').next().unwrap_or_default().trim().to_owned();
            (name, parts.filter(|part| !part.is_empty()).map(attribute).collect())
        })
        .collect()
}

/// An attribute (RFC 6265 4.1): a date is told by presence, only paths have a case.
fn attribute(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let name = name.trim().to_ascii_lowercase();
    let value = match name.as_str() {
        "expires" => String::new(),
        "path" => value.trim().to_owned(),
        _ => value.trim().to_ascii_lowercase(),
    };
    (name, value)
}
