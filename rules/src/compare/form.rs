//! What do a form and a body of several parts say? Names with their values, in order for each name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::findings::Steps;
use super::json::{Json, MOST_NODES, Unread};

/// What a value costs, in steps: it is decoded, copied, and sorted in by its name.
const VALUE_STEPS: usize = 30;

/// Reads `application/x-www-form-urlencoded`: an object in which each name has the list of its values.
pub(super) fn read<'c>(content: &[u8], steps: &mut Steps) -> Result<Json<'c>, Unread> {
    let text = str::from_utf8(content)?;
    let mut lists = Lists::default();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        lists.push(plain(name), Json::String(Cow::Owned(plain(value))), steps)?;
    }
    Ok(lists.into_object())
}

fn plain(text: &str) -> String {
    let spaced = text.replace('+', " ");
    latin_or_utf8(&percent_decode_str(&spaced).collect::<Vec<u8>>())
}

/// Reads `multipart/*` (RFC 2046 section 5.1): each name has the list of its parts, and parts without a name are the
/// list of the empty one. A part is an object of its media type, its file's name and its content.
pub(super) fn read_parts<'c>(
    content: &[u8],
    media: &str,
    steps: &mut Steps,
) -> Result<Json<'c>, Unread> {
    let boundary = parameter(media, "boundary").ok_or(Unread::Invalid)?;
    let delimiter = format!("--{boundary}");
    let mut pieces = split(content, delimiter.as_bytes()).skip(1);
    let mut lists = Lists::default();
    loop {
        let piece = pieces.next().ok_or(Unread::Invalid)?;
        if piece.starts_with(b"--") {
            return Ok(lists.into_object());
        }
        let piece = piece.strip_prefix(b"\r\n").or_else(|| piece.strip_prefix(b"\n"));
        let (name, part) = part(piece.ok_or(Unread::Invalid)?)?;
        lists.push(name, part, steps)?;
    }
}

fn part<'c>(piece: &[u8]) -> Result<(String, Json<'c>), Unread> {
    let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
    let piece = piece.strip_suffix(b"\r").unwrap_or(piece);
    let mut members = BTreeMap::new();
    let mut name = String::new();
    let mut rest = piece;
    while let Some((line, after)) = line(rest) {
        rest = after;
        if line.is_empty() {
            break;
        }
        let text = latin_or_utf8(line);
        let (field, value) = text.split_once(':').ok_or(Unread::Invalid)?;
        match field.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => {
                name = parameter(value, "name").unwrap_or_default();
                members.extend(parameter(value, "filename").map(|file| ("filename", file)));
            }
            "content-type" => {
                members.insert("type", value.trim().to_ascii_lowercase());
            }
            _ => {}
        }
    }
    members.insert("content", latin_or_utf8(rest));
    let member =
        |(key, text): (&'static str, String)| (Cow::Borrowed(key), Json::String(Cow::Owned(text)));
    Ok((name, Json::Object(members.into_iter().map(member).collect())))
}

/// A line without its end, and what comes after it.
fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let (line, after) = text.split_at_checked(end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), after.get(1..)?))
}

/// A parameter of a header's value, unquoted.
fn parameter(value: &str, name: &str) -> Option<String> {
    let parameters = value.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut named = parameters.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    let value = named.next()?.1.trim();
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    Some(unquoted.unwrap_or(value).to_owned()).filter(|value| !value.is_empty())
}

fn split<'c>(content: &'c [u8], delimiter: &'c [u8]) -> impl Iterator<Item = &'c [u8]> {
    let mut rest = Some(content);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = memchr::memmem::find(text, delimiter) else {
            rest = None;
            return Some(text);
        };
        rest = text.get(at + delimiter.len()..);
        text.get(..at)
    })
}

/// Bytes that are no UTF-8 are told apart all the same: each is a character.
fn latin_or_utf8(bytes: &[u8]) -> String {
    str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}

/// Values by name.
#[derive(Default)]
struct Lists<'c> {
    by_name: BTreeMap<String, Vec<Json<'c>>>,
    count: usize,
}

impl<'c> Lists<'c> {
    fn push(&mut self, name: String, value: Json<'c>, steps: &mut Steps) -> Result<(), Unread> {
        self.count += 1;
        if self.count > MOST_NODES {
            return Err(Unread::TooLarge);
        }
        steps.spend(VALUE_STEPS)?;
        self.by_name.entry(name).or_default().push(value);
        Ok(())
    }

    fn into_object(self) -> Json<'c> {
        let member = |(name, values)| (Cow::Owned(name), Json::Array(values));
        Json::Object(self.by_name.into_iter().map(member).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(read: Result<Json<'_>, Unread>) -> String {
        read.map_or_else(|error| format!("{error:?}"), |tree| format!("{tree:?}"))
    }

    #[test]
    fn a_form_is_its_names_with_their_values_in_order() {
        let form = |text: &str| shown(read(text.as_bytes(), &mut Steps::default()));
        assert_eq!(form("b=2&a=1&a=%C3%A9+x"), form("a=1&&a=\u{e9}%20x&b=2"));
        assert_ne!(form("a=1&a=2"), form("a=2&a=1"));
        assert_eq!(form("a"), form("a="));
    }

    #[test]
    fn parts_are_told_by_their_names() {
        let parts = |text: &str, media: &str| {
            shown(read_parts(text.as_bytes(), media, &mut Steps::default()))
        };
        let part = |name: &str, text: &str| {
            format!(
                "Content-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\nContent-Type: Text/Plain\r\n\r\n{text}\r\n"
            )
        };
        let body = |boundary: &str, first: &str, second: &str| {
            format!("--{boundary}\r\n{first}--{boundary}\r\n{second}--{boundary}--\r\n")
        };
        let one = body("b1", &part("a", "1"), &part("b", "2"));
        let other = body("b2", &part("b", "2"), &part("a", "1"));
        let media = "multipart/form-data; boundary=";
        let read = parts(&one, &format!("{media}b1"));
        assert_eq!(read, parts(&other, &format!("{media}\"b2\"")));
        assert!(read.contains(r#"("content", String("1")), ("filename", String("f")), ("type", String("text/plain"))"#), "{read}");
        for (text, media) in [
            ("--b\r\n", "multipart/mixed; boundary=b"),
            (&*one, "multipart/mixed"),
            ("x", "multipart/mixed; boundary=b"),
        ] {
            assert_eq!(parts(text, media), "Invalid", "{text}");
        }
    }
}
