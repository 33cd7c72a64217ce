//! How is a place named without anybody's data? A path in which array positions and data-like keys are blanked.

use super::place::Step;
use super::relation::is_uuid;
use super::walk::Side;

/// Longer keys are data.
const MOST_KEY_BYTES: usize = 64;
/// Longer paths end in `/**`.
const MOST_PATH_BYTES: usize = 1_024;

/// The JSON pointer (RFC 6901) of a place, with `*` for an array's index and `{*}` for a key that looks like data.
pub(super) fn template<'s>(steps: impl Iterator<Item = &'s Step<'s>>) -> Box<str> {
    let mut path = String::new();
    for step in steps {
        if path.len() > MOST_PATH_BYTES {
            path.push_str("/**");
            break;
        }
        path.push('/');
        match step {
            Step::Index(..) => path.push('*'),
            Step::Key(key) => push_escaped(&mut path, told(key)),
        }
    }
    path.into()
}

/// A name from an answer as it may be told: itself, or `{*}`.
pub(super) fn told(name: &str) -> &str {
    if is_data(name) { "{*}" } else { name }
}

/// The JSON pointer of a place on one side, as it is.
pub(super) fn pointer(steps: &[Step<'_>], side: Side) -> Box<str> {
    let mut path = String::new();
    for step in steps {
        path.push('/');
        match (step, side) {
            (Step::Key(key), _) => push_escaped(&mut path, key),
            (Step::Index(index, _), Side::Left) | (Step::Index(_, index), Side::Right) => {
                path.push_str(&index.to_string());
            }
        }
    }
    path.into()
}

fn push_escaped(path: &mut String, key: &str) {
    for character in key.chars() {
        match character {
            '~' => path.push_str("~0"),
            '/' => path.push_str("~1"),
            other => path.push(other),
        }
    }
}

/// Whether a key looks like an id rather than like a name: a number, a UUID, long hex, an e-mail address, many digits,
/// words with blanks, or very long. Characters that could mislead a reader count as well.
fn is_data(key: &str) -> bool {
    let digits = key.bytes().filter(u8::is_ascii_digit).count();
    let is_number = digits > 0 && digits == key.len();
    let is_hex = key.len() >= 16 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    key.len() > MOST_KEY_BYTES
        || is_number
        || digits >= 6
        || is_hex
        || is_uuid(key)
        || key.chars().any(|character| {
            matches!(character, '@' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                || character.is_whitespace()
                || character.is_control()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_look_like_data_are_blanked() {
        for name in ["id", "", "updatedAt", "line2", "v1.2", "größe", "a/b", "deadbeef", "x_12345"]
        {
            assert_eq!(told(name), name);
        }
        for data in [
            "17",
            "2026",
            "MRN-0012345",
            "jane@example.org",
            "Jane Doe",
            "8e03978e-40d5-43e8-bc93-6894a57f9324",
            "deadbeefdeadbeef",
            "a\u{202e}b",
            "a\u{1b}b",
            &"k".repeat(65),
        ] {
            assert_eq!(told(data), "{*}", "{data:?}");
        }
    }

    #[test]
    fn paths_are_escaped_and_bounded() {
        let steps = [Step::Key("a/b"), Step::Index(3, 4), Step::Key("c~d"), Step::Key("")];
        assert_eq!(&*template(steps.iter()), "/a~1b/*/c~0d/");
        assert_eq!(&*pointer(&steps, Side::Left), "/a~1b/3/c~0d/");
        assert_eq!(&*pointer(&steps, Side::Right), "/a~1b/4/c~0d/");
        assert_eq!(&*template([].iter()), "");
        let long = vec![Step::Key("name"); 1_000];
        let path = template(long.iter());
        assert!(path.ends_with("/name/**") && path.len() < 1_100);
    }
}
