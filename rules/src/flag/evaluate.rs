//! Which variant does a tenant have, and why?

use std::fmt;

use super::definition::{Flag, FlagId, Serve, Variant, VariantId};
use super::set::FlagSet;
use crate::bucket::Bucket;
use crate::cohort::CohortId;
use crate::{FlagName, Share};

/// Whom a flag is evaluated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Subject<'s> {
    /// The tenant's id, if there is one.
    pub tenant: Option<&'s str>,
    /// The cohorts it belongs to, in the order the configuration writes them.
    pub cohorts: &'s [CohortId],
}

/// The variant of one subject, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evaluation<'f> {
    /// The flag's name.
    pub flag: &'f FlagName,
    /// The variant's place.
    pub id: VariantId,
    /// The variant.
    pub variant: &'f Variant,
    /// Why this one.
    pub reason: FlagReason,
}

/// Why a subject has a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagReason {
    /// The flag is off.
    Off,
    /// Another flag, which this one needs, is off or gives another variant.
    Prerequisite(FlagId),
    /// The tenant has a variant of its own.
    Tenant,
    /// What is set applies to everybody there, or to nobody.
    Whole(Group),
    /// The tenant's bucket against the share.
    Bucket(Group, Bucket, Share),
    /// There is a share, and no tenant to pick by.
    NoTenant(Group),
}

/// Whose setting applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Everybody's.
    Everybody,
    /// A cohort's.
    Cohort(CohortId),
}

impl FlagReason {
    /// The reason in OpenFeature's words.
    #[must_use]
    pub const fn standard(self) -> &'static str {
        match self {
            Self::Off | Self::Prerequisite(_) => "DISABLED",
            Self::Tenant | Self::Whole(Group::Cohort(_)) => "TARGETING_MATCH",
            Self::Bucket(..) => "SPLIT",
            Self::Whole(Group::Everybody) | Self::NoTenant(_) => "DEFAULT",
        }
    }
}

/// The reason in short; the names of cohorts and flags are known to their snapshot alone.
impl fmt::Display for FlagReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Prerequisite(_) => f.write_str("prerequisite"),
            Self::Tenant => f.write_str("tenant"),
            Self::Whole(Group::Everybody) => f.write_str("default"),
            Self::Whole(Group::Cohort(_)) => f.write_str("cohort"),
            Self::NoTenant(_) => f.write_str("no-tenant"),
            Self::Bucket(_, bucket, share) => {
                let relation = if bucket.is_within(*share) { "<" } else { ">=" };
                write!(f, "bucket {} {relation} {}", bucket.index(), share.basis_points())
            }
        }
    }
}

impl FlagSet {
    /// The variant that a subject has. Nothing is allocated; the cost does not grow with the number of flags.
    ///
    /// None where there is no such flag. Archived flags are evaluated, too: whoever asks looks them up by
    /// [`FlagSet::find`] first, which refuses them.
    #[must_use]
    pub fn evaluate(&self, id: FlagId, subject: Subject<'_>) -> Option<Evaluation<'_>> {
        let flag = self.get(id)?;
        let (variant, reason) = match self.unmet(flag, subject) {
            Some(other) => (flag.definition.off, FlagReason::Prerequisite(other)),
            None => flag.own(subject),
        };
        let definition = &*flag.definition;
        let of = |id| Some((id, definition.variant(id)?));
        let (id, variant) = of(variant).or_else(|| of(definition.off))?;
        Some(Evaluation { flag: &definition.name, id, variant, reason })
    }

    /// The first of the flags that this one needs whose need is not met.
    fn unmet(&self, flag: &Flag, subject: Subject<'_>) -> Option<FlagId> {
        let needs = flag.definition.needs.iter().filter(|_| flag.setting.on);
        let is_met =
            |needed: &Flag, variant| needed.meets_needs() && needed.own(subject).0 == variant;
        needs
            .filter(|need| !self.get(need.flag).is_some_and(|needed| is_met(needed, need.variant)))
            .map(|need| need.flag)
            .next()
    }
}

impl Flag {
    /// Whether it may meet the needs of others at all.
    pub(super) fn meets_needs(&self) -> bool {
        self.setting.on && !self.definition.archived
    }

    /// What the flag's own setting gives, whatever becomes of its prerequisites.
    fn own(&self, subject: Subject<'_>) -> (VariantId, FlagReason) {
        let setting = &self.setting;
        if !setting.on {
            return (self.definition.off, FlagReason::Off);
        }
        if let Some(variant) = subject.tenant.and_then(|tenant| setting.tenants.get(tenant)) {
            return (*variant, FlagReason::Tenant);
        }
        let of_cohort = |id: &CohortId| Some((Group::Cohort(*id), *setting.cohorts.get(id)?));
        let (group, serve) = subject
            .cohorts
            .iter()
            .find_map(of_cohort)
            .unwrap_or((Group::Everybody, setting.default));
        self.share(group, serve, subject)
    }

    fn share(&self, group: Group, serve: Serve, subject: Subject<'_>) -> (VariantId, FlagReason) {
        if serve.share.is_all() {
            return (serve.variant, FlagReason::Whole(group));
        }
        if serve.share.is_none() {
            return (self.definition.off, FlagReason::Whole(group));
        }
        let Some(tenant) = subject.tenant else {
            return (self.definition.off, FlagReason::NoTenant(group));
        };
        let bucket = Bucket::of(self.definition.name.as_str(), tenant);
        let within = bucket.is_within(serve.share);
        let variant = if within { serve.variant } else { self.definition.off };
        (variant, FlagReason::Bucket(group, bucket, serve.share))
    }
}
