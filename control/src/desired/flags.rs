//! How do commands change flags: who has which variant, and whether a flag is on at all?

use std::sync::Arc;

use config::document::FlagSpec;
use config::{FlagLive, ServeSpec};
use rules::{FlagName, Share};

use super::apply::unknown;
use super::{Applied, Desired, Next, Refusal, summary};
use crate::command::{FlagChange, Scope};

/// Changes a flag.
pub(super) fn change(
    desired: &Desired,
    flag: &FlagName,
    change: &FlagChange,
) -> Result<Applied, Refusal> {
    let spec = known(desired, flag)?;
    let live = desired.live.flags.get(flag).cloned();
    let live = live.unwrap_or_else(|| Arc::new(FlagLive::starting(spec)));
    let flag = Flag { desired, name: flag, spec, live };
    match change {
        FlagChange::Serve { scope, variant, share } => {
            flag.serve(scope, variant.as_deref(), *share)
        }
        FlagChange::Inherit(scope) => flag.inherit(scope),
        FlagChange::On => Ok(flag.stop(false)),
        FlagChange::Off => Ok(flag.stop(true)),
    }
}

fn known<'d>(desired: &'d Desired, flag: &FlagName) -> Result<&'d FlagSpec, Refusal> {
    let flags = &desired.configuration.document.flags;
    let spec = flags.get(flag.as_str());
    let spec = spec.ok_or_else(|| unknown("flag", flag.as_str(), flags.keys()))?;
    if spec.archived {
        return Err(Refusal::ArchivedFlag { flag: flag.to_string() });
    }
    Ok(spec)
}

/// A flag that is there, with its setting.
struct Flag<'d> {
    desired: &'d Desired,
    name: &'d FlagName,
    spec: &'d FlagSpec,
    live: Arc<FlagLive>,
}

impl Flag<'_> {
    fn serve(
        &self,
        scope: &Scope,
        variant: Option<&str>,
        share: Share,
    ) -> Result<Applied, Refusal> {
        self.check(scope, variant)?;
        let mut next = FlagLive::clone(&self.live);
        let before = self.of(&next, scope);
        match scope {
            Scope::Route => {
                let after = self.served(&next.default, variant, share);
                next.default = after;
            }
            Scope::Cohort(cohort) => {
                let own = next.cohorts.get(cohort).unwrap_or(&next.default);
                let after = self.served(own, variant, share);
                next.cohorts.insert(cohort.clone(), after);
            }
            Scope::Tenant(tenant) => {
                let after = self.of_tenant(variant, share)?;
                next.tenants.insert(tenant.clone(), after);
            }
        }
        Ok(self.with(scope, &before, next))
    }

    /// The variant stays where only the share is said.
    fn served(&self, before: &ServeSpec, variant: Option<&str>, share: Share) -> ServeSpec {
        let named = variant.map(str::to_owned).or_else(|| before.variant.clone());
        ServeSpec { variant: named.filter(|name| Some(&**name) != self.spec.served_name()), share }
    }

    fn of_tenant(&self, variant: Option<&str>, share: Share) -> Result<String, Refusal> {
        let served = self.live.default.variant.as_deref().or_else(|| self.spec.served_name());
        let named = if share.is_all() {
            variant.or(served)
        } else if share.is_none() && variant.is_none() {
            self.spec.off_name()
        } else {
            return Err(Refusal::ShareOfTenant);
        };
        named.map(str::to_owned).ok_or_else(|| unknown("variant", "off", self.spec.variants.keys()))
    }

    fn inherit(&self, scope: &Scope) -> Result<Applied, Refusal> {
        self.check(scope, None)?;
        let mut next = FlagLive::clone(&self.live);
        let before = self.of(&next, scope);
        match scope {
            Scope::Route => return Err(Refusal::NothingAbove),
            Scope::Cohort(cohort) => drop(next.cohorts.remove(cohort)),
            Scope::Tenant(tenant) => drop(next.tenants.remove(tenant)),
        }
        Ok(self.with(scope, &before, next))
    }

    fn stop(&self, stopped: bool) -> Applied {
        let told = if stopped { "off" } else { "on" };
        if self.live.stopped == stopped {
            return Applied::Unchanged(format!("flag {}: {told}", self.name));
        }
        let before = if stopped { "on" } else { "off" };
        let next = FlagLive { stopped, ..FlagLive::clone(&self.live) };
        self.changed(next, format!("flag {}: {before} -> {told}", self.name))
    }

    fn check(&self, scope: &Scope, variant: Option<&str>) -> Result<(), Refusal> {
        let document = &self.desired.configuration.document;
        if let Scope::Cohort(cohort) = scope {
            let spec = document.cohorts.get(cohort.as_str());
            let spec =
                spec.ok_or_else(|| unknown("cohort", cohort.as_str(), document.cohorts.keys()))?;
            if !spec.is_of_tenants() {
                return Err(Refusal::CohortOfRequests { cohort: cohort.to_string() });
            }
        }
        match variant.filter(|name| !self.spec.variants.contains_key(*name)) {
            Some(name) => Err(unknown("variant", name, self.spec.variants.keys())),
            None => Ok(()),
        }
    }

    /// What a scope has of its own.
    fn of(&self, live: &FlagLive, scope: &Scope) -> String {
        let served = self.spec.served_name().unwrap_or_default();
        let told = match scope {
            Scope::Route => Some(summary::of_serve(&live.default, served)),
            Scope::Cohort(cohort) => {
                live.cohorts.get(cohort).map(|serve| summary::of_serve(serve, served))
            }
            Scope::Tenant(tenant) => live.tenants.get(tenant).cloned(),
        };
        told.unwrap_or_else(|| "inherits".to_owned())
    }

    fn with(&self, scope: &Scope, before: &str, next: FlagLive) -> Applied {
        let place = match scope {
            Scope::Route => format!("flag {}", self.name),
            Scope::Cohort(cohort) => format!("flag {}, cohort {cohort}", self.name),
            Scope::Tenant(tenant) => format!("flag {}, tenant {tenant}", self.name),
        };
        let after = self.of(&next, scope);
        if next == *self.live {
            return Applied::Unchanged(format!("{place}: {after}"));
        }
        self.changed(next, format!("{place}: {before} -> {after}"))
    }

    fn changed(&self, live: FlagLive, summary: String) -> Applied {
        let off = live.stopped && !summary.ends_with("-> off");
        let note = off.then(|| {
            format!(
                "flag {0} is off for everybody: `turnout flag on {0}` lets this take effect",
                self.name
            )
        });
        let mut next = self.desired.clone();
        Arc::make_mut(&mut next.live.flags).insert(self.name.clone(), Arc::new(live));
        Applied::Changed(Next { desired: next, summary, notes: note.into_iter().collect() })
    }
}
