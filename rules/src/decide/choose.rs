//! Where does this request go? One decision per request, kept to its end. (INV-3)

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderName, Method};

use super::verdict::{Decision, Pick, Reason, Redirection, Refusal, RefusalCause, Verdict};
use crate::address_text::AddressText;
use crate::bucket::Bucket;
use crate::cohort::of_request;
use crate::facts::{Facts, Occurrence};
use crate::flag::{Subject, kept_out, told};
use crate::normal::holds_encoded_slash;
use crate::route::{
    AfterSunset, Arm, EncodedSlash, Family, FamilyId, Redirect, Route, RouteId, Sticky,
};
use crate::shift::{Scope, Shift, Stage};
use crate::snapshot::Snapshot;
use crate::tenant::{Lock, Tenant, TenantProblem, print_of};
use crate::token::{MissingToken, Token, TokenRule};
use crate::{Share, TenantId};

/// The header by which a tester behind a trusted proxy chooses the arm.
pub const ARM_HEADER: HeaderName = HeaderName::from_static("x-turnout-arm");
/// The header that marks a copy, so that it is never copied again.
pub const SHADOW_HEADER: HeaderName = HeaderName::from_static("x-turnout-shadow");
const CONSUMER_HEADER: HeaderName = HeaderName::from_static("x-consumer-id");

/// Decides what happens to a request. Allocates nothing where no path is rewritten, no escape is decoded, no flag is
/// told and no header tells a cohort.
///
/// ```
/// use std::sync::Arc;
/// use rules::{Facts, Snapshot, Verdict, decide};
/// let headers = http::HeaderMap::new();
/// let facts = Facts {
///     method: &http::Method::GET,
///     host: "example.org",
///     path: "/v1/sms",
///     query: "",
///     headers: &headers,
///     client: [192, 0, 2, 1].into(),
///     trusted: false,
///     token: rules::token::Token::Missing,
///     request_id: "7",
///     now_unix: 0,
/// };
/// assert!(matches!(decide(&Snapshot::default(), &facts), Verdict::NoRoute));
/// ```
#[must_use]
pub fn decide(snapshot: &Snapshot, facts: &Facts<'_>) -> Verdict {
    decide_on(snapshot, facts, snapshot.table.find(facts))
}

