//! Which tenants move together?

use crate::CohortName;

/// A cohort's place in the order the configuration writes them: the smaller comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CohortId(pub u32);

/// A named set of tenants. Who belongs to it is known from [`crate::tenant::Tenant::cohorts`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cohort {
    /// Its name.
    pub name: CohortName,
}
