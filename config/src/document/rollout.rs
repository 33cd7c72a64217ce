//! How is a rollout written? Steps, gates, windows, and what happens when a gate fails or time is up.

use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Percent, Time};

/// A plan of steps that moves a route's traffic forward while its gates pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutSpec {
    /// What is done, one after the other.
    pub steps: Vec<StepSpec>,
    /// The gates of every step that has none of its own.
    #[serde(default)]
    pub gates: GatesSpec,
    /// Who is asked or told before every step that says nothing of it, but for the first: that one begins with the rollout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<HookSpec>,
    /// Who is asked or told at the end of every step that says nothing of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<HookSpec>,
    /// How long a step may take altogether; without a bound where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
    /// What happens at the deadline.
    #[serde(default)]
    pub at_deadline: AtDeadlineSpec,
    /// What happens when a gate fails.
    #[serde(default)]
    pub on_fail: OnFailSpec,
    /// When the rollout may go on: `Mon-Thu 09:00-16:00 Europe/Berlin`. Always where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// When it may not, whatever `only` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<FreezeSpec>,
    /// How long after it was aborted it may not be started again.
    #[serde(default = "RolloutSpec::cool_down")]
    pub cool_down: Time,
}

impl RolloutSpec {
    const fn cool_down() -> Time {
        Time(Duration::from_secs(30 * 60))
    }
}

/// One step: exactly one of `shadow`, `canary`, `live`, `approval`, `wait` and `cohorts`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StepSpec {
    /// This share of the requests is copied to the candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Percent>,
    /// This share of the traffic goes to the candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Percent>,
    /// `true`: all traffic goes to the candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<bool>,
    /// People say that it may go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalSpec>,
    /// `7 clean days`: so many days (UTC) pass, each with enough requests and without a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// These cohorts, one after the other, each through the inner `steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cohorts: Option<Vec<String>>,
    /// What is done with each of the cohorts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepSpec>,
    /// How long the step lasts at least.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub bake: Option<Time>,
    /// Gates in the place of the plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gates: Option<GatesSpec>,
    /// Who is asked or told before the step, in the place of what the plan says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Vec<HookSpec>>,
    /// Who is asked or told at its end, in the place of what the plan says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<HookSpec>>,
    /// A deadline in the place of the plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
    /// What happens at the deadline, in the place of what the plan says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_deadline: Option<AtDeadlineSpec>,
    /// What happens when a gate fails, in the place of what the plan says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_fail: Option<OnFailSpec>,
}

/// Who is asked or told when a step begins or ends: exactly one of `confirm` and `notify`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HookSpec {
    /// This one of the `externals` is asked, and must answer with 2xx and `{"go": true}`; until then the rollout waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
    /// This one of the `externals` is told; nothing waits for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
    /// The path to post to, after that of its URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Who has to say that it may go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalSpec {
    /// The people who may; anybody where none are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// How many of them are needed.
    #[serde(default = "ApprovalSpec::one")]
    pub needed: u32,
    /// Whether whoever started the rollout does not count.
    #[serde(default)]
    pub four_eyes: bool,
}

impl ApprovalSpec {
    const fn one() -> u32 {
        1
    }
}

/// What must be true before the next step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatesSpec {
    /// Failed requests; always looked at.
    pub error_rate: ErrorGateSpec,
    /// The duration that 95 % of the requests keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95: Option<LatencyGateSpec>,
    /// The duration that 99 % of the requests keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<LatencyGateSpec>,
    /// Exchanges whose answers differ, while requests are copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parity: Option<ParityGateSpec>,
    /// What other systems must say, each under a name of its own.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub external: IndexMap<String, ExternalGateSpec>,
    /// With fewer requests of the candidate than this a step does not end, and no limit is judged exceeded.
    pub min_requests: u64,
    /// With fewer different tenants on the candidate than this a step does not end; 1 to 10,000. They are told apart without
    /// their names, within 1 %. It is not asked while requests are only copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_tenants: Option<u64>,
    /// Set where there is too little traffic to compare with stable: limits alone must be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low_traffic: Option<LowTrafficSpec>,
}

