//! What do commands change of flags? Who has which variant, and whether the flag is on at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::{CohortName, FlagName, Share, TenantId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{CohortSpec, Document, FlagSpec};
use crate::units::Percent;

/// Which variant a share of tenants has. Everybody else has the off one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServeSpec {
    /// The variant; the first that is not the off one where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The share of tenants that have it.
    #[serde(with = "crate::units::share")]
    #[schemars(with = "Percent")]
    pub share: Share,
}

/// One flag's setting. A tenant's own variant stands before its cohort's, a cohort's before the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlagLive {
    /// Set while the flag is off for everybody; what else is said stays, for when it is on again.
    pub stopped: bool,
    /// For everybody else.
    pub default: ServeSpec,
    /// Per cohort.
    #[serde(with = "crate::names")]
    pub cohorts: BTreeMap<CohortName, ServeSpec>,
    /// Per tenant.
    #[serde(with = "crate::names")]
    pub tenants: BTreeMap<TenantId, String>,
}

impl FlagLive {
    /// The setting that a flag has at first.
    #[must_use]
    pub fn starting(flag: &FlagSpec) -> Self {
        Self { default: flag.start.clone(), ..Self::default() }
    }

    /// Whether every variant and cohort that it names is there.
    fn fits(&self, document: &Document, flag: &FlagSpec) -> bool {
        serves(flag, &self.default)
            && self.cohorts.iter().all(|(name, serve)| takes(document, name) && serves(flag, serve))
            && self.tenants.values().all(|variant| flag.variants.contains_key(variant))
    }

    fn fitted(mut self, document: &Document, flag: &FlagSpec) -> Self {
        if !serves(flag, &self.default) {
            self.default = flag.start.clone();
        }
        self.cohorts.retain(|name, serve| takes(document, name) && serves(flag, serve));
        self.tenants.retain(|_, variant| flag.variants.contains_key(variant));
        self
    }
}

/// Whether flags can be set for a cohort: one of requests has no tenants.
fn takes(document: &Document, name: &CohortName) -> bool {
    document.cohorts.get(name.as_str()).is_some_and(CohortSpec::is_of_tenants)
}

fn serves(flag: &FlagSpec, serve: &ServeSpec) -> bool {
    serve.variant.as_ref().is_none_or(|variant| flag.variants.contains_key(variant))
}

/// The settings under a document: what `previous` says of flags, variants and cohorts that are still there, and `start:` for
/// flags that are new.
pub(crate) fn known_flags(
    document: &Document,
    previous: &Arc<BTreeMap<FlagName, Arc<FlagLive>>>,
) -> Arc<BTreeMap<FlagName, Arc<FlagLive>>> {
    let live = document.flags.iter().filter_map(|(name, flag)| {
        let name: FlagName = name.parse().ok()?;
        let live = match previous.get(&name) {
            Some(live) if live.fits(document, flag) => Arc::clone(live),
            Some(live) => Arc::new(FlagLive::clone(live).fitted(document, flag)),
            None => Arc::new(FlagLive::starting(flag)),
        };
        Some((name, live))
    });
    let live: BTreeMap<_, _> = live.collect();
    let is_same = |(a, b): (&Arc<FlagLive>, &Arc<FlagLive>)| Arc::ptr_eq(a, b);
    if live.len() == previous.len() && live.values().zip(previous.values()).all(is_same) {
        return Arc::clone(previous);
    }
    Arc::new(live)
}
