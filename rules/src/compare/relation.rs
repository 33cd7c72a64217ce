//! What do two values have to do with each other, and what sort are they? Hints that give neither away. (INV-12)

use super::json::Json;
use super::{Relation, ValueClass, moment, number};

/// Two moments this close are probably "now", asked twice.
const CLOSE_NANOSECONDS: u128 = 2_000_000_000;

/// What sort of value it is.
pub(super) fn class(value: &Json<'_>) -> ValueClass {
    match value {
        Json::Null => ValueClass::Null,
        Json::Bool(_) => ValueClass::Bool,
        Json::Number(_) => ValueClass::Number,
        Json::String(text) => text_class(text),
        Json::Array(_) => ValueClass::Array,
        Json::Object(_) => ValueClass::Object,
    }
}

/// What sort of text it is.
pub(super) fn text_class(text: &str) -> ValueClass {
    if is_uuid(text) {
        ValueClass::Uuid
    } else if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        ValueClass::NumericString
    } else if moment::read(text).is_some() {
        ValueClass::Datetime
    } else if url(text).is_some() {
        ValueClass::Url
    } else {
        ValueClass::String
    }
}

/// What two different scalars have to do with each other. What an array wraps is for the caller to see.
pub(super) fn scalars(left: &Json<'_>, right: &Json<'_>) -> Option<Relation> {
    match (left, right) {
        (Json::String(left), Json::String(right)) => texts(left, right),
        (Json::Number(left), Json::Number(right)) => {
            number::is_rounded(left, right).then_some(Relation::NumberRounding)
        }
        (Json::Number(literal), Json::String(text))
        | (Json::String(text), Json::Number(literal)) => {
            let is_same = number::is_literal(text) && number::same(literal, text);
            is_same.then_some(Relation::NumberVsNumericString)
        }
        _ => None,
    }
}

/// What two different texts have to do with each other.
pub(super) fn texts(left: &str, right: &str) -> Option<Relation> {
    if left.chars().flat_map(char::to_lowercase).eq(right.chars().flat_map(char::to_lowercase)) {
        return Some(Relation::CaseOnly);
    }
    let visible = |text| str::chars(text).filter(|character| !character.is_whitespace());
    if visible(left).eq(visible(right)) {
        return Some(Relation::WhitespaceOnly);
    }
    if let Some((left, right)) = moment::read(left).zip(moment::read(right)) {
        let apart = left.nanoseconds.abs_diff(right.nanoseconds);
        return Some(match (left.is_instant && right.is_instant, apart) {
            (true, 0) => Relation::SameInstant,
            (true, ..=CLOSE_NANOSECONDS) => Relation::DatetimeClose,
            _ => Relation::BothDatetime,
        });
    }
    if is_uuid(left) && is_uuid(right) {
        return Some(Relation::BothUuid);
    }
    if let Some((left, right)) = url(left).zip(url(right)) {
        return (left.1 == right.1).then_some(Relation::UrlHostOnly);
    }
    let (short, long) = if left.len() <= right.len() { (left, right) } else { (right, left) };
    (!short.is_empty() && long.starts_with(short)).then_some(Relation::Truncated)
}

/// Whether a text is a UUID in its usual form.
pub(super) fn is_uuid(text: &str) -> bool {
    let is_right = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(is_right)
}

/// An absolute URL, cut where the path begins.
fn url(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(host_end)?;
    let is_host = !host.is_empty() && !host.contains(char::is_whitespace);
    (is_scheme && is_host).then_some((host, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_classes() {
        for (text, class) in [
            ("", ValueClass::String),
            ("abc", ValueClass::String),
            ("0042", ValueClass::NumericString),
            ("2024-05-06", ValueClass::Datetime),
            ("8E03978E-40d5-43e8-bc93-6894a57f9324", ValueClass::Uuid),
            ("https://x.example", ValueClass::Url),
            ("://x", ValueClass::String),
            ("a b://x", ValueClass::String),
        ] {
            assert_eq!(text_class(text), class, "{text}");
        }
    }
}
