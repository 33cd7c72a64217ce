//! How does a route look? Where its traffic stands, how its arms do, how alike they are.

use std::collections::BTreeMap;

use config::{RouteLive, ShiftSpec};
use rules::exchange::Outcome;
use rules::route::Family;
use rules::sli::AliasCounters;
use rules::{Arm, Route, Shift, Snapshot};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ArmView, moment};
use crate::desk::Desk;
use crate::ledger::Present;

/// How many tenants a route's answer names; the rest are counted.
const TENANTS_SHOWN: usize = 100;

/// A route as it serves.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteView {
    /// Its name.
    name: String,
    /// The public path that stays.
    canonical: String,
    /// Older public paths.
    aliases: Vec<AliasView>,
    /// The hosts that it is for; any where there are none.
    hosts: Vec<String>,
    /// The old side; none for a route that only redirects.
    stable: Option<SideView>,
    /// The new side.
    candidate: Option<SideView>,
    /// Fresh instances of the old version beside a canary, where the route has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<SideView>,
    #[serde(flatten)]
    shift: ShiftView,
    /// Shifts of cohorts.
    cohorts: Vec<CohortView>,
    /// Shifts of tenants.
    tenants: TenantsView,
    /// How the arms do.
    sli: SliView,
    /// What became of copies.
    shadowed: BTreeMap<&'static str, u64>,
    /// How alike the arms' answers are.
    parity: CountsView,
}

/// Where traffic stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShiftView {
    /// `off`, `shadow`, `canary` or `live`.
    stage: &'static str,
    /// The candidate's share.
    #[schema(example = "25%")]
    share: String,
    /// Of the requests that stable serves, the share copied to the candidate.
    shadow: String,
    /// Of the requests that the candidate serves, the share copied to stable.
    reverse_shadow: String,
}

impl From<Shift> for ShiftView {
    fn from(shift: Shift) -> Self {
        Self {
            stage: shift.stage().as_str(),
            share: shift.share.to_string(),
            shadow: shift.shadow.to_string(),
            reverse_shadow: shift.reverse_shadow.to_string(),
        }
    }
}

impl From<ShiftSpec> for ShiftView {
    fn from(shift: ShiftSpec) -> Self {
        Self::from(Shift::from(shift))
    }
}

/// One side of a route.
#[derive(Debug, Serialize, ToSchema)]
struct SideView {
    /// Its pool.
    upstream: String,
}

/// An older public path, and how much it is still used.
#[derive(Debug, Serialize, ToSchema)]
struct AliasView {
    /// The path.
    path: String,
    /// Since when it is deprecated (RFC 3339).
    deprecated: String,
    /// When it goes away.
    #[serde(skip_serializing_if = "Option::is_none")]
    sunset: Option<String>,
    /// How often it was used since the start.
    requests: u64,
    /// When it was last used.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
    /// By whom; only tenants that the configuration names.
    tenants: Vec<TenantUseView>,
}

/// One tenant's use of an alias.
#[derive(Debug, Serialize, ToSchema)]
struct TenantUseView {
    /// The tenant.
    tenant: String,
    /// How often.
    requests: u64,
    /// When last.
    last_seen: String,
}

/// A cohort's shift.
#[derive(Debug, Serialize, ToSchema)]
struct CohortView {
    /// The cohort.
    name: String,
    #[serde(flatten)]
    shift: ShiftView,
}

/// The shifts of tenants.
#[derive(Debug, Serialize, ToSchema)]
struct TenantsView {
    /// How many have one of their own.
    count: usize,
    /// The first of them by id.
    first: Vec<TenantShiftView>,
}

/// A tenant's shift.
#[derive(Debug, Serialize, ToSchema)]
struct TenantShiftView {
    /// The tenant.
    tenant: String,
    #[serde(flatten)]
    shift: ShiftView,
}

/// How the arms do.
#[derive(Debug, Serialize, ToSchema)]
struct SliView {
    /// The old side.
    stable: ArmView,
    /// The new side.
    candidate: ArmView,
    /// Fresh instances of the old version, where the route has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<ArmView>,
    /// The same per cohort.
    cohorts: Vec<CohortSliView>,
}

/// How the arms do for one cohort.
#[derive(Debug, Serialize, ToSchema)]
struct CohortSliView {
    /// The cohort.
    name: String,
    /// The old side.
    stable: ArmView,
    /// The new side.
    candidate: ArmView,
    /// Fresh instances of the old version, where the route has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<ArmView>,
}

/// How alike the arms' answers are, over shadowed exchanges.
#[derive(Debug, Serialize, ToSchema)]
struct CountsView {
    /// Exchanges whose answers were compared.
    compared: u64,
    /// Of those, alike.
    matched: u64,
    /// Of those, not alike.
    mismatched: u64,
    /// Exchanges that could not be compared, by reason.
    not_comparable: BTreeMap<&'static str, u64>,
}

