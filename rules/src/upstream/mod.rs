//! Where do requests go? Named pools of weighted targets, the pick among them, and what keeps a failing one from harm.
//!
//! Read [`definition`] for what an upstream is told to do and [`pool`] for what it is. [`attempt`] is leave to send one
//! request there: it asks the [`breaker`] and the bounds of [`usage`], then [`pick`]s one of the targets, whose
//! [`ejection`] keeps count of failures in a row. Everything is atomics: no request waits for another one here. Time is
//! monotonic milliseconds, passed in.

mod address;
mod attempt;
mod breaker;
mod definition;
mod ejection;
mod pick;
mod pool;
mod target;
mod turns;
mod usage;

pub use address::{Address, AddressError};
pub use attempt::{Aftermath, Attempt, Outcome, Refused, Retry};
pub use definition::{
    Breaking, Ejecting, HealthCheck, HealthProbe, Limits, Protection, RetryBudget,
    STREAMS_PER_CONNECTION, UpstreamDefinition, UpstreamTimeouts, UpstreamTls,
};
pub use pick::Picked;
pub use pool::Upstream;
pub use target::{Health, Target, TargetState};
pub use usage::{Overflow, RetryResult, Usage};

#[cfg(test)]
pub(crate) mod tests;
