//! How is the route of a request found without looking at all of them?

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::HeaderName;

use super::paths::{Entry, PathIndex};
use super::{HostMatch, PathMatch, Precedence};
use crate::cohort::Told;
use crate::facts::{Facts, host_name};
use crate::lookalike::Names;
use crate::route::{FamilyId, Route, RouteId};

/// All routes, indexed by host and path. Immutable.
#[derive(Debug, Default)]
pub struct RouteTable {
    routes: Box<[Arc<Route>]>,
    exact: HashMap<Box<str>, HostIndex>,
    below: HashMap<Box<str>, HostIndex>,
    any: HostIndex,
    identity_headers: Names,
}

/// The headers by which routes are told tenants, and those that tell cohorts.
fn names(routes: &[Arc<Route>], told: &[Told]) -> Names {
    let of_tenants = routes.iter().flat_map(|route| route.tenant.headers());
    of_tenants.chain(told.iter().map(|told| &told.header)).map(HeaderName::as_str).collect()
}

/// What belongs to one host pattern.
#[derive(Debug, Default)]
struct HostIndex {
    /// Its paths, by falling priority. Nearly always one.
    paths: Vec<PathIndex>,
    /// The same for all patterns that lead to the same routes.
    likeness: usize,
}

/// Patterns on their way into the index, by rising priority.
type Patterns<'r> = BTreeMap<i32, Vec<(&'r PathMatch, Entry)>>;

impl RouteTable {
    /// The table of these routes; their order is their order of declaration.
    #[must_use]
    pub fn new(routes: Vec<Arc<Route>>) -> Self {
        let mut hosts: HashMap<Option<&HostMatch>, Patterns<'_>> = HashMap::new();
        for (id, route) in (0_u32..).map(RouteId).zip(&routes) {
            let any = [None];
            let named: Vec<Option<&HostMatch>> = route.conditions.hosts.iter().map(Some).collect();
            let patterns = if named.is_empty() { &any[..] } else { &named };
            for host in patterns {
                for (family, declared) in (0_u16..).map(FamilyId).zip(&route.families) {
                    let path = &declared.path;
                    let precedence = Precedence::of(*host, path, &route.conditions, id);
                    let of_host = hosts.entry(*host).or_default();
                    let of_priority = of_host.entry(route.conditions.priority).or_default();
                    of_priority.push((path, Entry { precedence, route: id, family }));
                }
            }
        }
        let (mut exact, mut below, mut any) =
            (HashMap::new(), HashMap::new(), HostIndex::default());
        let mut alike: HashMap<Vec<(RouteId, FamilyId)>, usize> = HashMap::new();
        #[expect(clippy::iter_over_hash_type, reason = "goes into maps; no order is seen")]
        for (host, patterns) in hosts {
            let entries = patterns.values().flatten().map(|(_, entry)| (entry.route, entry.family));
            let next = alike.len();
            let likeness = *alike.entry(entries.collect()).or_insert(next);
            let paths = patterns.into_values().rev().map(PathIndex::new).collect();
            let index = HostIndex { paths, likeness };
            match host {
                Some(HostMatch::Exact(name)) => drop(exact.insert(name.clone(), index)),
                Some(HostMatch::Below(name)) => drop(below.insert(name.clone(), index)),
                None => any = index,
            }
        }
        let identity_headers = names(&routes, &[]);
        Self { routes: routes.into(), exact, below, any, identity_headers }
    }

    /// The same table, for requests whose headers tell these cohorts.
    #[must_use]
    pub fn with_cohorts(self, told: &[Told]) -> Self {
        Self { identity_headers: names(&self.routes, told), ..self }
    }

    /// The headers by which any of the routes is told its tenant, or a request's cohort: who is not believed on one route
    /// must not say it on another, since both may lead to the same service.
    #[must_use]
    pub const fn identity_headers(&self) -> &Names {
        &self.identity_headers
    }

    /// The routes, by [`RouteId`].
    #[must_use]
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The route of an id.
    #[must_use]
    pub fn route(&self, id: RouteId) -> Option<&Arc<Route>> {
        self.routes.get(usize::try_from(id.0).ok()?)
    }

    /// The route and path family of the highest precedence that match a request.
    #[must_use]
    pub fn find(&self, facts: &Facts<'_>) -> Option<(&Arc<Route>, RouteId, FamilyId)> {
        let mut buffer = [0; MAX_HOST];
        let host = lower_case(facts.host_name(), &mut buffer);
        let holds = |entry: &Entry| {
            self.route(entry.route).is_some_and(|route| route.conditions.hold(facts))
        };
        let first =
            |index: &HostIndex| index.paths.iter().find_map(|paths| paths.find(facts.path, holds));
        let exact = || host.and_then(|host| self.exact.get(host)).and_then(first);
        let below = || {
            if self.below.is_empty() || host?.starts_with('.') {
                return None;
            }
            // Each step leaves out one label on the left, so the longest suffix comes first.
            let suffixes = std::iter::successors(parent(host?), |name| parent(name));
            suffixes.filter_map(|suffix| self.below.get(suffix)).find_map(first)
        };
        let entry = exact().or_else(below).or_else(|| first(&self.any))?;
        Some((self.route(entry.route)?, entry.route, entry.family))
    }
}

impl RouteTable {
    /// Whether requests for two hosts can lead to the same routes only: who has proven to be one of them may be asked for
    /// the other.
    #[must_use]
    pub fn lead_alike(&self, one: &str, other: &str) -> bool {
        let (mut buffer, mut other_buffer) = ([0; MAX_HOST], [0; MAX_HOST]);
        let one = lower_case(host_name(one), &mut buffer);
        let other = lower_case(host_name(other), &mut other_buffer);
        match (one, other) {
            (Some(one), Some(other)) => one == other || self.patterns(one).eq(self.patterns(other)),
            _ => false,
        }
    }

    /// What the host patterns lead to that a host belongs to, the most specific first.
    fn patterns(&self, host: &str) -> impl Iterator<Item = usize> {
        let suffixes = std::iter::successors(parent(host), |name| parent(name));
        let below = suffixes.filter_map(|suffix| self.below.get(suffix));
        self.exact.get(host).into_iter().chain(below).map(|index| index.likeness)
    }
}

/// The longest host name there is (RFC 1035 section 2.3.4), with some room.
const MAX_HOST: usize = 256;

fn lower_case<'b>(host: &str, buffer: &'b mut [u8; MAX_HOST]) -> Option<&'b str> {
    let copy = buffer.get_mut(..host.len())?;
    copy.copy_from_slice(host.as_bytes());
    copy.make_ascii_lowercase();
    let name = std::str::from_utf8(copy).ok()?;
    Some(name.strip_suffix('.').unwrap_or(name))
}

fn parent(host: &str) -> Option<&str> {
    host.split_once('.').map(|(_, parent)| parent)
}