/// From where a view is made.
pub(crate) struct Showing<'s> {
    pub(crate) desk: &'s Desk,
    pub(crate) present: &'s Present,
}

impl Showing<'_> {
    /// All routes, as written.
    pub(crate) fn routes(&self) -> Vec<RouteView> {
        let routes = self.present.compiled.snapshot.table.routes();
        routes.iter().map(|route| self.route(route)).collect()
    }

    /// The route of a name.
    pub(crate) fn named(&self, name: &str) -> Option<RouteView> {
        let routes = self.present.compiled.snapshot.table.routes();
        routes.iter().find(|route| route.name.as_str() == name).map(|route| self.route(route))
    }

    fn route(&self, route: &Route) -> RouteView {
        let nothing = RouteLive::default();
        let lives = &self.present.desired.live.routes;
        let live = lives.get(&route.name).map_or(&nothing, |live| live);
        let canonical = route.families.first();
        let side = |arm| side(&self.present.compiled.snapshot, canonical?, arm);
        let cohort = |(name, shift): (&rules::CohortName, &ShiftSpec)| CohortView {
            name: name.to_string(),
            shift: (*shift).into(),
        };
        RouteView {
            name: route.name.to_string(),
            canonical: canonical.map(|family| family.path.to_string()).unwrap_or_default(),
            aliases: aliases(route),
            hosts: route.conditions.hosts.iter().map(ToString::to_string).collect(),
            stable: side(Arm::Stable),
            candidate: side(Arm::Candidate),
            baseline: side(Arm::Baseline),
            shift: live.default.into(),
            cohorts: live.cohorts.iter().map(cohort).collect(),
            tenants: tenants(live),
            sli: self.sli(route),
            shadowed: route.counters.shadow_results().map(|(r, n)| (r.as_str(), n)).into(),
            parity: parity(route),
        }
    }

    fn sli(&self, route: &Route) -> SliView {
        let name = route.name.as_str();
        let views = |arms: &rules::sli::Arms, cohort: Option<&str>| {
            let [of_stable, of_candidate, of_baseline] = self.desk.windows().rates(name, cohort);
            let baseline = ArmView::new(&arms.baseline, &of_baseline);
            (
                ArmView::new(&arms.stable, &of_stable),
                ArmView::new(&arms.candidate, &of_candidate),
                route.baseline.map(|_| baseline),
            )
        };
        let (stable, candidate, baseline) = views(route.counters.arms(), None);
        let cohorts = route.counters.cohorts().map(|(cohort, arms)| {
            let (stable, candidate, baseline) = views(arms, Some(cohort.as_str()));
            CohortSliView { name: cohort.to_string(), stable, candidate, baseline }
        });
        SliView { stable, candidate, baseline, cohorts: cohorts.collect() }
    }
}

fn side(snapshot: &Snapshot, family: &Family, arm: Arm) -> Option<SideView> {
    let upstream = snapshot.upstream(family.arm(arm)?.upstream)?;
    Some(SideView { upstream: upstream.name.to_string() })
}

fn tenants(live: &RouteLive) -> TenantsView {
    let first = live.tenants.iter().take(TENANTS_SHOWN).map(|(tenant, shift)| TenantShiftView {
        tenant: tenant.to_string(),
        shift: (*shift).into(),
    });
    TenantsView { count: live.tenants.len(), first: first.collect() }
}

fn aliases(route: &Route) -> Vec<AliasView> {
    let declared = route.families.iter().skip(1).zip(route.counters.aliases());
    declared.map(|(family, (path, counters))| alias(family, path, counters)).collect()
}

fn alias(family: &Family, path: &str, counters: &AliasCounters) -> AliasView {
    let alias = family.alias.as_ref();
    let tenants = counters.tenants().map(|used| TenantUseView {
        tenant: used.tenant.to_string(),
        requests: used.requests,
        last_seen: moment(used.last_seen_unix),
    });
    AliasView {
        path: path.to_owned(),
        deprecated: alias.map(|alias| moment(alias.deprecated_unix)).unwrap_or_default(),
        sunset: alias.and_then(|alias| alias.sunset_unix).map(moment),
        requests: counters.requests(),
        last_seen: counters.last_seen_unix().map(moment),
        tenants: tenants.collect(),
    }
}

fn parity(route: &Route) -> CountsView {
    let mut view =
        CountsView { compared: 0, matched: 0, mismatched: 0, not_comparable: BTreeMap::new() };
    for (outcome, count) in route.counters.outcomes() {
        match outcome {
            Outcome::Match => view.matched = count,
            Outcome::Mismatch => view.mismatched = count,
            Outcome::NotComparable(_) if count == 0 => {}
            Outcome::NotComparable(reason) => {
                view.not_comparable.insert(reason.as_str(), count);
            }
        }
    }
    view.compared = view.matched + view.mismatched;
    view
}
