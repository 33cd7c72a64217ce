//! What does a JSON text say? A tree that borrows from it, with numbers as they are written.

use std::borrow::Cow;

use super::findings::Steps;
use super::grammar::{Built, document};

/// Containers inside containers.
pub(super) const MOST_DEPTH: usize = 128;
/// Values in one text, containers included.
pub(super) const MOST_NODES: usize = 200_000;

/// Members of an object whose keys are compared with each other.
const FEW_MEMBERS: usize = 16;

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

pub(super) type Member<'b, V = Json<'b>> = (Cow<'b, str>, V);

impl<'b> Built<'b> for Json<'b> {
    type Elements = Vec<Self>;

    fn scalar(value: Self) -> Self {
        value
    }

    fn element(elements: &mut Vec<Self>, element: Self) {
        elements.push(element);
    }

    fn array(elements: Vec<Self>) -> Self {
        Self::Array(elements)
    }

    fn object(members: Vec<Member<'b>>) -> Self {
        Self::Object(sorted(members))
    }
}

/// How many leaves a value has, of which nothing else is kept.
struct Leaves(u64);

impl<'b> Built<'b> for Leaves {
    type Elements = u64;

    fn scalar(_: Json<'b>) -> Self {
        Self(1)
    }

    fn element(elements: &mut u64, element: Self) {
        *elements += element.0;
    }

    fn array(elements: u64) -> Self {
        Self(elements.max(1))
    }

    fn object(members: Vec<Member<'b, Self>>) -> Self {
        let members = if are_distinct(&members) { members } else { sorted(members) };
        Self::array(members.iter().map(|(_, member)| member.0).sum())
    }
}

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

impl From<std::str::Utf8Error> for Unread {
    fn from(_: std::str::Utf8Error) -> Self {
        Self::Invalid
    }
}

/// Reads a text; a byte order mark before it is passed over.
pub(super) fn read<'b>(text: &'b [u8], steps: &mut Steps) -> Result<Json<'b>, Unread> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut nodes_left = MOST_NODES;
    document(text, &mut nodes_left, steps)
}

/// Counts the leaves of the tree that [`read`] makes of a text.
pub(super) fn leaves(text: &[u8], steps: &mut Steps) -> Result<u64, Unread> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut nodes_left = MOST_NODES;
    document(text, &mut nodes_left, steps).map(|Leaves(leaves)| leaves)
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
        documents.push(document(line, &mut nodes_left, steps)?);
    }
    Ok(Json::Array(documents))
}

/// Whether all keys are surely different ones. Few are compared with each other, which takes less than to sort them.
fn are_distinct<V>(members: &[Member<'_, V>]) -> bool {
    let is_new = |(place, (key, _)): (usize, &Member<'_, V>)| {
        members.iter().take(place).all(|(earlier, _)| earlier != key)
    };
    members.len() <= FEW_MEMBERS && members.iter().enumerate().all(is_new)
}

/// Sorted by key, the last of each.
pub(super) fn sorted<'b, V>(mut members: Vec<Member<'b, V>>) -> Vec<Member<'b, V>> {
    if members.is_sorted_by(|(left, _), (right, _)| left < right) {
        return members;
    }
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
    use proptest::prelude::*;
    use serde_json::Value;

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

    #[test]
    fn of_duplicate_keys_the_last_one_is_counted_however_many_members_there_are() {
        for members in [1, FEW_MEMBERS - 1, FEW_MEMBERS, FEW_MEMBERS + 1, 100] {
            let all: String = (0..members).map(|n| format!("\"k{n}\":1,")).collect();
            for (last, leaves) in [("\"k0\":[1,2,3]", members + 2), ("\"z\":[1,2]", members + 2)] {
                let text = format!("{{{all}{last}}}");
                let counted = super::leaves(text.as_bytes(), &mut Steps::default());
                assert_eq!(counted, Ok(leaves as u64), "{text}");
                let read = read(text.as_bytes(), &mut Steps::default());
                assert_eq!(read.unwrap().leaves(), leaves as u64, "{text}");
            }
        }
    }

    fn as_value(json: &Json<'_>) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => (*value).into(),
            Json::Number(literal) => serde_json::from_str(literal).unwrap(),
            Json::String(text) => text.as_ref().into(),
            Json::Array(elements) => elements.iter().map(as_value).collect(),
            Json::Object(members) => {
                let members =
                    members.iter().map(|(key, member)| (key.to_string(), as_value(member)));
                Value::Object(members.collect())
            }
        }
    }

    fn agrees(text: &str) -> Result<(), TestCaseError> {
        let read = read(text.as_bytes(), &mut Steps::default());
        let read = read.ok().as_ref().map(as_value);
        prop_assert_eq!(read, serde_json::from_str::<Value>(text).ok(), "{}", text);
        let (mut one, mut other) = (Steps::default(), Steps::default());
        let tree = super::read(text.as_bytes(), &mut one);
        let counted = leaves(text.as_bytes(), &mut other);
        prop_assert_eq!(tree.map(|tree| tree.leaves()), counted, "{}", text);
        prop_assert_eq!(one.left(), other.left(), "{}", text);
        Ok(())
    }

    proptest! {
        /// Another reader takes the same texts, and reads the same in them.
        #[test]
        fn what_is_read_is_what_another_reader_reads(text in "[\\[\\]{}\",:\\\\ue0-9.\\-+ \ntrfalsn\u{1}é]{0,24}") {
            agrees(&text)?;
        }

        #[test]
        fn strings_and_numbers_are_read_as_another_reader_does(
            string in "(\\\\u[d0][89cd0][0-9a-f]{2}|\\\\[bfnrt/\"\\\\x]|[a-zé\u{10000}]){0,6}",
            number in "-?(0|[1-9]?[0-9]{1,3})(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?",
        ) {
            agrees(&format!("\"{string}\""))?;
            agrees(&number)?;
            agrees(&format!("{{\"{string}\":[{number} ,{number}],\"a\":1,\"a\":2}}"))?;
        }
    }
}
