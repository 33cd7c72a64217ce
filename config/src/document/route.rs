//! How is a route written? Matching, paths, arms, tenants, filters and policies.

use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::CompareSpec;
use super::flag::FlagGateSpec;
use super::forms::{HeaderText, PathSpec, ValueSpec};
use super::is_false;
use super::issuer::JwtSpec;
use super::samples::RouteSamplesSpec;
use crate::live::ShiftSpec;
use crate::units::{ByteSize, Percent, Time};

/// Which requests belong together, and everything that is done with them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    /// One of these hosts: `api.example.org`, or `*.example.org` for all below. Any host where none are given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The public path that stays.
    pub canonical: PathSpec,
    /// Older public paths, still served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<AliasSpec>,
    /// What happens to aliases after their sunset: served, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_sunset: Option<AfterSunsetSpec>,
    /// What becomes of requests whose path holds a slash as data, `%2F`: refused, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoded_slash: Option<EncodedSlashSpec>,
    /// What becomes of bodies of GET, HEAD and DELETE, which have no meaning there: refused, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusual_bodies: Option<UnusualBodiesSpec>,
    /// Whether connections may become WebSockets.
    #[serde(default, skip_serializing_if = "is_false")]
    pub websockets: bool,
    /// One of these methods. Any method where none are given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// All of these headers.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, ValueSpec>,
    /// All of these query parameters.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub query: IndexMap<String, ValueSpec>,
    /// Stands before the path when several routes match; the higher wins.
    #[serde(default)]
    pub priority: i32,
    /// The old side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<ArmSpec>,
    /// The new side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<ArmSpec>,
    /// Fresh instances of the old version beside a canary, which gates compare the candidate with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineSpec>,
    /// Set where stable serves what another arm fails to, for safe and idempotent methods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackSpec>,
    /// Whose token (JWT) requests must bring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtSpec>,
    /// Where the tenant's id comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantSpec>,
    /// A flag that the request's tenant must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_flag: Option<FlagGateSpec>,
    /// Statuses below 500 that count as failures of the arm that gives them, in figures and gates: `[409, 429]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bad_statuses: Vec<u16>,
    /// Flags whose variants arms are told, as `X-Turnout-Flag-<name>` with `-` for every `.` and `_`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flag_headers: Vec<String>,
    /// What a share is a share of; the tenant where one is known, else the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<StickySpec>,
    /// The seed of the buckets; the route's name where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// Changes to requests on their way to an arm.
    #[serde(default)]
    pub request_headers: HeaderEditsSpec,
    /// Changes to answers on their way to the client.
    #[serde(default)]
    pub response_headers: HeaderEditsSpec,
    /// The Host that arms are asked for; the client's own where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// A redirect instead of arms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<RedirectSpec>,
    /// How long exchanges may take.
    #[serde(default)]
    pub timeouts: RouteTimeoutsSpec,
    /// Which requests may be copied to the other arm.
    #[serde(default)]
    pub shadow: ShadowSpec,
    /// What "the same answer" means.
    #[serde(default)]
    pub compare: CompareSpec,
    /// The rollout that moves the route's traffic, once it is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// The shift that the route has at first. Later it is changed by commands only.
    #[serde(default)]
    pub start: ShiftSpec,
}

/// An older public path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AliasSpec {
    /// The path, of the same kind as the canonical one.
    pub path: PathSpec,
    /// Since when it is deprecated: `2026-01-31`, or with a time `2026-01-31T12:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
    /// When it goes away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sunset: Option<String>,
    /// The stable arm of this path, where it is not the route's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<ArmSpec>,
}

/// What happens to an alias after its sunset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AfterSunsetSpec {
    /// It is served and counted as before.
    Serve,
    /// 308 to the canonical path.
    Redirect,
    /// 410, naming the successor.
    Gone,
}

/// What becomes of requests whose path holds a slash as data, `%2F`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EncodedSlashSpec {
    /// They are refused with 400.
    Refuse,
    /// It is data for all services behind the route, and stays as it is.
    Keep,
}

/// What becomes of bodies of GET, HEAD and DELETE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnusualBodiesSpec {
    /// They are refused with 400.
    Refuse,
    /// All services behind the route read them.
    Allow,
}

