//! What does the engine see of the arms at one look? Counts alone, so that a look can be made up for a test.

use std::borrow::Cow;
use std::time::Duration;

use rules::Arm;
use rules::gate::{Exposures, External, Parity, Tallies, Tally};
use rules::sli::SeenTenants;

/// What happened since the last look, to the traffic that a rollout's step is about.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Readings {
    /// The arm that the candidate is compared with: stable, or the baseline, whose counts then stand for stable's below.
    pub control: Arm,
    /// Failed requests.
    pub errors: Tallies,
    /// What the arms were exposed to, where whole tenants move; else their requests are.
    pub exposures: Option<Exposures>,
    /// Slow requests, for each latency gate of the step; none where it is not known yet what is slow.
    pub latencies: Vec<Option<Tallies>>,
    /// Failed requests of the last half minute, for each node.
    pub half_minute: Vec<Tallies>,
    /// Exchanges that were compared, and those of them that differ.
    pub exchanges: Tally,
    /// The tenants that the candidate has seen since the step began, or since the last look.
    pub tenants: SeenTenants,
    /// What the comparison's figures since the step began come to, where they are made.
    pub parity: Option<Parity>,
    /// What other systems said last, for each external gate of the step; none before their first answer.
    pub externals: Vec<Option<Heard>>,
    /// What was said last by those who have to say `go`, in the order of [`config::Plan::confirmed_by`].
    pub confirmations: Vec<Option<Heard>>,
    /// By how much failures came in bursts before the rollout.
    pub dispersion: f64,
    /// The same of slow requests, for each latency gate.
    pub latency_dispersions: Vec<f64>,
    /// Set where a node's counts are missing.
    pub incomplete: bool,
}

/// What another system said, with what people should know of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// What it said, and when.
    pub external: External,
    /// Why it did not, where that is so. Nothing of an answer.
    pub note: Option<Cow<'static, str>>,
}

impl Heard {
    /// Just what was asked for, said just now.
    pub(super) const AS_ASKED_FOR: Self = Self {
        external: External { met: Some(true), figure: None, age: Duration::ZERO },
        note: None,
    };
}

impl Readings {
    pub(super) fn exposures(&self) -> Exposures {
        self.exposures.unwrap_or_else(|| Exposures::of_requests(&self.errors))
    }

    /// The dispersion of a latency gate.
    pub(super) fn latency_dispersion(&self, gate: usize) -> f64 {
        self.latency_dispersions.get(gate).copied().unwrap_or(1.0).max(1.0)
    }

    /// The dispersion of failures.
    pub(super) const fn error_dispersion(&self) -> f64 {
        self.dispersion.max(1.0)
    }
}