impl Default for GatesSpec {
    fn default() -> Self {
        Self {
            error_rate: ErrorGateSpec::default(),
            p95: None,
            p99: None,
            parity: None,
            external: IndexMap::new(),
            min_requests: 300,
            min_tenants: None,
            low_traffic: None,
        }
    }
}

/// How many requests may fail.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ErrorGateSpec {
    /// At most this share, whatever stable does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Percent>,
    /// So many times as many as stable's are tolerated.
    pub max_ratio: f64,
    /// So many times as many are surely ruled out before the next step.
    pub not_worse: f64,
}

impl Default for ErrorGateSpec {
    fn default() -> Self {
        Self { max: None, max_ratio: 1.0, not_worse: 3.0 }
    }
}

/// How many requests may be slow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LatencyGateSpec {
    /// The longest that the quantile may be. Where it is not said, what is slow is what stable's quantile was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Time>,
    /// So many times as many slow requests as stable's are tolerated.
    pub max_ratio: f64,
    /// So many times as many are surely ruled out before the next step.
    pub not_worse: f64,
}

impl Default for LatencyGateSpec {
    fn default() -> Self {
        Self { max: None, max_ratio: 1.2, not_worse: 3.0 }
    }
}

/// How much of the answers may differ. How many must be compared, and how much of them looked at, says the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParityGateSpec {
    /// At most this share of their fields.
    pub max: Percent,
}

/// What another system must say: the value of a `query`, or of a `path`'s JSON at `pointer`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalGateSpec {
    /// Which of the `externals` is asked.
    pub ask: String,
    /// A query of Prometheus that gives one number: `max(replication_lag_seconds)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// A path to GET, after that of the system's URL; its answer is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Where in that answer the value is: `/records/difference`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The value is at most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The value is at least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The value is this number, text, `true` or `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<ScalarSpec>,
    /// How often it is asked.
    #[serde(default = "ExternalGateSpec::every")]
    pub every: Time,
    /// An answer that is older says nothing any more; three times `every` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<Time>,
    /// What it comes to where the value is another one.
    #[serde(default = "VerdictSpec::fail")]
    pub unmet: VerdictSpec,
    /// What it comes to where it cannot be asked, or gives no such value.
    #[serde(default = "VerdictSpec::hold")]
    pub no_answer: VerdictSpec,
}

impl ExternalGateSpec {
    const fn every() -> Time {
        Time(Duration::from_secs(10))
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ScalarSpec {
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

/// What a gate may say where it does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictSpec {
    /// It is waited for.
    Hold,
    /// It fails: what then happens is what `on_fail` says.
    Fail,
}

impl VerdictSpec {
    const fn fail() -> Self {
        Self::Fail
    }

    const fn hold() -> Self {
        Self::Hold
    }
}

/// What is left out where there is little traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LowTrafficSpec {
    /// Nothing has to be ruled out by comparison with stable; harm is looked for all the same.
    AbsoluteOnly,
}

/// What happens when a gate fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailSpec {
    /// All traffic goes back to stable.
    #[default]
    Rollback,
    /// The rollout stays where it is, until people decide.
    Hold,
}

/// What happens at a step's deadline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AtDeadlineSpec {
    /// The rollout pauses, until people decide.
    #[default]
    Pause,
    /// All traffic goes back to stable.
    Rollback,
}

/// When a rollout may not go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeSpec {
    /// Its first moment: `2026-12-20`, or with a time `2026-12-20T18:00`.
    pub from: String,
    /// The first moment after it.
    pub until: String,
    /// The time zone of both, such as `Europe/Berlin`.
    #[serde(default = "FreezeSpec::utc")]
    pub zone: String,
}

impl FreezeSpec {
    fn utc() -> String {
        "UTC".to_owned()
    }
}
