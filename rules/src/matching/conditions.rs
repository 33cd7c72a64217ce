//! What can a route ask of a request? Hosts, a path, methods, headers, query parameters.

use std::fmt;
use std::str::FromStr;

use http::{HeaderName, Method};
use regex::Regex;

use crate::facts::{Facts, decoded_is};
use crate::path::{Path, Rewrite};

/// A host name, or all hosts below one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostMatch {
    /// Exactly this host, in lower case.
    Exact(Box<str>),
    /// Every host below this one: `*.example.org` holds `example.org`.
    Below(Box<str>),
}

/// Why a text is not a host to match.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host: write `api.example.org` or `*.example.org`, without a port")]
pub struct HostMatchError(String);

impl FromStr for HostMatch {
    type Err = HostMatchError;

    fn from_str(text: &str) -> Result<Self, HostMatchError> {
        let lower = text.to_ascii_lowercase();
        let (below, name) = lower.strip_prefix("*.").map_or((false, &*lower), |name| (true, name));
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        let is_literal = name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok());
        if name.len() > 253 || !(is_literal && !below || name.split('.').all(is_label)) {
            return Err(HostMatchError(text.to_owned()));
        }
        Ok(if below { Self::Below(name.into()) } else { Self::Exact(name.into()) })
    }
}

impl HostMatch {
    /// Whether `host`, in lower case and without a port, is meant.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *host,
            Self::Below(name) => host
                .strip_suffix(&**name)
                .and_then(|head| head.strip_suffix('.'))
                .is_some_and(|head| !head.is_empty() && !head.starts_with('.')),
        }
    }
}

impl fmt::Display for HostMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}

/// A pattern for paths.
#[derive(Debug, Clone)]
pub enum PathMatch {
    /// This very path.
    Exact(Path),
    /// This path and everything below it, by whole segments.
    Prefix(Path),
    /// Every path that begins like this; linear in the path's length.
    Regex(Regex),
}

impl PathMatch {
    /// The pattern of a regular expression, anchored at the path's start.
    ///
    /// # Errors
    /// When it is not a regular expression, or compiles to more than 64 KiB.
    pub fn regex(pattern: &str) -> Result<Self, regex::Error> {
        regex::RegexBuilder::new(&format!("^(?:{pattern})"))
            .size_limit(64 * 1024)
            .build()
            .map(Self::Regex)
    }

    /// Whether `path` is meant.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => exact.as_str() == path,
            Self::Prefix(prefix) => prefix.rest_of(path).is_some(),
            Self::Regex(regex) => regex.is_match(path),
        }
    }

    /// How a path of this pattern becomes one of `other`. Patterns of different kinds have nothing to map.
    #[must_use]
    pub fn rewrite_to(&self, other: &Self) -> Rewrite {
        match (self, other) {
            (Self::Prefix(from), Self::Prefix(to)) => Rewrite::prefix(from, to),
            (Self::Exact(from), Self::Exact(to)) => Rewrite::whole(from, to),
            _ => Rewrite::Keep,
        }
    }
}

impl PartialEq for PathMatch {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Prefix(a), Self::Prefix(b)) => a.as_prefix() == b.as_prefix(),
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

impl Eq for PathMatch {}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => write!(f, "{path} (exact)"),
            Self::Prefix(path) => f.write_str(path.as_str()),
            Self::Regex(regex) => write!(f, "{} (regex)", regex.as_str()),
        }
    }
}

/// A pattern for one value.
#[derive(Debug, Clone)]
pub enum ValueMatch {
    /// Whatever it is, it must be there.
    Present,
    /// This very value.
    Exact(Box<str>),
    /// Every value that the whole expression describes.
    Regex(Regex),
}

impl ValueMatch {
    /// The pattern of a regular expression for the whole value.
    ///
    /// # Errors
    /// When it is not a regular expression, or compiles to more than 64 KiB.
    pub fn regex(pattern: &str) -> Result<Self, regex::Error> {
        regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
            .size_limit(64 * 1024)
            .build()
            .map(Self::Regex)
    }
}

impl PartialEq for ValueMatch {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Present, Self::Present) => true,
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

impl Eq for ValueMatch {}

/// A pattern for the value that goes by a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedMatch<N> {
    /// The header's or the parameter's name.
    pub name: N,
    /// What its value must be like.
    pub value: ValueMatch,
}

/// What a route asks of a request besides its path. What is empty asks nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// One of these hosts.
    pub hosts: Box<[HostMatch]>,
    /// One of these methods.
    pub methods: Box<[Method]>,
    /// All of these headers.
    pub headers: Box<[NamedMatch<HeaderName>]>,
    /// All of these query parameters.
    pub queries: Box<[NamedMatch<Box<str>>]>,
    /// Stands before the path in [`super::Precedence`]; the higher wins.
    pub priority: i32,
}

impl Conditions {
    /// Whether method, headers and query are as asked; host and path are the table's to find.
    #[must_use]
    pub fn hold(&self, facts: &Facts<'_>) -> bool {
        (self.methods.is_empty() || self.methods.contains(facts.method))
            && self.headers.iter().all(|wanted| header_holds(wanted, facts))
            && self.queries.iter().all(|wanted| query_holds(wanted, facts))
    }
}

fn header_holds(wanted: &NamedMatch<HeaderName>, facts: &Facts<'_>) -> bool {
    facts.headers.get_all(&wanted.name).iter().any(|value| match &wanted.value {
        ValueMatch::Present => true,
        ValueMatch::Exact(exact) => value.as_bytes() == exact.as_bytes(),
        ValueMatch::Regex(regex) => value.to_str().is_ok_and(|text| regex.is_match(text)),
    })
}

fn query_holds(wanted: &NamedMatch<Box<str>>, facts: &Facts<'_>) -> bool {
    let mut named = facts.query_pairs().filter(|(name, _)| decoded_is(name, &wanted.name));
    named.any(|(_, value)| match &wanted.value {
        ValueMatch::Present => true,
        ValueMatch::Exact(exact) => decoded_is(value, exact),
        ValueMatch::Regex(regex) => {
            let decoded = percent_encoding::percent_decode_str(value).decode_utf8();
            decoded.is_ok_and(|text| regex.is_match(&text))
        }
    })
}
