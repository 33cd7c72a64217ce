//! What was decided of a request, and why?

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::sync::Arc;

use crate::TenantId;
use crate::bucket::Bucket;
use crate::cohort::CohortId;
use crate::flag::{FlagId, VariantId};
use crate::route::{Arm, FamilyId, Route, RouteId, UpstreamId};
use crate::share::Share;
use crate::shift::{Scope, Stage};
use crate::sli::TenantCounters;
use crate::snapshot::Snapshot;
use crate::token::TokenProblem;

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// No route matches it: 404.
    NoRoute,
    /// It is refused.
    Refuse(Refusal),
    /// It is answered with a redirect.
    Redirect(Redirection),
    /// It is served by an arm.
    Forward(Decision),
}

/// Why a request is refused, and on which route.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The route.
    pub route: RouteId,
    /// The path family that the client used.
    pub family: FamilyId,
    /// Why.
    pub cause: RefusalCause,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalCause {
    /// The route rejects requests without a tenant: 400.
    TenantMissing,
    /// The tenant's id is malformed or ambiguous: 400.
    TenantInvalid,
    /// The token names one tenant and another place another: 403.
    TenantDisagreement,
    /// The route wants a token: 401.
    TokenMissing,
    /// The token proves nothing: 401, or 503 where nobody can tell.
    TokenRefused(TokenProblem),
    /// The tenant is locked for writes: 503.
    TenantReadOnly,
    /// The tenant is locked: 503.
    TenantBlocked,
    /// The alias is past its sunset: 410.
    AliasGone,
    /// The tenant has another variant, this one, of the flag that the route asks for: the route's own status.
    FlagRequired(FlagId, VariantId),
    /// The path holds a slash as data, which the route does not take: 400.
    EncodedSlash,
}

/// Where a request is redirected to.
#[derive(Debug, Clone)]
pub struct Redirection {
    /// The route.
    pub route: RouteId,
    /// The path family that the client used.
    pub family: FamilyId,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// An absolute path, or a URL where scheme or host change; the query goes along.
    pub location: Box<str>,
}

/// Where a request goes, and why.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The route.
    pub route: RouteId,
    /// The path family that the client used.
    pub family: FamilyId,
    /// The arm that serves it.
    pub arm: Arm,
    /// That arm's pool.
    pub upstream: UpstreamId,
    /// Why that arm.
    pub reason: Reason,
    /// The arm that gets a copy, if any.
    pub shadow: Option<Arm>,
    /// The tenant, where the configuration names it: only then may it be seen.
    pub tenant: Option<TenantId>,
    /// A print of the tenant's id, for a request that is copied: it tells tenants apart and says nothing of them.
    pub tenant_print: Option<u64>,
    /// The tenant's bucket, whoever it is and whatever is asked for: tells tenants apart without a name.
    pub tenant_bucket: Option<Bucket>,
    /// Where the tenant's requests are counted by themselves, because of a rollout of its own.
    pub own: Option<Arc<TenantCounters>>,
    /// What the tenant is told from others by, where a step asks how many the candidate sees, and this is one. It is another
    /// bucket than that of the canary: all tenants of a small share are in a few of those.
    pub seen_as: Option<Bucket>,
    /// The cohort that the tenant or the request belongs to, the first as written.
    pub cohort: Option<CohortId>,
    /// The variants that the arm is told, in the order of the route's flag headers.
    pub flags: Box<[(FlagId, VariantId)]>,
}

/// Why an arm was picked: whose shift, and what in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// Whose shift applied.
    pub scope: Scope,
    /// What in it decided.
    pub pick: Pick,
}

/// What decided between the arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// The route has no candidate.
    NoCandidate,
    /// A tester chose.
    Override,
    /// The request has no tenant, and such requests belong to stable.
    NoTenant,
    /// The stage is off or shadow: all on stable.
    AllStable(Stage),
    /// The stage is live: all on the candidate.
    AllCandidate,
    /// The key's bucket against the share.
    Bucket(Bucket, Share),
    /// The key's bucket, among those of the baseline's share.
    Baseline(Bucket, Share),
    /// The request lacks what makes it sticky, so stable serves it.
    NoKey,
}

impl Reason {
    /// The reason as people read it: `bucket 412 < 500`, `tenant-shift live`, `cohort:AF shadow`, `override`.
    #[must_use]
    pub fn describe(&self, snapshot: &Snapshot) -> String {
        let mut text = match self.scope {
            Scope::Route => String::new(),
            Scope::Tenant => "tenant-shift ".to_owned(),
            Scope::Cohort(id) => snapshot
                .cohort(id)
                .map(|cohort| format!("cohort:{} ", cohort.name))
                .unwrap_or_default(),
        };
        // Writing to a string cannot fail.
        let _ok = write!(text, "{}", self.pick);
        text
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCandidate => f.write_str("no-candidate"),
            Self::Override => f.write_str("override"),
            Self::NoTenant => f.write_str("no-tenant"),
            Self::AllStable(stage) => f.write_str(stage.as_str()),
            Self::AllCandidate => f.write_str(Stage::Live.as_str()),
            Self::NoKey => f.write_str("no-sticky-key"),
            Self::Baseline(bucket, share) => {
                let from = share.rest().basis_points();
                write!(f, "baseline bucket {} >= {from}", bucket.index())
            }
            Self::Bucket(bucket, share) => {
                let relation = if bucket.is_within(*share) { "<" } else { ">=" };
                write!(f, "bucket {} {relation} {}", bucket.index(), share.basis_points())
            }
        }
    }
}

impl Decision {
    /// The path that an arm knows the request's resource by.
    #[must_use]
    pub fn path_on<'p>(&self, arm: Arm, route: &Route, path: &'p str) -> Cow<'p, str> {
        let target = route.family(self.family).and_then(|family| family.arm(arm));
        target.map_or(Cow::Borrowed(path), |target| target.rewrite.apply(path))
    }
}
