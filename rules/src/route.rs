//! What is a route? Its arms, path families, filters and policies, ready to serve.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use crate::bucket::Bucket;
use crate::compare::parity::Limits;
use crate::compare::{CompareRules, SamplePolicy};
use crate::flag::{FlagId, VariantId};
use crate::matching::{Conditions, PathMatch};
use crate::path::{Path, Rewrite};
use crate::sli::RouteCounters;
use crate::tenant::TenantRule;
use crate::token::TokenRule;
use crate::{Baseline, RouteName, Share};

/// A route's place in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u32);

/// An upstream's place in its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamId(pub u32);

/// A path family's place in its route: 0 is the canonical one, the others are aliases as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FamilyId(pub u16);

/// One of a route's sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Arm {
    /// The old side.
    #[default]
    Stable,
    /// The new side.
    Candidate,
    /// Fresh instances of the old version, beside a canary.
    Baseline,
}

impl Arm {
    /// All of them, stable first.
    pub const ALL: [Self; 3] = [Self::Stable, Self::Candidate, Self::Baseline];

    /// The arm's name, as headers, logs and metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Candidate => "candidate",
            Self::Baseline => "baseline",
        }
    }

    /// The arm that answers are compared with: the other version.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Stable | Self::Baseline => Self::Candidate,
            Self::Candidate => Self::Stable,
        }
    }
}

/// How an arm is defined: its pool, and the path under which it knows the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmDefinition {
    /// The pool.
    pub upstream: UpstreamId,
    /// The path the arm knows the resource by; the canonical path where none is given.
    pub path: Option<Path>,
}

/// Where a path family's requests go on one arm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmTarget {
    /// The pool.
    pub upstream: UpstreamId,
    /// From the path the client used to the path the arm knows.
    pub rewrite: Rewrite,
}

/// What makes a path family an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Since when it is deprecated, in seconds since 1970 (RFC 9745).
    pub deprecated_unix: i64,
    /// When it goes away, in seconds since 1970 (RFC 8594).
    pub sunset_unix: Option<i64>,
}

/// What a route asks of a flag: a request whose tenant has another variant is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagGate {
    /// The flag.
    pub flag: FlagId,
    /// The variant that it must give.
    pub variant: VariantId,
    /// The refusal's status, 400 to 599.
    pub status: u16,
    /// The refusal's code, for machines.
    pub code: Box<str>,
}

/// A header by which arms are told which variant of a flag the request's tenant has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagHeader {
    /// The flag.
    pub flag: FlagId,
    /// `x-turnout-flag-` and the flag's name, with `-` for every `.` and `_`.
    pub name: HeaderName,
}

/// One public path of a route, canonical or alias, and where it leads on each arm.
#[derive(Debug, Clone)]
pub struct Family {
    /// Which paths belong to it.
    pub path: PathMatch,
    /// Set for an alias.
    pub alias: Option<Alias>,
    /// From this family's path to the canonical one.
    pub to_canonical: Rewrite,
    /// The stable arm; none for a route that only redirects.
    pub stable: Option<ArmTarget>,
    /// The candidate arm, if there is one.
    pub candidate: Option<ArmTarget>,
    /// The baseline beside a canary, if there is one.
    pub baseline: Option<ArmTarget>,
}

impl Family {
    /// The family of `path`, whose arms know the resource by their own path or else by `canonical`.
    #[must_use]
    pub fn new(
        path: PathMatch,
        canonical: &PathMatch,
        alias: Option<Alias>,
        stable: Option<&ArmDefinition>,
        candidate: Option<&ArmDefinition>,
    ) -> Self {
        let target = |arm: &ArmDefinition| {
            let rewrite = match (&path, &arm.path) {
                (PathMatch::Prefix(from), Some(to)) => Rewrite::prefix(from, to),
                (PathMatch::Exact(from), Some(to)) => Rewrite::whole(from, to),
                (_, None) => path.rewrite_to(canonical),
                (PathMatch::Regex(_), Some(_)) => Rewrite::Keep,
            };
            ArmTarget { upstream: arm.upstream, rewrite }
        };
        let (stable, candidate) = (stable.map(target), candidate.map(target));
        let (to_canonical, baseline) = (path.rewrite_to(canonical), None);
        Self { to_canonical, path, alias, stable, candidate, baseline }
    }