/// One side of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArmSpec {
    /// The pool.
    pub upstream: String,
    /// The path the arm knows the resource by; the canonical one where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Fresh instances of the old version, which serve a share of stable's traffic while the candidate serves some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaselineSpec {
    /// The pool: neither stable's nor the candidate's. It knows resources by the paths that stable knows them by.
    pub upstream: String,
    /// The share that it serves; as much as the candidate where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Percent>,
}

/// Who serves what another arm fails to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FallbackSpec {
    /// The stable arm.
    Stable,
}

/// Where a tenant's id comes from: one of the places, or several of them under `from`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TenantSpec {
    /// A header; believed only from `trusted_proxies`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// A cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// A path segment: `/t/{tenant}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A host label: `{tenant}.example.org`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// A claim of the token that the route asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// Several places; the first that yields an id wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Vec<TenantSourceSpec>>,
    /// What happens to a request without a tenant: stable serves it, where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingSpec>,
}

/// One place where a tenant's id may stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TenantSourceSpec {
    /// A header; believed only from `trusted_proxies`.
    Header(String),
    /// A query parameter.
    Query(String),
    /// A cookie.
    Cookie(String),
    /// A path segment: `/t/{tenant}`.
    Path(String),
    /// A host label: `{tenant}.example.org`.
    Host(String),
    /// A claim of the token that the route asks for.
    Claim(String),
}

/// What happens to a request without a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingSpec {
    /// The stable arm serves it.
    Stable,
    /// It is refused with 400.
    Reject,
    /// It belongs to this tenant.
    Tenant(String),
}

/// What a share is a share of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StickySpec {
    /// The tenant.
    Tenant,
    /// The client's address.
    ClientAddress,
    /// Kong's consumer, `X-Consumer-ID`; believed only from `trusted_proxies`.
    Consumer,
    /// The request's own id: a fresh pick each time.
    Request,
    /// A header's value.
    Header(String),
    /// A cookie's value.
    Cookie(String),
    /// A claim of the token that the route asks for.
    Claim(String),
}

/// Changes to a head: remove, then set, then add.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HeaderEditsSpec {
    /// Fields that replace those of the same name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub set: IndexMap<String, HeaderText>,
    /// Fields that are added beside those of the same name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub add: IndexMap<String, HeaderText>,
    /// Names that are removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// A redirect instead of an answer from an arm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedirectSpec {
    /// `https` or `http`; the client's own where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<SchemeSpec>,
    /// Host, perhaps with a port; the client's own where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The path that takes the canonical one's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// 301, 302, 303, 307 or 308.
    #[serde(default = "RedirectSpec::permanent")]
    pub status: u16,
}

impl RedirectSpec {
    const fn permanent() -> u16 {
        308
    }
}

/// A URL's scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemeSpec {
    /// Plain.
    Http,
    /// Encrypted.
    Https,
}

impl SchemeSpec {
    /// The scheme as a URL has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// How long a route's exchanges may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteTimeoutsSpec {
    /// From the request's head to the end of the answer; the file's own `timeouts: {total: ..}` where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Time>,
    /// Between two reads of the answer; the upstream's own where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<Time>,
}

/// Which requests may be copied to the other arm, and within which bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShadowSpec {
    /// The methods that may be copied; writes only by name.
    pub methods: Vec<String>,
    /// The longest body that is kept for a copy and compared; of longer answers, only the hashes are.
    pub max_body: ByteSize,
    /// How long the other arm may take to answer a copy.
    pub timeout: Time,
    /// What becomes of `Authorization`, `Cookie` and `Proxy-Authorization` on a copy.
    pub credentials: CredentialsSpec,
    /// Values of differences that are kept for a while, encrypted; none where nothing is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<RouteSamplesSpec>,
}

impl Default for ShadowSpec {
    fn default() -> Self {
        Self {
            methods: vec!["GET".to_owned(), "HEAD".to_owned()],
            max_body: ByteSize(256 << 10),
            timeout: Time(Duration::from_secs(10)),
            credentials: CredentialsSpec::Keep,
            samples: None,
        }
    }
}

/// Whether a copy may carry the client's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialsSpec {
    /// They go along: both arms are in the same trust domain.
    Keep,
    /// They are removed.
    Strip,
}
