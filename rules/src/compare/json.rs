//! What does a JSON text say? A tree that borrows from it, with numbers as they are written.

use std::borrow::Cow;

use super::findings::Steps;

/// Containers inside containers.
pub(super) const MOST_DEPTH: usize = 128;
/// Bytes of a number: enough for every one that means something.
const MOST_NUMBER_BYTES: usize = 4_096;
/// What a string with escapes costs more than one without, in steps: it is copied.
const ESCAPED_STEPS: usize = 4;
/// Members that room is made for before an object is read.
const MOST_GUESSED: usize = 64;
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

pub(super) type Member<'b, V = Json<'b>> = (Cow<'b, str>, V);

/// What becomes of a text's values as they are read.
trait Built<'b>: Sized {
    /// What an array's elements come together in.
    type Elements: Default;

    fn scalar(value: Json<'b>) -> Self;
    fn element(elements: &mut Self::Elements, element: Self);
    fn array(elements: Self::Elements) -> Self;
    /// The members are sorted by key; of duplicate keys, there is the last one.
    fn object(members: Vec<Member<'b, Self>>) -> Self;
}

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
        Self::Object(members)
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

/// Reads one document. That the text is UTF-8 is seen once, before anything else.
fn document<'b, V: Built<'b>>(
    text: &'b [u8],
    nodes_left: &mut usize,
    steps: &mut Steps,
) -> Result<V, Unread> {
    let text = str::from_utf8(text)?;
    let mut reader = Reader { text, at: 0, nodes_left, steps, members: 0 };
    let value = reader.value(MOST_DEPTH)?;
    reader.blanks();
    if reader.at == text.len() { Ok(value) } else { Err(Unread::Invalid) }
}

/// Reads RFC 8259's grammar. The text is looked at once, and nothing of it is copied but strings with escapes.
struct Reader<'b, 's> {
    text: &'b str,
    at: usize,
    nodes_left: &'s mut usize,
    steps: &'s mut Steps,
    /// Members of the last object: the next one is often alike.
    members: usize,
}

impl<'b> Reader<'b, '_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Goes past this byte and blanks before it; says whether it was there.
    fn took(&mut self, byte: u8) -> bool {
        self.blanks();
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn value<V: Built<'b>>(&mut self, depth_left: usize) -> Result<V, Unread> {
        *self.nodes_left = self.nodes_left.checked_sub(1).ok_or(Unread::TooLarge)?;
        self.steps.spend(1)?;
        self.blanks();
        match self.peek().ok_or(Unread::Invalid)? {
            b'"' => self.string().map(Json::String).map(V::scalar),
            b'{' => self.object(depth_left.checked_sub(1).ok_or(Unread::TooLarge)?),
            b'[' => self.array(depth_left.checked_sub(1).ok_or(Unread::TooLarge)?),
            b'n' => self.word("null", Json::Null),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            _ => self.number().map(Json::Number).map(V::scalar),
        }
    }

    fn word<V: Built<'b>>(&mut self, word: &str, value: Json<'b>) -> Result<V, Unread> {
        let is_there = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        self.at += word.len();
        if is_there { Ok(V::scalar(value)) } else { Err(Unread::Invalid) }
    }

    fn array<V: Built<'b>>(&mut self, depth_left: usize) -> Result<V, Unread> {
        self.at += 1;
        let mut elements = V::Elements::default();
        if self.took(b']') {
            return Ok(V::array(elements));
        }
        loop {
            V::element(&mut elements, self.value(depth_left)?);
            if self.took(b',') {
                continue;
            }
            return if self.took(b']') { Ok(V::array(elements)) } else { Err(Unread::Invalid) };
        }
    }

    fn object<V: Built<'b>>(&mut self, depth_left: usize) -> Result<V, Unread> {
        self.at += 1;
        if self.took(b'}') {
            return Ok(V::object(Vec::new()));
        }
        let mut members = Vec::with_capacity(self.members);
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return Err(Unread::Invalid);
            }
            let key = self.string()?;
            if !self.took(b':') {
                return Err(Unread::Invalid);
            }
            members.push((key, self.value(depth_left)?));
            if self.took(b',') {
                continue;
            }
            if !self.took(b'}') {
                return Err(Unread::Invalid);
            }
            // A guess that is far too large would cost more than it saves.
            self.members = members.len().min(MOST_GUESSED);
            return Ok(V::object(sorted(members)));
        }
    }

    /// A string, from its opening quote on.
    fn string(&mut self) -> Result<Cow<'b, str>, Unread> {
        let start = self.at + 1;
        match self.plain(start) {
            (end, Some(b'"')) => {
                self.at = end + 1;
                self.text.get(start..end).map(Cow::Borrowed).ok_or(Unread::Invalid)
            }
            (end, Some(b'\\')) => self.unescaped(start, end).map(Cow::Owned),
            _ => Err(Unread::Invalid),
        }
    }

    /// Where a run of plain characters ends, and what ends it: a quote, a backslash, or what may not stand in a string.
    fn plain(&self, start: usize) -> (usize, Option<u8>) {
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let is_end = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let length = rest.iter().position(is_end).unwrap_or(rest.len());
        (start + length, rest.get(length).copied())
    }

    fn unescaped(&mut self, mut start: usize, mut end: usize) -> Result<String, Unread> {
        self.steps.spend(ESCAPED_STEPS)?;
        let mut text = String::new();
        loop {
            text.push_str(self.text.get(start..end).ok_or(Unread::Invalid)?);
            self.at = end + 1;
            text.push(self.escape()?);
            start = self.at;
            let ended;
            (end, ended) = self.plain(start);
            match ended {
                Some(b'"') => {
                    text.push_str(self.text.get(start..end).ok_or(Unread::Invalid)?);
                    self.at = end + 1;
                    return Ok(text);
                }
                Some(b'\\') => {}
                _ => return Err(Unread::Invalid),
            }
        }
    }

    /// What an escape stands for, from behind its backslash on.
    fn escape(&mut self) -> Result<char, Unread> {
        let escaped = self.peek().ok_or(Unread::Invalid)?;
        self.at += 1;
        Ok(match escaped {
            b'"' | b'\\' | b'/' => char::from(escaped),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return char::from_u32(first.into()).ok_or(Unread::Invalid);
                }
                let is_pair = self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\u"));
                self.at += 2;
                let units = [first, if is_pair { self.unit()? } else { 0 }];
                let mut characters = char::decode_utf16(units);
                characters.next().and_then(Result::ok).ok_or(Unread::Invalid)?
            }
            _ => return Err(Unread::Invalid),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u16, Unread> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(Unread::Invalid)?;
        self.at += 4;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| is_hex).ok_or(Unread::Invalid)
    }

    /// A number's literal.
    fn number(&mut self) -> Result<&'b str, Unread> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.digits()? {
            whole if whole > 1 && self.text.as_bytes().get(self.at - whole) == Some(&b'0') => {
                return Err(Unread::Invalid);
            }
            _ => {}
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        if self.at - start > MOST_NUMBER_BYTES {
            return Err(Unread::TooLarge);
        }
        self.text.get(start..self.at).ok_or(Unread::Invalid)
    }

    /// Goes past digits, at least one; says how many.
    fn digits(&mut self) -> Result<usize, Unread> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start { Ok(self.at - start) } else { Err(Unread::Invalid) }
    }
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