    /// The same with a baseline, which knows the resource by the path that stable knows it by.
    #[must_use]
    pub fn with_baseline(mut self, upstream: UpstreamId) -> Self {
        let beside = |stable: &ArmTarget| ArmTarget { upstream, rewrite: stable.rewrite.clone() };
        self.baseline = self.stable.as_ref().map(beside);
        self
    }

    /// The target of one arm.
    #[must_use]
    pub const fn arm(&self, arm: Arm) -> Option<&ArmTarget> {
        match arm {
            Arm::Stable => self.stable.as_ref(),
            Arm::Candidate => self.candidate.as_ref(),
            Arm::Baseline => self.baseline.as_ref(),
        }
    }
}

/// What happens to an alias after its sunset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AfterSunset {
    /// It is served and counted as before.
    #[default]
    Serve,
    /// 308 to the canonical path; method and body are kept.
    Redirect,
    /// 410, naming the successor.
    Gone,
}

/// What a share is a share of: what makes two requests the same user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sticky {
    /// The tenant.
    Tenant,
    /// A header's value.
    Header(HeaderName),
    /// A cookie's value.
    Cookie(Box<str>),
    /// The client's address.
    ClientAddress,
    /// Kong's consumer, `X-Consumer-ID`; believed only from `trusted_proxies`.
    Consumer,
    /// A claim of the verified token.
    Claim(Box<str>),
    /// The request's own id: a fresh pick each time.
    Request,
}

/// Changes to a head: remove, then set, then add.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderEdits {
    /// Names that are removed.
    pub remove: Box<[HeaderName]>,
    /// Fields that replace those of the same name.
    pub set: Box<[(HeaderName, HeaderValue)]>,
    /// Fields that are added beside those of the same name.
    pub add: Box<[(HeaderName, HeaderValue)]>,
}

impl HeaderEdits {
    /// Whether nothing is edited.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let Self { remove, set, add } = self;
        remove.is_empty() && set.is_empty() && add.is_empty()
    }
}

/// A redirect instead of an answer from an arm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `https` or `http`; the client's own where none is given.
    pub scheme: Option<Box<str>>,
    /// Host, perhaps with a port; the client's own where none is given.
    pub host: Option<Box<str>>,
    /// From the route's path to the new one.
    pub rewrite: Rewrite,
}

/// How long a route's exchanges may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteTimeouts {
    /// From the request's head to the end of the answer.
    pub total: Duration,
    /// Between two reads of the answer; the upstream's own where none is given.
    pub read: Option<Duration>,
}

/// What becomes of a request whose path holds a slash as data, `%2F`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EncodedSlash {
    /// It is refused with 400: services differ in whether it parts segments.
    #[default]
    Refuse,
    /// It is data for all services behind the route, and stays as it is.
    Keep,
}

/// What becomes of bodies of GET, HEAD and DELETE, which have no meaning there. (RFC 9110, section 9.3)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnusualBodies {
    /// They are refused with 400: readers that do not expect a body may take it for the next request.
    #[default]
    Refuse,
    /// All services behind the route read them.
    Allow,
}

/// Whether a copy may carry the client's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ShadowCredentials {
    /// They go along: both arms are in the same trust domain.
    #[default]
    Keep,
    /// `Authorization`, `Cookie` and `Proxy-Authorization` are removed.
    Strip,
}

