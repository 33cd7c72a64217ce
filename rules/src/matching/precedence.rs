//! Which of several matching routes wins?

use std::cmp::Reverse;

use super::{Conditions, HostMatch, PathMatch};
use crate::route::RouteId;

/// How specific a host pattern is: no pattern, a wildcard, an exact host; the longer wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostRank {
    /// Any host.
    Any,
    /// All hosts below one of this length.
    Below(usize),
    /// A host of this length.
    Exact(usize),
}

/// How specific a path pattern is: prefix, regular expression, exact path; the longer wins.
///
/// Gateway API leaves the place of regular expressions to the implementation; here they stand between the two, as in
/// Kong and Envoy Gateway, because whoever writes one means it to be seen before a plain prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathRank {
    /// A prefix of this length.
    Prefix(usize),
    /// A regular expression of this length.
    Regex(usize),
    /// The path itself.
    Exact(usize),
}

/// The order of routes that match the same request: the greatest serves it.
///
/// The order of the fields is that of Kubernetes Gateway API v1 `HTTPRoute`, with `priority` before the path, for
/// imports from routers with other rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Precedence {
    /// The host pattern.
    pub host: HostRank,
    /// The route's own word.
    pub priority: i32,
    /// The path pattern.
    pub path: PathRank,
    /// Whether methods are asked for.
    pub method: bool,
    /// How many headers are asked for.
    pub headers: usize,
    /// How many query parameters are asked for.
    pub queries: usize,
    /// The route written first wins.
    pub order: Reverse<RouteId>,
}

impl Precedence {
    /// The precedence of one host pattern and one path of a route.
    #[must_use]
    pub fn of(
        host: Option<&HostMatch>,
        path: &PathMatch,
        conditions: &Conditions,
        route: RouteId,
    ) -> Self {
        Self {
            host: match host {
                None => HostRank::Any,
                Some(HostMatch::Below(name)) => HostRank::Below(name.len()),
                Some(HostMatch::Exact(name)) => HostRank::Exact(name.len()),
            },
            priority: conditions.priority,
            path: match path {
                PathMatch::Prefix(path) => PathRank::Prefix(path.as_prefix().len()),
                PathMatch::Regex(regex) => PathRank::Regex(regex.as_str().len()),
                PathMatch::Exact(path) => PathRank::Exact(path.as_str().len()),
            },
            method: !conditions.methods.is_empty(),
            headers: conditions.headers.len(),
            queries: conditions.queries.len(),
            order: Reverse(route),
        }
    }
}
