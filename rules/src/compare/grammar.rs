//! How is a JSON text read? By the grammar of RFC 8259, into whatever is wanted of it.

use std::borrow::Cow;

use super::findings::Steps;
use super::json::{Json, MOST_DEPTH, Member, Unread};

/// Bytes of a number: enough for every one that means something.
const MOST_NUMBER_BYTES: usize = 4_096;
/// What a string with escapes costs more than one without, in steps: it is copied.
const ESCAPED_STEPS: usize = 4;
/// Members that room is made for before an object is read.
const MOST_GUESSED: usize = 64;

/// Which bytes end a run of plain characters in a string.
#[expect(clippy::indexing_slicing, reason = "it is below 256, and this happens while compiling")]
static ENDS_PLAIN: [bool; 256] = {
    let mut ends = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        ends[byte] = byte < 0x20 || byte == b'"' as usize || byte == b'\\' as usize;
        byte += 1;
    }
    ends
};

/// What becomes of a text's values as they are read.
pub(super) trait Built<'b>: Sized {
    /// What an array's elements come together in.
    type Elements: Default;

    fn scalar(value: Json<'b>) -> Self;
    fn element(elements: &mut Self::Elements, element: Self);
    fn array(elements: Self::Elements) -> Self;
    /// The members are as they stand in the text. Of duplicate keys, the last one counts.
    fn object(members: Vec<Member<'b, Self>>) -> Self;
}

/// Reads one document. That the text is UTF-8 is seen once, before anything else.
pub(super) fn document<'b, V: Built<'b>>(
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
            return Ok(V::object(members));
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
        let is_end = |byte: &u8| ENDS_PLAIN.get(usize::from(*byte)).is_none_or(|ends| *ends);
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
