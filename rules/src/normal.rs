//! What is the one spelling of a path? What is matched and what is forwarded are the same bytes. (INV-11)

use std::borrow::Cow;

use crate::readings::{self, decoded, hexadecimal};

/// Why a path has no normal form: two readers could take it for different paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unclear {
    /// A path begins with a slash.
    #[error("a path begins with `/`")]
    NoSlash,
    /// Some readers take two slashes for one, some do not.
    #[error("it has an empty segment, `//`")]
    EmptySegment,
    /// Controls, blanks, backslashes, non-ASCII, and what else RFC 3986 has nobody write.
    #[error("it has a character that must be escaped in a path")]
    Character,
    /// A percent sign without two hexadecimal digits.
    #[error("it has a `%` without two hexadecimal digits")]
    Escape,
    /// A control or a backslash, escaped once or more often.
    #[error("it has an escaped control character or backslash")]
    EscapedControl,
    /// UTF-8 in more bytes than it needs, which some readers take for what it stands for.
    #[error("it has UTF-8 that is longer than it needs to be")]
    Overlong,
    /// A dot segment for some readers only.
    #[error("it has a dot segment in disguise, such as `..;` or `%252E%252E`")]
    HiddenDots,
    /// Nobody can tell what it will be when everybody on the way has decoded it.
    #[error("it is escaped more than four times")]
    EscapedTooOften,
}

/// The normal form of a path: dot segments are removed (RFC 3986 section 5.2.4), escapes of unreserved characters are
/// decoded once (section 6.2.2.2), the digits of the others are in upper case (section 6.2.2.1).
///
/// Idempotent, and borrowed where nothing changes. An escaped slash stays `%2F`, since whether it is data is the
/// route's to say: see [`holds_encoded_slash`].
///
/// ```
/// use rules::normal::{Unclear, normal};
/// assert_eq!(normal("/v1/./sms/%37/../%7euser/a").unwrap(), "/v1/sms/~user/a");
/// assert_eq!(normal("/files/a%2fb").unwrap(), "/files/a%2Fb");
/// assert_eq!(normal("/v1//sms"), Err(Unclear::EmptySegment));
/// assert_eq!(normal("/v1/..;/admin"), Err(Unclear::HiddenDots));
/// ```
///
/// # Errors
/// When readers could differ about what it means.
pub fn normal(path: &str) -> Result<Cow<'_, str>, Unclear> {
    if is_plain(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    let inner = path.strip_prefix('/').ok_or(Unclear::NoSlash)?;
    let mut before = b'/';
    let (mut changes, mut undecoded) = (false, false);
    for character in Characters(inner.as_bytes()) {
        let Character { byte, escaped, changed } = character?;
        if byte == b'/' && before == b'/' && !escaped {
            return Err(Unclear::EmptySegment);
        }
        changes |= changed;
        undecoded |= escaped && matches!(byte, b'/' | b'%');
        before = if escaped { b'%' } else { byte };
    }
    if !changes && !inner.split('/').any(|segment| matches!(segment, "." | "..")) {
        readings::check(path)?;
        return Ok(Cow::Borrowed(path));
    }
    let (normal, climbed) = rewritten(inner);
    if climbed && undecoded {
        // Who decodes a slash before dots are removed climbs out of another segment.
        return Err(Unclear::HiddenDots);
    }
    readings::check(&normal)?;
    Ok(Cow::Owned(normal))
}

/// Whether a path in normal form holds a slash as data: `%2F`, or `%252F` that becomes one when it is decoded again.
#[must_use]
pub fn holds_encoded_slash(path: &str) -> bool {
    fn slashes(bytes: impl Iterator<Item = u8>) -> usize {
        bytes.filter(|byte| *byte == b'/').count()
    }
    path.as_bytes().contains(&b'%')
        && slashes(path.bytes()) < slashes(decoded(decoded(decoded(decoded(path.bytes())))))
}

/// Whether the path is one of the many that need no closer look: no escape, nothing that begins with a dot.
fn is_plain(path: &[u8]) -> bool {
    let fits = |byte: &u8| PLAIN.get(usize::from(*byte)).copied().unwrap_or(false);
    let begins_odd = |pair: &[u8]| matches!(pair, [b'/', b'/' | b'.']);
    path.first() == Some(&b'/') && path.iter().all(fits) && !path.windows(2).any(begins_odd)
}

/// What a path may hold as it is, by byte: a look-up is a third of the cost of the ranges.
#[expect(
    clippy::indexing_slicing,
    reason = "a byte is below 256, and this happens while compiling"
)]
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        plain[byte as usize] = byte == b'/' || is_written_plainly(byte);
        byte += 1;
    }
    plain
};

/// RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether a segment may hold the byte as it is: RFC 3986's `pchar`, and brackets, which many write.
const fn is_written_plainly(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&'..=b',' | b':' | b';' | b'=' | b'@' | b'[' | b']')
}

