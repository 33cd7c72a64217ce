//! What do two different texts have to do with each other? One hint, the first that fits, or none.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use quick_xml::escape::unescape;
use unicode_normalization::UnicodeNormalization;

use super::findings::Steps;
use super::json::{self, Json};
use super::moment::{self, Moment, Precision};
use super::relation::{is_uuid, text_class, url};
use super::{Relation, number};

/// Two moments this close are probably "now", asked twice.
const CLOSE_NANOSECONDS: u128 = 2_000_000_000;
/// Of longer texts only the cheapest is asked.
const MOST_HINTED_BYTES: usize = 16 << 10;
/// Steps that each byte takes over all questions: normal forms of Unicode are most of it.
const STEPS_PER_BYTE: (usize, usize) = (1, 3);

/// What it costs to find a hint, in steps.
pub(super) fn price(left: &str, right: &str) -> usize {
    if left.len().max(right.len()) > MOST_HINTED_BYTES {
        return 0;
    }
    let (ascii, other) = STEPS_PER_BYTE;
    let per_byte = if left.is_ascii() && right.is_ascii() { ascii } else { other };
    (left.len() + right.len()) * per_byte
}

/// What two different texts have to do with each other.
pub(super) fn texts(left: &str, right: &str) -> Option<Relation> {
    if left.is_empty() != right.is_empty() {
        return Some(Relation::EmptyVsValue);
    }
    if left.len().max(right.len()) > MOST_HINTED_BYTES {
        return truncated(left, right);
    }
    embedded(left, right)
        .or_else(|| spelling(left, right))
        .or_else(|| moments(left, right))
        .or_else(|| (is_uuid(left) && is_uuid(right)).then_some(Relation::BothUuid))
        .or_else(|| urls(left, right))
        .or_else(|| encoding(left, right))
        .or_else(|| truncated(left, right))
        .or_else(|| (text_class(left) != text_class(right)).then_some(Relation::ClassChanged))
}

/// The same words in other letters, blanks or line ends.
fn spelling(left: &str, right: &str) -> Option<Relation> {
    if left.chars().flat_map(char::to_lowercase).eq(right.chars().flat_map(char::to_lowercase)) {
        return Some(Relation::CaseOnly);
    }
    let lines = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
    if (left.contains('\r') || right.contains('\r')) && lines(left) == lines(right) {
        return Some(Relation::NewlineStyle);
    }
    let visible = |text| str::chars(text).filter(|character| !character.is_whitespace());
    if visible(left).eq(visible(right)) {
        return Some(Relation::WhitespaceOnly);
    }
    if left.is_ascii() && right.is_ascii() {
        return None;
    }
    if left.nfc().eq(right.nfc()) {
        return Some(Relation::UnicodeNormalForm);
    }
    left.nfkc().eq(right.nfkc()).then_some(Relation::UnicodeCompatForm)
}

fn moments(left: &str, right: &str) -> Option<Relation> {
    let (one, other) = (moment::read(left)?, moment::read(right)?);
    Some(match (one.precision, other.precision) {
        (Precision::Instant, Precision::Instant) => match apart(one, other) {
            0 => Relation::SameInstant,
            1..=CLOSE_NANOSECONDS => Relation::DatetimeClose,
            _ => Relation::BothDatetime,
        },
        (Precision::Instant, Precision::Local) | (Precision::Local, Precision::Instant)
            if left.get(..19) == right.get(..19) =>
        {
            Relation::MissingTimezone
        }
        (Precision::Date, Precision::Instant | Precision::Local)
        | (Precision::Instant | Precision::Local, Precision::Date) => Relation::DatetimeVsDate,
        _ => Relation::BothDatetime,
    })
}

fn apart(one: Moment, other: Moment) -> u128 {
    one.nanoseconds.abs_diff(other.nanoseconds)
}

fn urls(left: &str, right: &str) -> Option<Relation> {
    let ((left_host, left_path), (right_host, right_path)) = (url(left)?, url(right)?);
    if left_path == right_path {
        let is_one_host = left_host == right_host;
        return Some(if is_one_host { Relation::UrlSchemeOnly } else { Relation::UrlHostOnly });
    }
    let parameters = |path: &str| {
        let (path, query) = path.split_once('?')?;
        let mut query: Vec<String> = query.split('&').map(str::to_owned).collect();
        query.sort_unstable();
        Some((path.to_owned(), query))
    };
    let is_reordered = left_host == right_host
        && parameters(left_path).is_some_and(|left| Some(left) == parameters(right_path));
    is_reordered.then_some(Relation::UrlQueryOrder)
}

/// The same once some way of writing things down is undone.
fn encoding(left: &str, right: &str) -> Option<Relation> {
    let either = |character| left.contains(character) || right.contains(character);
    if either('%') && percent_decode_str(left).eq(percent_decode_str(right)) {
        return Some(Relation::PercentEncoding);
    }
    let resolved = |text| unescape(text).unwrap_or(Cow::Borrowed(text));
    if either('&') && resolved(left) == resolved(right) {
        return Some(Relation::HtmlEntity);
    }
    let is_padding = either('=') && left.trim_end_matches('=') == right.trim_end_matches('=');
    is_padding.then_some(Relation::Base64Padding)
}

/// Two documents within strings: blanks and order say nothing there.
fn embedded(left: &str, right: &str) -> Option<Relation> {
    let is_container = |text: &str| text.trim_start().starts_with(['{', '[']);
    if !(is_container(left) && is_container(right)) {
        return None;
    }
    let mut steps = Steps::default();
    let left = json::read(left.as_bytes(), &mut steps).ok()?;
    let right = json::read(right.as_bytes(), &mut steps).ok()?;
    is_same(&left, &right).then_some(Relation::EmbeddedJsonEqual)
}

fn is_same(left: &Json<'_>, right: &Json<'_>) -> bool {
    match (left, right) {
        (Json::Null, Json::Null) => true,
        (Json::Bool(left), Json::Bool(right)) => left == right,
        (Json::Number(left), Json::Number(right)) => number::same(left, right),
        (Json::String(left), Json::String(right)) => left == right,
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(one, other)| is_same(one, other))
        }
        (Json::Object(left), Json::Object(right)) => {
            let same =
                |((key, one), (other_key, other)): (&json::Member<'_>, &json::Member<'_>)| {
                    key == other_key && is_same(one, other)
                };
            left.len() == right.len() && left.iter().zip(right).all(same)
        }
        _ => false,
    }
}

fn truncated(left: &str, right: &str) -> Option<Relation> {
    let (short, long) = if left.len() <= right.len() { (left, right) } else { (right, left) };
    (!short.is_empty() && long.starts_with(short)).then_some(Relation::Truncated)
}
