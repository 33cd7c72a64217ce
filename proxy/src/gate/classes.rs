//! Which bytes may stand where? Tables for tokens and targets, and a scan for field values.

const TOKEN: u8 = 1;
/// In a token, but neither a letter, a digit nor a hyphen: what some readers turn into a hyphen.
const ODD: u8 = 2;
const TARGET: u8 = 4;
const HYPHEN: u8 = 8;

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
    // What RFC 3986 leaves out of every part of a URI, and the fragment, which is never sent.
    let unsafe_in_target =
        matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'{' | b'}' | b'`' | b'|' | b'#');
    let target = byte.is_ascii_graphic() && !unsafe_in_target;
    (if plain || odd { TOKEN } else { 0 })
        | (if odd { ODD } else { 0 })
        | (if target { TARGET } else { 0 })
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

pub(super) fn name(bytes: &[u8]) -> Name {
    let (all, any, twice, _) =
        bytes.iter().fold((TOKEN, 0, 0, 0), |(all, any, twice, before), &byte| {
            let class = class(byte);
            (all & class, any | class, twice | class & before, class)
        });
    match (bytes.is_empty() || all & TOKEN == 0, (any & ODD) | (twice & HYPHEN) != 0) {
        (true, _) => Name::Bad,
        (false, true) => Name::Odd,
        (false, false) => Name::Plain,
    }
}

pub(super) fn is_token(bytes: &[u8]) -> bool {
    name(bytes) != Name::Bad
}

pub(super) fn is_target(bytes: &[u8]) -> bool {
    bytes.iter().fold(TARGET, |all, &byte| all & class(byte)) != 0
}

/// Whether nothing but visible characters, blanks, tabs and bytes above 0x7f are there. (RFC 9110, section 5.5)
///
/// Looks at every byte without branching, so that the compiler can take many at once.
pub(super) fn is_field_value(bytes: &[u8]) -> bool {
    !bytes.iter().fold(false, |bad, &byte| bad | ((byte < 0x20) & (byte != b'\t')) | (byte == 0x7f))
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
        }
        assert_eq!((name(b""), name(b"X-1"), name(b"X_1")), (Name::Bad, Name::Plain, Name::Odd));
        assert_eq!((name(b"a-b-c"), name(b"a--b")), (Name::Plain, Name::Odd));
    }
}