/// Decides about a request whose route has been found already: with what its token proves, which depends on the route.
#[must_use]
pub fn decide_on(
    snapshot: &Snapshot,
    facts: &Facts<'_>,
    found: Option<(&Arc<Route>, RouteId, FamilyId)>,
) -> Verdict {
    let Some((route, id, family_id)) = found else { return Verdict::NoRoute };
    let Some(family) = route.family(family_id) else { return Verdict::NoRoute };
    let refuse = |cause| Verdict::Refuse(Refusal { route: id, family: family_id, cause });

    if route.encoded_slash == EncodedSlash::Refuse && holds_encoded_slash(facts.path) {
        return refuse(RefusalCause::EncodedSlash);
    }
    let redirected = match after_sunset(route, family, facts) {
        Some(AfterSunset::Gone) => return refuse(RefusalCause::AliasGone),
        Some(AfterSunset::Redirect) => {
            Some((308, with_query(&family.to_canonical.apply(facts.path), facts)))
        }
        Some(AfterSunset::Serve) | None => {
            route.redirect.as_ref().map(|to| (to.status, location(to, facts)))
        }
    };
    if let Some((status, location)) = redirected {
        return Verdict::Redirect(Redirection { route: id, family: family_id, status, location });
    }

    if let Some(cause) = route.token.and_then(|rule| unproven(rule, facts)) {
        return refuse(cause);
    }
    let tenant_id = match route.tenant.find(facts) {
        Ok(tenant) => tenant,
        Err(TenantProblem::Missing) => return refuse(RefusalCause::TenantMissing),
        Err(TenantProblem::Invalid) => return refuse(RefusalCause::TenantInvalid),
        Err(TenantProblem::Disagreement) => return refuse(RefusalCause::TenantDisagreement),
    };
    let known = tenant_id.as_deref().and_then(|tenant| snapshot.tenants.get_key_value(tenant));
    match known.and_then(|(_, tenant)| tenant.lock) {
        Some(Lock::Blocked) => return refuse(RefusalCause::TenantBlocked),
        Some(Lock::ReadOnly) if !facts.method.is_safe() => {
            return refuse(RefusalCause::TenantReadOnly);
        }
        Some(Lock::ReadOnly) | None => {}
    }

    let of_tenant = known.map_or(&[][..], |(_, tenant)| &tenant.cohorts);
    // Flags are of tenants: who asks for them elsewhere has no request's headers, and must be told the same.
    let subject = Subject { tenant: tenant_id.as_deref(), cohorts: of_tenant };
    if let Some((flag, variant)) = kept_out(&snapshot.flags, route, subject) {
        return refuse(RefusalCause::FlagRequired(flag, variant));
    }
    let Some(shifts) = snapshot.shifts_of(id) else { return Verdict::NoRoute };
    let cohorts = of_request(&snapshot.told, facts, of_tenant);
    let (scope, shift) = shifts.of(tenant_id.as_deref(), &cohorts);
    let (arm, pick) = pick_arm(route, family, facts, tenant_id.as_deref(), scope, shift);
    let Some(target) = family.arm(arm) else { return Verdict::NoRoute };
    let shadow = shadow_arm(route, family, facts, arm, pick, shift);
    let counted = snapshot.rollouts.get(&id);
    let is_seen = arm == Arm::Candidate
        && pick != Pick::Override
        && counted.is_some_and(|counted| counted.asks_for_tenants());
    Verdict::Forward(Decision {
        route: id,
        family: family_id,
        arm,
        upstream: target.upstream,
        reason: Reason { scope, pick },
        shadow,
        tenant: named(known),
        tenant_print: shadow.and(tenant_id.as_deref()).map(print_of),
        tenant_bucket: tenant_id.as_deref().map(|tenant| Bucket::of(&route.seed, tenant)),
        own: counted.and_then(|counted| counted.tenant(tenant_id.as_deref()?)).cloned(),
        seen_as: tenant_id
            .as_deref()
            .filter(|_| is_seen)
            .map(|tenant| Bucket::of(&route.shadow_seed, tenant)),
        cohort: cohorts.first().copied(),
        flags: told(&snapshot.flags, route, subject),
    })
}

/// Why a route does not take a request for what its token proves.
fn unproven(rule: TokenRule, facts: &Facts<'_>) -> Option<RefusalCause> {
    match (facts.token, rule.missing) {
        (Token::Missing, MissingToken::Reject) => Some(RefusalCause::TokenMissing),
        (Token::Missing, MissingToken::Pass) | (Token::Verified(_), _) => None,
        (Token::Refused(problem), _) => Some(RefusalCause::TokenRefused(problem)),
    }
}

fn named(known: Option<(&TenantId, &Tenant)>) -> Option<TenantId> {
    known.filter(|(_, tenant)| tenant.named).map(|(id, _)| id.clone())
}

fn after_sunset(route: &Route, family: &Family, facts: &Facts<'_>) -> Option<AfterSunset> {
    let sunset = family.alias.as_ref()?.sunset_unix?;
    (facts.now_unix >= sunset).then_some(route.after_sunset)
}

fn location(to: &Redirect, facts: &Facts<'_>) -> Box<str> {
    let path = to.rewrite.apply(facts.path);
    // Another scheme has another port: the client's is of no use there.
    let own_host = if to.scheme.is_some() { facts.host_name() } else { facts.host };
    match (&to.scheme, &to.host) {
        (None, None) => with_query(&path, facts),
        (scheme, host) => {
            let scheme = scheme.as_deref().map(|scheme| format!("{scheme}:")).unwrap_or_default();
            let host = host.as_deref().unwrap_or(own_host);
            let query = if facts.query.is_empty() { "" } else { "?" };
            format!("{scheme}//{host}{path}{query}{}", facts.query).into()
        }
    }
}

/// A path on the client's own host, with the query.
///
/// What is left of a rewritten path may begin like another host, `//host` or, as browsers read it, `/\host`: RFC 3986
/// section 4.2 has `/.` put before it.
fn with_query(path: &str, facts: &Facts<'_>) -> Box<str> {
    let guard = if path.starts_with("//") || path.starts_with("/\\") { "/." } else { "" };
    let query = if facts.query.is_empty() { "" } else { "?" };
    format!("{guard}{path}{query}{}", facts.query).into()
}

