//! What has been counted? Counters and histograms that the hot path fills without a lock.
//!
//! Read [`observation`] for what is counted, [`histogram`] for latencies, [`series`] for what the standard metrics are
//! labelled by, [`arm`] for how one arm does, [`counters`] for what a route keeps of its arms, cohorts, [`aliases`] and copies
//! ([`shadow`]), [`strata`] for what it keeps of tenants without their names, [`rollouts`] for what only
//! rollouts under way need, among it which tenants were [`seen`], [`flags`] for the use of each variant. Nothing is allocated per request: a piece of memory is set
//! aside when the first request needs it, and is bounded.

mod aliases;
mod arm;
mod counters;
mod flags;
mod histogram;
mod observation;
mod rollouts;
mod seen;
mod series;
mod shadow;
mod strata;

pub use aliases::{AliasCounters, TenantUse};
pub use arm::{ArmCounters, ArmCounts, ArmNews, Arms};
pub use counters::RouteCounters;
pub use flags::{FlagCounters, VariantUse};
pub use histogram::{Histogram, HistogramCounts};
pub use observation::{ErrorClass, Observation};
pub use rollouts::{Asked, RolloutCounters, TenantCounters};
pub use seen::SeenTenants;
pub use series::{BUCKETS_SECONDS, Scheme, Series, SeriesKey, SeriesTable};
pub use shadow::ShadowResult;
pub use strata::Strata;
