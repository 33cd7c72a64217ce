//! What has been counted? Counters and histograms that the hot path fills without a lock.
//!
//! Read [`histogram`] for latencies, [`series`] for what the standard metrics are labelled by, [`counters`] for what a
//! route keeps of its arms, cohorts, [`aliases`] and shadows, [`strata`] for what it keeps of tenants without their names,
//! [`flags`] for the use of each variant. Nothing is allocated per request: a piece of memory is set
//! aside when the first request needs it, and is bounded.

mod aliases;
mod counters;
mod flags;
mod histogram;
mod series;
mod strata;

pub use aliases::{AliasCounters, TenantUse};
pub use counters::{ArmCounters, ArmCounts, ErrorClass, Observation, RouteCounters, ShadowResult};
pub use flags::{FlagCounters, VariantUse};
pub use histogram::{Histogram, HistogramCounts};
pub use series::{BUCKETS_SECONDS, Scheme, Series, SeriesKey, SeriesTable};
pub use strata::Strata;
