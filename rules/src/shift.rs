//! Where does traffic stand? A route's live state: by default, per cohort and per tenant.

use std::collections::HashMap;
use std::fmt;

use crate::cohort::CohortId;
use crate::{Share, TenantId};

/// Where traffic stands, read off a [`Shift`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// All on stable.
    Off,
    /// All on stable, copies to the candidate.
    Shadow,
    /// A share on the candidate.
    Canary,
    /// All on the candidate.
    Live,
}

impl Stage {
    /// All stages, in the order a migration goes through them.
    pub const ALL: [Self; 4] = [Self::Off, Self::Shadow, Self::Canary, Self::Live];

    /// The stage's name, as configuration, API and metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shadow => "shadow",
            Self::Canary => "canary",
            Self::Live => "live",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much goes to the candidate, and how much is copied. The stage follows from it, so that no two can disagree.
///
/// ```
/// use rules::{Share, Shift, Stage};
/// assert_eq!(Shift::default().stage(), Stage::Off);
/// let canary = Shift { share: "5%".parse().unwrap(), shadow: Share::ALL, ..Shift::default() };
/// assert_eq!(canary.stage(), Stage::Canary);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Shift {
    /// The share of keys that the candidate serves.
    pub share: Share,
    /// Of the requests that stable serves, the share copied to the candidate.
    pub shadow: Share,
    /// Of the requests that the candidate serves, the share copied to stable: it keeps the old side warm and comparable.
    pub reverse_shadow: Share,
}

impl Shift {
    /// The stage that these shares amount to.
    #[must_use]
    pub const fn stage(self) -> Stage {
        if self.share.is_all() {
            Stage::Live
        } else if !self.share.is_none() {
            Stage::Canary
        } else if !self.shadow.is_none() {
            Stage::Shadow
        } else {
            Stage::Off
        }
    }
}

/// A route's shifts. A tenant's own stands before its cohort's, a cohort's before the default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shifts {
    /// For everybody else.
    pub default: Shift,
    /// Per cohort.
    pub cohorts: HashMap<CohortId, Shift>,
    /// Per tenant.
    pub tenants: HashMap<TenantId, Shift>,
}

/// Whose shift applied to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The route's default.
    Route,
    /// A cohort's.
    Cohort(CohortId),
    /// The tenant's own.
    Tenant,
}

impl Shifts {
    /// The shift of a tenant who belongs to `cohorts`, and whose shift it is.
    #[must_use]
    pub fn of(&self, tenant: Option<&str>, cohorts: &[CohortId]) -> (Scope, Shift) {
        if let Some(shift) = tenant.and_then(|id| self.tenants.get(id)) {
            return (Scope::Tenant, *shift);
        }
        cohorts
            .iter()
            .find_map(|id| Some((Scope::Cohort(*id), *self.cohorts.get(id)?)))
            .unwrap_or((Scope::Route, self.default))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_follows_from_the_shares() {
        let share = |bp| Share::from_basis_points(bp).unwrap();
        for (candidate, shadow, stage) in [
            (0, 0, Stage::Off),
            (0, 1, Stage::Shadow),
            (1, 10_000, Stage::Canary),
            (9_999, 0, Stage::Canary),
            (10_000, 0, Stage::Live),
        ] {
            let shift =
                Shift { share: share(candidate), shadow: share(shadow), ..Shift::default() };
            assert_eq!(shift.stage(), stage);
        }
    }

    #[test]
    fn the_nearest_shift_applies() {
        let shift = |bp| Shift { share: Share::from_basis_points(bp).unwrap(), ..Shift::default() };
        let shifts = Shifts {
            default: shift(1),
            cohorts: [(CohortId(1), shift(2)), (CohortId(2), shift(3))].into(),
            tenants: [("own".parse().unwrap(), shift(4))].into(),
        };
        let both = [CohortId(0), CohortId(1), CohortId(2)];
        assert_eq!(shifts.of(Some("own"), &both), (Scope::Tenant, shift(4)));
        assert_eq!(shifts.of(Some("other"), &both), (Scope::Cohort(CohortId(1)), shift(2)));
        assert_eq!(shifts.of(Some("other"), &[CohortId(0)]), (Scope::Route, shift(1)));
        assert_eq!(shifts.of(None, &[]), (Scope::Route, shift(1)));
    }
}
