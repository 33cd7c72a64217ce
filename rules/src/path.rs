//! Where does a path lead? Prefixes of whole segments, and mapping from one prefix to another and back.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::normal::{Unclear, normal};

/// Why a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A path begins with a slash.
    #[error("{0:?} is not a path: begin it with `/`")]
    NoSlash(String),
    /// Only the path belongs here.
    #[error("{0:?} holds a query or fragment: only the path belongs here")]
    NotOnlyPath(String),
    /// Requests with such a path are refused.
    #[error("{path:?} can never match: {cause}")]
    NeverMatches {
        /// The text.
        path: String,
        /// Why requests with it are refused.
        cause: Unclear,
    },
    /// Requests have their paths put into normal form before they are matched.
    #[error("{path:?} is not how requests arrive: write `{normal}`")]
    NotNormal {
        /// The text.
        path: String,
        /// The same in normal form.
        normal: String,
    },
}

/// A path as written in the configuration, in normal form ([`crate::normal`]) and without a query.
///
/// As a prefix it covers whole segments; a trailing slash is ignored.
///
/// ```
/// use rules::Path;
/// let v2: Path = "/v2/".parse().unwrap();
/// assert_eq!(v2.rest_of("/v2"), Some(""));
/// assert_eq!(v2.rest_of("/v2/x"), Some("/x"));
/// assert_eq!(v2.rest_of("/v2example"), None);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(Arc<str>);

impl Path {
    /// The path as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as a prefix: without a trailing slash, so the root is empty.
    #[must_use]
    pub fn as_prefix(&self) -> &str {
        self.0.strip_suffix('/').unwrap_or(&self.0)
    }

    /// What of `path` comes after this prefix: nothing, or a text that begins with `/`.
    #[must_use]
    pub fn rest_of<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.as_prefix())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if !text.starts_with('/') {
            return Err(PathError::NoSlash(text.to_owned()));
        }
        if text.contains(['?', '#']) {
            return Err(PathError::NotOnlyPath(text.to_owned()));
        }
        let path = || text.to_owned();
        let normal =
            normal(text).map_err(|cause| PathError::NeverMatches { path: path(), cause })?;
        if normal != text {
            return Err(PathError::NotNormal { path: path(), normal: normal.into_owned() });
        }
        Ok(Self(Arc::from(text)))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// How the path of a request becomes the path an arm knows the resource by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// The path goes through as it came.
    Keep,
    /// One prefix of whole segments takes another's place; the rest goes along.
    Prefix {
        /// The prefix that the path has.
        from: Path,
        /// The prefix that it gets.
        to: Path,
    },
    /// One whole path takes another's place.
    Whole {
        /// The path that is mapped.
        from: Path,
        /// What it becomes.
        to: Path,
    },
}

impl Rewrite {
    /// The rewrite of a prefix, or none where nothing would change.
    #[must_use]
    pub fn prefix(from: &Path, to: &Path) -> Self {
        if from.as_prefix() == to.as_prefix() {
            Self::Keep
        } else {
            Self::Prefix { from: from.clone(), to: to.clone() }
        }
    }

    /// The rewrite of a whole path, or none where nothing would change.
    #[must_use]
    pub fn whole(from: &Path, to: &Path) -> Self {
        if from == to { Self::Keep } else { Self::Whole { from: from.clone(), to: to.clone() } }
    }

    /// The rewritten path; a path that the rewrite is not about is kept.
    ///
    /// ```
    /// use rules::Rewrite;
    /// let alias = "/v1/messaging".parse().unwrap();
    /// let canonical = "/v1/communication".parse().unwrap();
    /// let rewrite = Rewrite::prefix(&alias, &canonical);
    /// assert_eq!(rewrite.apply("/v1/messaging/threads/7"), "/v1/communication/threads/7");
    /// assert_eq!(rewrite.back().apply("/v1/communication/threads/7"), "/v1/messaging/threads/7");
    /// ```
    #[must_use]
    pub fn apply<'p>(&self, path: &'p str) -> Cow<'p, str> {
        match self {
            Self::Keep => Cow::Borrowed(path),
            Self::Whole { from, to } if path == from.as_str() => Cow::Owned(to.as_str().to_owned()),
            Self::Whole { .. } => Cow::Borrowed(path),
            Self::Prefix { from, to } => match from.rest_of(path) {
                None => Cow::Borrowed(path),
                Some("") if to.as_prefix().is_empty() => Cow::Borrowed("/"),
                Some(rest) if to.as_prefix().is_empty() => Cow::Borrowed(rest),
                Some(rest) => Cow::Owned([to.as_prefix(), rest].concat()),
            },
        }
    }

    /// The rewrite that undoes this one: maps what an upstream says back to what the client knows.
    ///
    /// The identity both ways, but for the root: `/v1/a` and `/v1/a/` are both `/` below it.
    #[must_use]
    pub fn back(&self) -> Self {
        match self {
            Self::Keep => Self::Keep,
            Self::Prefix { from, to } => Self::Prefix { from: to.clone(), to: from.clone() },
            Self::Whole { from, to } => Self::Whole { from: to.clone(), to: from.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_that_can_never_match_are_refused() {
        for bad in ["", "v1", "/a?x", "/a#x", "/a b", "//", "/a//b", "/./a", "/a/..", "/é"] {
            assert!(bad.parse::<Path>().is_err(), "{bad:?}");
        }
        for good in ["/", "/v1", "/v1/", "/v1/sms", "/%20/a;b=c"] {
            assert!(good.parse::<Path>().is_ok(), "{good:?}");
        }
        for (written, form) in [("/%41", "/A"), ("/a%2fb", "/a%2Fb"), ("/a/../b", "/b")] {
            let error = PathError::NotNormal { path: written.to_owned(), normal: form.to_owned() };
            assert_eq!(written.parse::<Path>(), Err(error));
        }
    }

    #[test]
    fn the_root_maps_without_doubled_or_missing_slashes() {
        let (root, a): (Path, Path) = ("/".parse().unwrap(), "/a".parse().unwrap());
        let down = Rewrite::prefix(&a, &root);
        assert_eq!(down.apply("/a"), "/");
        assert_eq!(down.apply("/a/b"), "/b");
        assert_eq!(down.apply("/ab"), "/ab");
        assert_eq!(down.back().apply("/b"), "/a/b");
    }

    fn path() -> impl Strategy<Value = Path> {
        "(/[a-c]{1,2}){1,3}/?".prop_map(|text| text.parse().unwrap())
    }

    proptest! {
        #[test]
        fn rewriting_there_and_back_is_the_identity(from in path(), to in path(), rest in "(/[a-d]{0,2}){0,3}") {
            let request = format!("{}{rest}", from.as_prefix());
            let rewrite = Rewrite::prefix(&from, &to);
            let there = rewrite.apply(&request).into_owned();
            prop_assert!(to.rest_of(&there).is_some());
            let back = rewrite.back();
            prop_assert_eq!(back.apply(&there), request);
        }
    }
}
