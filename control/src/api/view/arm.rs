//! How does one arm do?

use std::collections::BTreeMap;
use std::time::Duration;

use rules::sli::{ArmCounters, ErrorClass};
use serde::Serialize;
use utoipa::ToSchema;

use crate::window::Rates;

/// The SLIs of one arm: counts since the start, rates and quantiles over the last seconds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ArmView {
    /// Exchanges, without those a tester chose the arm for.
    requests: u64,
    /// Of those, failed by the arm's fault.
    errors: u64,
    /// How many of each class; clients that went away are counted here, but are no errors.
    errors_by_class: BTreeMap<&'static str, u64>,
    /// Exchanges that stable served because this arm could not.
    fallbacks: u64,
    /// Exchanges that a tester chose the arm for.
    overridden: u64,
    /// How many seconds the figures below look back: ten, or fewer soon after the start.
    window_s: f64,
    /// Exchanges in the window: what the ratio and the quantiles are of.
    window_requests: u64,
    /// Exchanges per second.
    rate_per_s: f64,
    /// The part that failed, from 0 to 1; none without exchanges.
    error_ratio: Option<f64>,
    /// Half of the exchanges took at most so many milliseconds.
    p50_ms: Option<f64>,
    /// 95 % of the exchanges took at most so many milliseconds.
    p95_ms: Option<f64>,
    /// 99 % of the exchanges took at most so many milliseconds.
    p99_ms: Option<f64>,
}

impl ArmView {
    pub(crate) fn new(counters: &ArmCounters, rates: &Rates) -> Self {
        let counts = counters.counts();
        let by_class = ErrorClass::ALL.iter().zip(counts.errors);
        Self {
            requests: counts.requests,
            errors: counts.failed(),
            errors_by_class: by_class.map(|(class, count)| (class.as_str(), count)).collect(),
            fallbacks: counts.fallbacks,
            overridden: counts.overridden,
            window_s: rates.window_s,
            window_requests: rates.requests,
            rate_per_s: rates.rate_per_s,
            error_ratio: rates.error_ratio,
            p50_ms: rates.p50.map(milliseconds),
            p95_ms: rates.p95.map(milliseconds),
            p99_ms: rates.p99.map(milliseconds),
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
