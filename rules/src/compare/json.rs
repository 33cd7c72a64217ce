//! What does a JSON text say? A tree that borrows from it, with numbers as they are written.

use std::borrow::Cow;

use jiter::{Jiter, JiterError, JiterErrorType, JsonErrorType, Peek};

use super::findings::Steps;

/// Containers inside containers.
pub(super) const MOST_DEPTH: usize = 128;
/// Values in one text, containers included.
pub(super) const MOST_NODES: usize = 200_000;

/// A JSON value.
#[derive(Debug)]
pub(super) enum Json<'b> {
    Null,
    Bool(bool),
    /// The literal as written.
    Number(&'b str),
    String(Cow<'b, str>),
    Array(Vec<Json<'b>>),
    /// Sorted by key; of duplicate keys, the last one.
    Object(Vec<Member<'b>>),
}

impl Json<'_> {
    /// How many leaves it has: scalars and empty containers.
    pub(super) fn leaves(&self) -> u64 {
        match self {
            Json::Array(elements) if !elements.is_empty() => {
                elements.iter().map(Json::leaves).sum()
            }
            Json::Object(members) if !members.is_empty() => {
                members.iter().map(|(_, member)| member.leaves()).sum()
            }
            _ => 1,
        }
    }
}

pub(super) type Member<'b> = (Cow<'b, str>, Json<'b>);

/// Why there is no tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// The text is not JSON.
    Invalid,
    /// It is nested too deeply, or has too many values or digits.
    TooLarge,
    /// It is to be taken for a text.
    Text,
}

impl From<JiterError> for Unread {
    fn from(error: JiterError) -> Self {
        match error.error_type {
            JiterErrorType::JsonError(JsonErrorType::NumberOutOfRange) => Self::TooLarge,
            _ => Self::Invalid,
        }
    }
}

impl From<std::str::Utf8Error> for Unread {
    fn from(_: std::str::Utf8Error) -> Self {
        Self::Invalid
    }
}

/// Reads a text; a byte order mark before it is passed over.
pub(super) fn read<'b>(text: &'b [u8], steps: &mut Steps) -> Result<Json<'b>, Unread> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut nodes_left = MOST_NODES;
    let value = document(text, &mut nodes_left)?;
    steps.spend(MOST_NODES - nodes_left)?;
    Ok(value)
}

/// Reads a document per line, into the list of them. Blank lines say nothing.
pub(super) fn read_lines<'b>(text: &'b [u8], steps: &mut Steps) -> Result<Json<'b>, Unread> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut nodes_left = MOST_NODES;
    let mut documents = Vec::new();
    // A record separator may stand before each of them (RFC 7464).
    let lines =
        text.split(|byte| *byte == b'\n').map(|line| line.strip_prefix(b"\x1e").unwrap_or(line));
    for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
        documents.push(document(line, &mut nodes_left)?);
    }
    steps.spend(MOST_NODES - nodes_left)?;
    Ok(Json::Array(documents))
}

fn document<'b>(text: &'b [u8], nodes_left: &mut usize) -> Result<Json<'b>, Unread> {
    let mut reader = Reader { jiter: Jiter::new(text), nodes_left: *nodes_left };
    let first = reader.jiter.peek()?;
    let value = reader.value(first, MOST_DEPTH)?;
    reader.jiter.finish()?;
    *nodes_left = reader.nodes_left;
    Ok(value)
}

struct Reader<'b> {
    jiter: Jiter<'b>,
    nodes_left: usize,
}

