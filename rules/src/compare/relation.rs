//! What sort is a value, and what do two have to do with each other? Hints that give neither away. (INV-12)

use super::json::Json;
use super::texts::texts;
use super::{Relation, ValueClass, moment, number};

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
        (Json::Number(left), Json::Number(right)) => number::relation(left, right),
        (Json::Number(literal), Json::String(text))
        | (Json::String(text), Json::Number(literal)) => {
            let is_same = number::is_literal(text) && number::same(literal, text);
            is_same.then_some(Relation::NumberVsNumericString)
        }
        (Json::Bool(value), Json::String(text)) | (Json::String(text), Json::Bool(value)) => {
            let is_same = if *value { text == "true" } else { text == "false" };
            is_same.then_some(Relation::BoolVsString)
        }
        _ => None,
    }
}

/// Whether a text is a UUID in its usual form.
pub(super) fn is_uuid(text: &str) -> bool {
    let is_right = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(is_right)
}

/// An absolute URL's authority, and what follows it.
pub(super) fn url(text: &str) -> Option<(&str, &str)> {
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
