//! Which places of a body are meant? Patterns of JSON pointers.

use std::fmt;
use std::str::FromStr;

/// Why a text is not a pointer pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A pointer begins with a slash.
    #[error("{0:?} is not a JSON pointer: begin it with `/`, for example `/items/*/updatedAt`")]
    NoSlash(String),
    /// `~` stands only in `~0` and `~1`.
    #[error("{0:?} is not a JSON pointer: write `~0` for `~` and `~1` for `/` (RFC 6901)")]
    BadEscape(String),
}

/// A JSON pointer (RFC 6901) in which `*` stands for any one segment and `**` for any number of them. The empty one is
/// the whole body.
///
/// ```
/// use rules::compare::PointerPattern;
/// let pattern: PointerPattern = "/items/*/updatedAt".parse().unwrap();
/// assert!(pattern.matches(["items", "3", "updatedAt"].into_iter()));
/// assert!(!pattern.matches(["items", "updatedAt"].into_iter()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PointerPattern {
    text: Box<str>,
    segments: Box<[Segment]>,
}

/// One segment of a pattern, unescaped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Segment {
    Is(Box<str>),
    Any,
    AnyDepth,
}

impl FromStr for PointerPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Ok(Self { text: text.into(), segments: Box::default() });
        }
        let Some(inner) = text.strip_prefix('/') else {
            return Err(PatternError::NoSlash(text.to_owned()));
        };
        let well_escaped =
            |segment: &str| segment.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if !inner.split('/').all(well_escaped) {
            return Err(PatternError::BadEscape(text.to_owned()));
        }
        let segment = |segment: &str| match segment {
            "*" => Segment::Any,
            "**" => Segment::AnyDepth,
            name => Segment::Is(name.replace("~1", "/").replace("~0", "~").into()),
        };
        Ok(Self { text: text.into(), segments: inner.split('/').map(segment).collect() })
    }
}

impl fmt::Display for PointerPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PointerPattern {
    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether every place that `other` means is one that this pattern means, or is below one. Says no where it takes
    /// more than a look at both to tell.
    ///
    /// ```
    /// use rules::compare::PointerPattern;
    /// let covers = |one: &str, other: &str| {
    ///     one.parse::<PointerPattern>().unwrap().covers(&other.parse().unwrap())
    /// };
    /// assert!(covers("/items/*", "/items/*/price") && covers("/a", "/a"));
    /// assert!(!covers("/items/0", "/items/*") && !covers("/a/b", "/a"));
    /// ```
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let is_covered = |(one, other): (&Segment, &Segment)| match (one, other) {
            (Segment::Any, Segment::Is(_) | Segment::Any) => true,
            (Segment::Is(one), Segment::Is(other)) => one == other,
            _ => false,
        };
        self.segments.len() <= other.segments.len()
            && self.segments.iter().zip(&other.segments).all(is_covered)
    }

    /// Whether a place, given by its unescaped segments, is meant.
    pub fn matches<'s>(&self, place: impl Iterator<Item = &'s str> + Clone) -> bool {
        matches_from(&self.segments, place)
    }
}

fn matches_from<'s>(pattern: &[Segment], mut place: impl Iterator<Item = &'s str> + Clone) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return place.next().is_none() };
    match first {
        Segment::Is(name) => place.next() == Some(name) && matches_from(rest, place),
        Segment::Any => place.next().is_some() && matches_from(rest, place),
        Segment::AnyDepth => loop {
            if matches_from(rest, place.clone()) {
                return true;
            }
            if place.next().is_none() {
                return false;
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_segments() {
        for (pattern, place, matches) in [
            ("/id", "id", true),
            ("/id", "id/x", false),
            ("/*/id", "a/id", true),
            ("/**", "a/b/c", true),
            ("/**/id", "id", true),
            ("/**/id", "a/b/id", true),
            ("/**/id", "a/b/ids", false),
            ("/a/**/z", "a/z", true),
            ("/a~1b", "a|b", false),
        ] {
            let parsed: PointerPattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(place.split('/')), matches, "{pattern} {place}");
        }
        let escaped: PointerPattern = "/a~1b~0c".parse().unwrap();
        assert!(escaped.matches(["a/b~c"].into_iter()));
        let root: PointerPattern = "".parse().unwrap();
        assert!(root.matches([].into_iter()) && !root.matches([""].into_iter()));
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        assert!(matches!("id".parse::<PointerPattern>(), Err(PatternError::NoSlash(_))));
        assert!(matches!("/a~2".parse::<PointerPattern>(), Err(PatternError::BadEscape(_))));
    }
}