impl<'b> Reader<'b> {
    fn value(&mut self, first: Peek, depth_left: usize) -> Result<Json<'b>, Unread> {
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or(Unread::TooLarge)?;
        let start = self.jiter.current_index();
        Ok(match first {
            Peek::Null => {
                self.jiter.known_null()?;
                Json::Null
            }
            Peek::True | Peek::False => Json::Bool(self.jiter.known_bool(first)?),
            Peek::String => {
                self.jiter.known_bytes()?;
                Json::String(unquoted(self.jiter.slice_to_current(start))?)
            }
            Peek::Array => self.array(depth_left.checked_sub(1).ok_or(Unread::TooLarge)?)?,
            Peek::Object => self.object(depth_left.checked_sub(1).ok_or(Unread::TooLarge)?)?,
            _ => {
                self.jiter.known_number_bytes(first)?;
                Json::Number(str::from_utf8(self.jiter.slice_to_current(start))?)
            }
        })
    }

    fn array(&mut self, depth_left: usize) -> Result<Json<'b>, Unread> {
        let mut elements = Vec::new();
        let mut next = self.jiter.known_array()?;
        while let Some(first) = next {
            elements.push(self.value(first, depth_left)?);
            next = self.jiter.array_step()?;
        }
        Ok(Json::Array(elements))
    }

    fn object(&mut self, depth_left: usize) -> Result<Json<'b>, Unread> {
        let mut members = Vec::new();
        let mut start = self.jiter.current_index();
        let mut has_member = self.jiter.known_object()?.is_some();
        while has_member {
            let key = key(self.jiter.slice_to_current(start))?;
            let first = self.jiter.peek()?;
            members.push((key, self.value(first, depth_left)?));
            start = self.jiter.current_index();
            has_member = self.jiter.next_key()?.is_some();
        }
        Ok(Json::Object(sorted(members)))
    }
}

/// The key in what stands between two values: `{` or `,`, the key, `:`, and blanks.
fn key(between: &[u8]) -> Result<Cow<'_, str>, Unread> {
    let is_quote = |byte: &u8| *byte == b'"';
    let start = between.iter().position(is_quote).ok_or(Unread::Invalid)?;
    let end = between.iter().rposition(is_quote).ok_or(Unread::Invalid)?;
    unquoted(between.get(start..=end).ok_or(Unread::Invalid)?)
}

/// The text in quotes: borrowed, unless there are escapes to undo.
fn unquoted(quoted: &[u8]) -> Result<Cow<'_, str>, Unread> {
    let inner = quoted.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\""));
    let inner = inner.ok_or(Unread::Invalid)?;
    if inner.contains(&b'\\') {
        return Ok(Cow::Owned(Jiter::new(quoted).next_str()?.to_owned()));
    }
    Ok(Cow::Borrowed(str::from_utf8(inner)?))
}

/// Sorted by key, the last of each.
pub(super) fn sorted(mut members: Vec<Member<'_>>) -> Vec<Member<'_>> {
    members.sort_by(|(left, _), (right, _)| left.cmp(right));
    members.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same {
            std::mem::swap(later, earlier);
        }
        is_same
    });
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let read = read(text.as_bytes(), &mut Steps::default());
        read.map_or_else(|error| format!("{error:?}"), |json| format!("{json:?}"))
    }

    #[test]
    fn keys_and_strings_are_unescaped_and_the_last_duplicate_wins() {
        assert_eq!(
            shown(r#" { "b\"\u0061" : "x\n", "a":1 ,"a":[null,true, -1.50E+2] } "#),
            r#"Object([("a", Array([Null, Bool(true), Number("-1.50E+2")])), ("b\"a", String("x\n"))])"#
        );
        assert_eq!(shown("\u{feff}{}"), "Object([])");
    }

    #[test]
    fn what_is_no_json_or_too_much_of_it_is_not_read() {
        for text in
            ["", " ", "{", "[1,]", "{\"a\"}", "01", "1 2", "nul", "NaN", "\"\\ud800\"", "\"\u{1}\""]
        {
            assert_eq!(shown(text), "Invalid", "{text:?}");
        }
        assert_eq!(read(b"\"\xff\"", &mut Steps::default()).err(), Some(Unread::Invalid));
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!shown(&nested(MOST_DEPTH)).contains("TooLarge"));
        assert_eq!(shown(&nested(MOST_DEPTH + 1)), "TooLarge");
        assert_eq!(shown(&format!("[{}0]", "0,".repeat(MOST_NODES - 1))), "TooLarge");
        assert_eq!(shown(&"1".repeat(5_000)), "TooLarge");
    }
}
