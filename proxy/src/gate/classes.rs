//! Which bytes may stand where? A table for tokens, and scans for targets and field values.

const TOKEN: u8 = 1;
/// In a token, but neither a letter, a digit nor a hyphen: what some readers turn into a hyphen.
const ODD: u8 = 2;
const HYPHEN: u8 = 4;

const CLASSES: [u8; 256] = classes();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated while compiling, with an index below 256"
)]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut at = 0;
    while at < classes.len() {
        classes[at] = class_of(at as u8);
        at += 1;
    }
    classes
}

const fn class_of(byte: u8) -> u8 {
    let plain = byte.is_ascii_alphanumeric() || byte == b'-';
    // RFC 9110, section 5.6.2.
    let odd = matches!(
        byte,
        b'!' | b'#'
            | b'$'
            | b'%'
            | b'&'
            | b'\''
            | b'*'
            | b'+'
            | b'.'
            | b'^'
            | b'_'
            | b'`'
            | b'|'
            | b'~'
    );
    (if plain || odd { TOKEN } else { 0 })
        | (if odd { ODD } else { 0 })
        | (if byte == b'-' { HYPHEN } else { 0 })
}

fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(0)
}

/// How a name reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// A token of letters, digits and single hyphens.
    Plain,
    /// A token with other characters, or hyphens side by side, which some readers take for one hyphen.
    Odd,
    /// No token.
    Bad,
}

/// How the whole of this reads as a name.
pub(super) fn name(bytes: &[u8]) -> Name {
    match split_name(bytes) {
        (name, read) if name.len() == bytes.len() => read,
        _ => Name::Bad,
    }
}

/// What names a field at the front of a line, up to the first byte that has no place in a name, and how it reads.
pub(super) fn split_name(line: &[u8]) -> (&[u8], Name) {
    let (mut length, mut any, mut twice, mut before) = (0, 0, 0, 0);
    for &byte in line {
        let class = class(byte);
        if class & TOKEN == 0 {
            break;
        }
        any |= class;
        twice |= class & before;
        before = class;
        length += 1;
    }
    let read = match ((any & ODD) | (twice & HYPHEN) != 0, length) {
        (_, 0) => Name::Bad,
        (true, _) => Name::Odd,
        (false, _) => Name::Plain,
    };
    (line.get(..length).unwrap_or_default(), read)
}

pub(super) fn is_token(bytes: &[u8]) -> bool {
    name(bytes) != Name::Bad
}

/// Whether nothing but what a target may hold is there: what is visible, besides what RFC 3986 leaves out of every part of
/// a URI, and the fragment, which is never sent.
///
/// Looks at every byte without branching, so that the compiler can take many at once.
pub(super) fn is_target(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |all, &byte| {
        let visible = (byte > 0x20) & (byte < 0x7f);
        let quotes = (byte == b'"') | (byte == b'`') | (byte == b'^') | (byte == b'\\');
        let brackets = (byte == b'<') | (byte == b'>') | (byte == b'{') | (byte == b'}');
        all & visible & !quotes & !brackets & (byte != b'|') & (byte != b'#')
    })
}

/// Whether a control character is among them.
pub(super) fn has_control(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks();
    let found = words.iter().fold(0, |any, word| any | controls(u64::from_ne_bytes(*word)));
    found != 0 || rest.iter().any(u8::is_ascii_control)
}

/// Whether one of eight bytes is a control character: then some bit is set. Each byte is below 0x20 where subtracting that
/// sets its highest bit anew, and is 0x7f where subtracting one from what it differs in does; what a subtraction borrows
/// from a byte means that there was one before it.
const fn controls(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
    let below = word.wrapping_sub(ONES * 0x20) & !word;
    let other = word ^ (ONES * 0x7f);
    (below | (other.wrapping_sub(ONES) & !other)) & HIGHEST
}

/// Whether nothing but visible characters, blanks, tabs and bytes above 0x7f are there. (RFC 9110, section 5.5)
///
/// Looks at eight bytes at once. Tabs are rare.
pub(super) fn is_field_value(bytes: &[u8]) -> bool {
    !has_control(bytes) || !bytes.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t')
}

/// The value without the blanks and tabs around it.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_of_the_class_that_the_standards_give_it() {
        for byte in 0..=255_u8 {
            let one = [byte];
            let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(is_token(&one), token, "{byte:#x}");
            let target = (0x21..=0x7e).contains(&byte) && !b"\"<>\\^{}`|#".contains(&byte);
            assert_eq!(is_target(&one), target, "{byte:#x}");
            let value = byte == 9 || (byte >= 0x20 && byte != 0x7f);
            assert_eq!(is_field_value(&one), value, "{byte:#x}");
            assert_eq!(has_control(&one), byte.is_ascii_control(), "{byte:#x}");
            // Wherever it stands.
            for at in 0..20 {
                let mut many = *b"\x80 a\xff~b\xa0!c\x9f d efgh ij";
                many[at] = byte;
                assert_eq!(is_field_value(&many), value, "{byte:#x} at {at}");
                assert_eq!(has_control(&many), byte.is_ascii_control(), "{byte:#x} at {at}");
            }
        }
        assert_eq!((name(b""), name(b"X-1"), name(b"X_1")), (Name::Bad, Name::Plain, Name::Odd));
        assert_eq!((name(b"a-b-c"), name(b"a--b")), (Name::Plain, Name::Odd));
    }
}
