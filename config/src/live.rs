//! What do commands change while the file stays the same? Shifts, locks, attributes, flags and targets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rules::tenant::Lock;
use rules::{CohortName, FlagName, RouteName, Share, Shift, TenantId, TokenName, UpstreamName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{Document, TokenSpec};
use crate::flags::{FlagLive, known_flags};
use crate::units::Percent;

/// The live state beside the file. Its parts are shared, so that a change costs what it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Live {
    /// Each route's shifts; a route without an entry is all stable.
    #[serde(with = "crate::names")]
    pub routes: BTreeMap<RouteName, Arc<RouteLive>>,
    /// Locked tenants.
    #[serde(with = "crate::names::shared")]
    pub locks: Arc<BTreeMap<TenantId, LockSpec>>,
    /// Attributes of tenants that stand in for those of the file; none where one of the file is left out.
    #[serde(with = "crate::names::shared")]
    pub attributes: Arc<BTreeMap<TenantId, AttributeChanges>>,
    /// Targets that stand in for those of the file.
    #[serde(with = "crate::names::shared")]
    pub targets: Arc<BTreeMap<UpstreamName, Vec<TargetSpec>>>,
    /// Each flag's setting; a flag without an entry is as its `start:` says.
    #[serde(with = "crate::names::shared")]
    pub flags: Arc<BTreeMap<FlagName, Arc<FlagLive>>>,
    /// What rollouts under way need counted, by route; it follows from them, and is neither shown nor stored.
    #[serde(skip)]
    pub counting: Arc<BTreeMap<RouteName, Counting>>,
    /// Tokens for the control API that were made by commands, by name. They are not shown with the rest.
    #[serde(skip)]
    pub tokens: Arc<BTreeMap<TokenName, TokenSpec>>,
}

/// What rollouts of one route need counted, beside what always is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counting {
    /// The tenants whose requests are counted by themselves.
    pub tenants: BTreeSet<TenantId>,
    /// The steps that ask how many different tenants their candidate sees.
    pub asked: Vec<AskedStep>,
}

/// A step that asks how many different tenants its candidate sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedStep {
    /// What it is told by from all other steps.
    pub step: String,
    /// Of which cohort's tenants; of everybody's where none is given.
    pub cohort: Option<CohortName>,
}

/// Attributes by name with their values; none removes one.
pub type AttributeChanges = BTreeMap<String, Option<String>>;

/// One route's shifts. A tenant's own stands before its cohort's, a cohort's before the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteLive {
    /// For everybody else.
    pub default: ShiftSpec,
    /// Per cohort.
    #[serde(with = "crate::names")]
    pub cohorts: BTreeMap<CohortName, ShiftSpec>,
    /// Per tenant.
    #[serde(with = "crate::names")]
    pub tenants: BTreeMap<TenantId, ShiftSpec>,
}

/// How much goes to the candidate, and how much is copied.
///
/// ```
/// let start: config::ShiftSpec = serde_json::from_str(r#"{"share": "5%"}"#).unwrap();
/// assert_eq!(rules::Shift::from(start).stage(), rules::Stage::Canary);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShiftSpec {
    /// The share of keys that the candidate serves.
    #[serde(with = "crate::units::share")]
    #[schemars(with = "Percent")]
    pub share: Share,
    /// Of the requests that stable serves, the share copied to the candidate.
    #[serde(with = "crate::units::share")]
    #[schemars(with = "Percent")]
    pub shadow: Share,
    /// Of the requests that the candidate serves, the share copied to stable.
    #[serde(with = "crate::units::share")]
    #[schemars(with = "Percent")]
    pub reverse_shadow: Share,
}

impl ShiftSpec {
    /// Whether everything is on stable and nothing is copied: all that a route without a candidate can do.
    #[must_use]
    pub const fn is_off(self) -> bool {
        self.share.is_none() && self.shadow.is_none() && self.reverse_shadow.is_none()
    }
}

impl From<ShiftSpec> for Shift {
    fn from(spec: ShiftSpec) -> Self {
        Self { share: spec.share, shadow: spec.shadow, reverse_shadow: spec.reverse_shadow }
    }
}

impl From<Shift> for ShiftSpec {
    fn from(shift: Shift) -> Self {
        Self { share: shift.share, shadow: shift.shadow, reverse_shadow: shift.reverse_shadow }
    }
}

/// One address of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetSpec {
    /// `host:port`.
    pub address: String,
    /// How many of the upstream's requests it gets, relative to the other targets; 0 means none.
    #[serde(default = "one")]
    pub weight: u16,
}

const fn one() -> u16 {
    1
}

/// What a tenant may do while its data is being moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LockSpec {
    /// Unsafe methods are refused; safe ones pass.
    ReadOnly,
    /// Everything is refused.
    Blocked,
}

impl From<LockSpec> for Lock {
    fn from(spec: LockSpec) -> Self {
        match spec {
            LockSpec::ReadOnly => Self::ReadOnly,
            LockSpec::Blocked => Self::Blocked,
        }
    }
}

/// The live state under a document: what `previous` says of what is still there, and `start:` for routes that are new.
///
/// Shifts of routes and cohorts that are gone are dropped, as are settings of flags and the targets of upstreams that are
/// gone, so that a name which comes back later does not come back with an old share.
#[must_use]
pub fn starting_live(document: &Document, previous: &Live) -> Live {
    let routes = document.routes.iter().filter_map(|(name, route)| {
        let name: RouteName = name.parse().ok()?;
        let live = match previous.routes.get(&name) {
            Some(live) => without_lost_cohorts(document, live),
            None => Arc::new(RouteLive { default: route.start, ..RouteLive::default() }),
        };
        Some((name, live))
    });
    Live {
        routes: routes.collect(),
        locks: Arc::clone(&previous.locks),
        attributes: Arc::clone(&previous.attributes),
        targets: without_lost_upstreams(document, &previous.targets),
        flags: known_flags(document, &previous.flags),
        counting: Arc::default(),
        tokens: Arc::clone(&previous.tokens),
    }
}

fn without_lost_cohorts(document: &Document, live: &Arc<RouteLive>) -> Arc<RouteLive> {
    let known = |name: &CohortName| document.cohorts.contains_key(name.as_str());
    if live.cohorts.keys().all(known) {
        return Arc::clone(live);
    }
    let mut kept = RouteLive::clone(live);
    kept.cohorts.retain(|name, _| known(name));
    Arc::new(kept)
}

fn without_lost_upstreams(
    document: &Document,
    targets: &Arc<BTreeMap<UpstreamName, Vec<TargetSpec>>>,
) -> Arc<BTreeMap<UpstreamName, Vec<TargetSpec>>> {
    let known = |name: &UpstreamName| document.upstreams.contains_key(name.as_str());
    if targets.keys().all(known) {
        return Arc::clone(targets);
    }
    let kept = targets.iter().filter(|(name, _)| known(name));
    Arc::new(kept.map(|(name, targets)| (name.clone(), targets.clone())).collect())
}