/// Which requests may be copied to the other arm, and within which bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowPolicy {
    /// The methods that may be copied.
    pub methods: Box<[Method]>,
    /// The longest request or response body that is kept for a copy and compared, in bytes; of longer answers, only the
    /// hashes are.
    pub max_body_bytes: usize,
    /// How long the other arm may take to answer a copy.
    pub timeout: Duration,
    /// What becomes of credentials.
    pub credentials: ShadowCredentials,
    /// Which values of differences are kept; none, where nobody opted in.
    pub samples: Option<Arc<SamplePolicy>>,
}

/// How often stable is asked a second time, to learn where it is not steady itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoisePolicy {
    /// Of the safe requests that are copied, the share that stable answers twice.
    pub share: Share,
    /// The pool that is asked; stable's own where none is given.
    pub upstream: Option<UpstreamId>,
    /// The seed of its buckets, so that the sample is independent of the others.
    pub seed: Box<str>,
}

impl NoisePolicy {
    /// Whether stable is asked twice for this request. What is not safe never is (RFC 9110 section 9.2.1).
    #[must_use]
    pub fn samples(&self, method: &Method, request_id: &str) -> bool {
        method.is_safe() && Bucket::of(&self.seed, request_id).is_within(self.share)
    }
}

/// Which requests belong together, and everything that is done with them.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: RouteName,
    /// What a request must be like, besides its path.
    pub conditions: Conditions,
    /// The canonical path's family first, then the aliases as written.
    pub families: Box<[Family]>,
    /// What happens to aliases after their sunset.
    pub after_sunset: AfterSunset,
    /// What becomes of paths that hold a slash as data.
    pub encoded_slash: EncodedSlash,
    /// What becomes of bodies of GET, HEAD and DELETE.
    pub unusual_bodies: UnusualBodies,
    /// Whether connections may become WebSockets; they are never copied.
    pub websockets: bool,
    /// How much the baseline serves beside a canary; none where there is none.
    pub baseline: Option<Baseline>,
    /// Whether stable serves what another arm fails to (safe and idempotent methods only).
    pub fallback_to_stable: bool,
    /// What it asks of tokens; nothing where none is set.
    pub token: Option<TokenRule>,
    /// How the tenant is found.
    pub tenant: TenantRule,
    /// What it asks of a flag.
    pub requires_flag: Option<FlagGate>,
    /// Statuses below 500 that count as failures of the arm that gives them.
    pub bad_statuses: Box<[u16]>,
    /// The flags whose variants arms are told.
    pub flag_headers: Box<[FlagHeader]>,
    /// What a share is a share of; none: the tenant where one is known, else the request.
    pub sticky: Option<Sticky>,
    /// The seed of the canary's buckets.
    pub seed: Box<str>,
    /// The seed of the shadow's buckets, so that the two samples are independent.
    pub shadow_seed: Box<str>,
    /// Changes to requests on their way to an arm.
    pub request_headers: HeaderEdits,
    /// Changes to answers on their way to the client.
    pub response_headers: HeaderEdits,
    /// The Host that arms are asked for; the client's own where none is given.
    pub host_rewrite: Option<HeaderValue>,
    /// Set for a route that only redirects.
    pub redirect: Option<Redirect>,
    /// Its time-outs.
    pub timeouts: RouteTimeouts,
    /// What may be shadowed.
    pub shadow: ShadowPolicy,
    /// What "the same answer" means.
    pub compare: Arc<CompareRules>,
    /// How alike the arms must be to pass for alike.
    pub limits: Limits,
    /// How often stable is asked a second time; none where it never is.
    pub noise: Option<NoisePolicy>,
    /// What has been counted; kept from one snapshot to the next.
    pub counters: Arc<RouteCounters>,
}

impl Route {
    /// The family of an id; the canonical one where there is no such family.
    #[must_use]
    pub fn family(&self, id: FamilyId) -> Option<&Family> {
        self.families.get(usize::from(id.0))
    }

    /// Whether the route has a candidate arm.
    #[must_use]
    pub fn has_candidate(&self) -> bool {
        self.families.first().is_some_and(|family| family.candidate.is_some())
    }
}