/// The normal path, and whether a `..` was in it. Every character has been read before.
fn rewritten(inner: &str) -> (String, bool) {
    let mut path = String::with_capacity(inner.len() + 1);
    let mut climbed = false;
    let mut segments = inner.split('/').peekable();
    while let Some(segment) = segments.next() {
        let start = path.len();
        path.push('/');
        for character in Characters(segment.as_bytes()).flatten() {
            character.write(&mut path);
        }
        match path.get(start..) {
            Some("/.") => path.truncate(start),
            Some("/..") => {
                path.truncate(start);
                path.truncate(path.rfind('/').unwrap_or(0));
                climbed = true;
            }
            _ => continue,
        }
        if segments.peek().is_none() {
            path.push('/');
        }
    }
    (path, climbed)
}

/// One character of a path.
struct Character {
    /// What it stands for.
    byte: u8,
    /// Whether it is an escape in normal form, too.
    escaped: bool,
    /// Whether its normal form is another one.
    changed: bool,
}

impl Character {
    fn write(&self, path: &mut String) {
        const DIGITS: [char; 16] =
            ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
        if self.escaped {
            let digits = [self.byte >> 4, self.byte & 0xf];
            path.push('%');
            path.extend(digits.iter().filter_map(|digit| DIGITS.get(usize::from(*digit))));
        } else {
            path.push(char::from(self.byte));
        }
    }
}

/// The characters of a path, an escape being one.
struct Characters<'p>(&'p [u8]);