fn pick_arm(
    route: &Route,
    family: &Family,
    facts: &Facts<'_>,
    tenant: Option<&str>,
    scope: Scope,
    shift: Shift,
) -> (Arm, Pick) {
    if family.candidate.is_none() {
        return (Arm::Stable, Pick::NoCandidate);
    }
    if let Some(arm) = override_arm(facts) {
        return (arm, Pick::Override);
    }
    if tenant.is_none() && !route.tenant.sources.is_empty() {
        return (Arm::Stable, Pick::NoTenant);
    }
    match shift.stage() {
        stage @ (Stage::Off | Stage::Shadow) => (Arm::Stable, Pick::AllStable(stage)),
        Stage::Live => (Arm::Candidate, Pick::AllCandidate),
        Stage::Canary => match bucket(route, facts, tenant, scope) {
            None => (Arm::Stable, Pick::NoKey),
            Some(bucket) if bucket.is_within(shift.share) => {
                (Arm::Candidate, Pick::Bucket(bucket, shift.share))
            }
            Some(bucket) => beside(route, family, bucket, shift.share),
        },
    }
}

/// Which of the arms of the old version serves a key that the candidate does not.
fn beside(route: &Route, family: &Family, bucket: Bucket, candidate: Share) -> (Arm, Pick) {
    match route.baseline.filter(|_| family.baseline.is_some()) {
        Some(baseline) if baseline.has(bucket, candidate) => {
            (Arm::Baseline, Pick::Baseline(bucket, baseline.beside(candidate)))
        }
        _ => (Arm::Stable, Pick::Bucket(bucket, candidate)),
    }
}

fn override_arm(facts: &Facts<'_>) -> Option<Arm> {
    if !facts.trusted {
        return None;
    }
    let Occurrence::One(value) = facts.header(&ARM_HEADER) else { return None };
    [Arm::Stable, Arm::Candidate].into_iter().find(|arm| arm.as_str() == value)
}

/// The bucket of what makes the request sticky.
///
/// Where nothing is said, that is the tenant; but a tenant's own share is a share of its requests, else it could only
/// be all or nothing.
fn bucket(route: &Route, facts: &Facts<'_>, tenant: Option<&str>, scope: Scope) -> Option<Bucket> {
    let of = |key: &str| Some(Bucket::of(&route.seed, key)).filter(|_| !key.is_empty());
    let of_one = |found: Occurrence<Cow<'_, str>>| match found {
        Occurrence::One(key) => of(&key),
        Occurrence::Missing | Occurrence::Ambiguous => None,
    };
    match &route.sticky {
        Some(Sticky::Tenant) => of(tenant?),
        Some(Sticky::Header(name)) => of_one(facts.header(name)),
        Some(Sticky::Cookie(name)) => of_one(facts.cookie(name)),
        Some(Sticky::ClientAddress) => of(AddressText::of(facts.client).as_str()),
        Some(Sticky::Consumer) if facts.trusted => of_one(facts.header(&CONSUMER_HEADER)),
        Some(Sticky::Consumer) => None,
        Some(Sticky::Claim(name)) => of_one(facts.claim(name)),
        Some(Sticky::Request) => of(facts.request_id),
        None => of(tenant.filter(|_| scope != Scope::Tenant).unwrap_or(facts.request_id)),
    }
}

/// The arm that gets a copy. Sampled by the request, apart from the canary's buckets.
fn shadow_arm(
    route: &Route,
    family: &Family,
    facts: &Facts<'_>,
    serving: Arm,
    pick: Pick,
    shift: Shift,
) -> Option<Arm> {
    let share = match serving {
        Arm::Stable | Arm::Baseline => shift.shadow,
        Arm::Candidate => shift.reverse_shadow,
    };
    let excluded = share.is_none()
        || pick == Pick::Override
        || family.arm(serving.other()).is_none()
        || !route.shadow.methods.contains(facts.method)
        || facts.headers.contains_key(http::header::UPGRADE)
        || facts.headers.contains_key(&SHADOW_HEADER)
        || facts.method == Method::CONNECT;
    if excluded || !Bucket::of(&route.shadow_seed, facts.request_id).is_within(share) {
        return None;
    }
    Some(serving.other())
}
