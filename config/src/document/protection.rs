//! How is written what keeps an upstream from harm? Ejection of targets, the breaker, the budget of retries.

use rules::upstream::{Breaking, Ejecting, RetryBudget};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Percent, Time};

/// When a target that fails requests in a row is left out: no connection, no answer, or a 5xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PassiveSpec {
    /// So many failures in a row.
    pub consecutive: u32,
    /// How long it is left out the first time; each time in close succession adds as much.
    pub ejection: Time,
    /// It is never left out for longer.
    pub longest: Time,
    /// At most this share of the targets, rounded down, is left out at the same time; `0%` leaves out none.
    pub max_ejected: Percent,
}

impl Default for PassiveSpec {
    fn default() -> Self {
        let Ejecting { consecutive, time, longest, most } = Ejecting::default();
        Self {
            consecutive,
            ejection: Time(time),
            longest: Time(longest),
            max_ejected: Percent(most),
        }
    }
}

/// When an upstream is not asked at all for a while, and then by one request at a time until it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSpec {
    /// It opens when more than this share of the attempts fail: no connection, no answer, or 502 to 504; `100%` is never.
    pub failures: Percent,
    /// Fewer attempts than this in a window say nothing.
    pub min: u16,
    /// How long attempts are counted together.
    pub window: Time,
    /// How long it stays open before a request may try.
    pub pause: Time,
}

impl Default for BreakerSpec {
    fn default() -> Self {
        let Breaking { failures, min, window, pause } = Breaking::default();
        Self { failures: Percent(failures), min, window: Time(window), pause: Time(pause) }
    }
}

/// How many requests may be tried again at the same time, each once, on another target of the same arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySpec {
    /// Up to this share of the upstream's requests in flight.
    pub budget: Percent,
    /// And so many on top; with a budget of `0%` and none on top, nothing is tried again.
    pub min: u32,
}

impl Default for RetrySpec {
    fn default() -> Self {
        let RetryBudget { share, min } = RetryBudget::default();
        Self { budget: Percent(share), min }
    }
}