impl Iterator for Characters<'_> {
    type Item = Result<Character, Unclear>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        if first != b'%' {
            let fits = first == b'/' || is_written_plainly(first);
            let plain = Character { byte: first, escaped: false, changed: false };
            return Some(if fits { Ok(plain) } else { Err(Unclear::Character) });
        }
        let escape = rest.split_first_chunk::<2>();
        let byte = escape.and_then(|(digits, rest)| {
            self.0 = rest;
            hexadecimal(*digits)
        });
        let Some(byte) = byte else { return Some(Err(Unclear::Escape)) };
        let escaped = !is_unreserved(byte);
        let in_lower_case =
            escape.is_some_and(|(digits, _)| digits.iter().any(u8::is_ascii_lowercase));
        Some(Ok(Character { byte, escaped, changed: !escaped || in_lower_case }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    #[test]
    fn every_spelling_has_one_normal_form() {
        for (written, form) in [
            ("/", "/"),
            ("/.", "/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/a/.", "/a/"),
            ("/a/./b/", "/a/b/"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/a/b/..", "/a/"),
            ("/a/b/../../c", "/c"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/%2E/b", "/b"),
            ("/%61%62%5f%7E%2d%2e%39", "/ab_~-.9"),
            ("/a%20b%c3%a9", "/a%20b%C3%A9"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%2541", "/a%2541"),
            ("/50%25fat", "/50%25fat"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/a..b/..c/d..", "/a..b/..c/d.."),
            ("/a;x=1/b;c", "/a;x=1/b;c"),
            ("/a..;b", "/a..;b"),
            ("/!$&'()*+,;=:@[]", "/!$&'()*+,;=:@[]"),
            ("/%3B%3f%23", "/%3B%3F%23"),
        ] {
            let found = normal(written);
            assert_eq!(found.as_deref(), Ok(form), "{written}");
            let is_borrowed = matches!(found, Ok(Cow::Borrowed(_)));
            assert_eq!(is_borrowed, written == form, "{written}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        use Unclear::{
            Character, EmptySegment, Escape, EscapedControl, EscapedTooOften, HiddenDots, NoSlash,
            Overlong,
        };
        for (cause, paths) in [
            (NoSlash, &["", "a", "*", "%2Fa", "http://h/"][..]),
            (EmptySegment, &["//", "//a", "/a//b", "/a//", "/a/..//b", "/.//"]),
            (
                Character,
                &[
                    "/a b", "/a\\b", "/\\", "/é", "/a\tb", "/a\0", "/\u{7f}", "/a?b", "/a#b",
                    "/{a}", "/a|b", "/\"", "/`",
                ],
            ),
            (Escape, &["/%", "/%4", "/%zz", "/a%2", "/%%34%31", "/%+1", "/% 1"]),
            (
                EscapedControl,
                &[
                    "/%00",
                    "/%1f",
                    "/%0d%0a",
                    "/%7F",
                    "/%5c",
                    "/a/..%5C..%5cb",
                    "/%255c",
                    "/%25%35%63",
                    "/%2500",
                    "/%25250a",
                ],
            ),
            (
                HiddenDots,
                &[
                    "/..;/a",
                    "/a/..;x=1/b",
                    "/a/.;/b",
                    "/a/%2e%2e;/b",
                    "/a/..%3b/b",
                    "/a/%252e%252e/b",
                    "/a/.%252e/b",
                    "/a/%25%32e/b",
                    "/a%2f..%2fb",
                    "/a/..%2fb",
                    "/a%2F.",
                    "/a/%252e%252e%252fb",
                    "/a/%25252e",
                    "/a/..%253b",
                    "/a%2fb/../c",
                    "/a/x%252f/../c",
                ],
            ),
            (
                Overlong,
                &["/%c0%ae", "/%C0%AF", "/%c1%9c", "/%e0%80%af", "/%f0%80%80%af", "/%25c0%25af"],
            ),
            (EscapedTooOften, &["/%2525252541"]),
        ] {
            for path in paths {
                assert_eq!(normal(path), Err(cause), "{path}");
            }
        }
    }

    #[test]
    fn slashes_as_data_are_found_however_often_they_are_escaped() {
        for (path, holds) in [
            ("/a/b", false),
            ("/a%20b", false),
            ("/a%2Fb", true),
            ("/a%252Fb", true),
            ("/a%25252fb", true),
            ("/a%25/2F", false),
            ("/2F", false),
        ] {
            assert_eq!(holds_encoded_slash(&normal(path).unwrap()), holds, "{path}");
        }
    }

    fn escaped(byte: u8, lower: bool) -> String {
        if lower { format!("%{byte:02x}") } else { format!("%{byte:02X}") }
    }

    prop_compose! {
        /// A normal path as its characters, of which each is written plainly or as an escape.
        fn segment()(characters in proptest::collection::vec(select(&b"abz09-_~.@;%/ "[..]), 1..6)) -> Vec<u8> {
            characters
        }
    }

    prop_compose! {
        fn noise()(text in "[/.;%a2eEfF5cC0-3\\\\é]{0,14}") -> String {
            format!("/{text}")
        }
    }

    proptest! {
        #[test]
        fn normal_paths_are_their_own_normal_form(path in noise()) {
            if let Ok(form) = normal(&path) {
                let again = normal(&form);
                prop_assert!(matches!(again, Ok(Cow::Borrowed(_))), "{path} {form} {again:?}");
                prop_assert_eq!(again.as_deref(), Ok(&*form));
                prop_assert!(!form.contains("//") && !form.split('/').any(|s| s == "." || s == ".."), "{}", form);
            }
        }

        #[test]
        fn every_spelling_of_a_path_gets_the_verdict_of_its_canonical_form(
            segments in proptest::collection::vec(segment(), 1..4),
            choices in proptest::collection::vec(any::<(bool, bool, u8)>(), 24),
        ) {
            let canonical: String = segments.iter().map(|segment| {
                let text = segment.iter().map(|byte| match byte {
                    b'%' | b'/' | b' ' => escaped(*byte, false),
                    plain => char::from(*plain).to_string(),
                });
                format!("/{}", text.collect::<String>())
            }).collect();
            let mut choices = choices.into_iter().cycle();
            let spelled: String = segments.iter().map(|segment| {
                let (_, _, detour) = choices.next().unwrap();
                let detour = match detour % 6 { 0 => "/.", 1 => "/x/..", 2 => "/%2E", 3 => "/y/.%2e", _ => "" };
                let text = segment.iter().map(|byte| {
                    let (escape, lower, _) = choices.next().unwrap();
                    let must = matches!(byte, b'%' | b'/' | b' ');
                    let may = is_unreserved(*byte);
                    if must || (may && escape) { escaped(*byte, lower) } else { char::from(*byte).to_string() }
                });
                format!("{detour}/{}", text.collect::<String>())
            }).collect();
            let climbs_past_data = spelled.contains("..") || spelled.to_lowercase().contains(".%2e");
            match (normal(&canonical), normal(&spelled)) {
                (Ok(one), Ok(other)) => prop_assert_eq!(one, other, "{} {}", canonical, spelled),
                (Err(_), Err(_)) => {}
                // A detour past escaped slashes is refused, whatever it leads to.
                (Ok(_), Err(cause)) => prop_assert!(climbs_past_data && cause == Unclear::HiddenDots, "{canonical} {spelled} {cause:?}"),
                (Err(cause), Ok(_)) => prop_assert!(false, "{canonical} {spelled} {cause:?}"),
            }
        }

        #[test]
        fn nothing_that_is_taken_reads_as_a_climb_when_it_is_decoded_again(path in noise()) {
            if let Ok(form) = normal(&path) {
                let mut text = form.into_owned().into_bytes();
                for _ in 0..6 {
                    text = decoded(text.into_iter()).collect();
                    let parts = text.split(|byte| *byte == b'/');
                    prop_assert!(!parts.clone().any(|part| part == b".." || part.starts_with(b"..;")));
                    prop_assert!(!text.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\'));
                }
            }
        }
    }
}
