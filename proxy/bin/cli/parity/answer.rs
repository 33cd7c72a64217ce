//! What does the server say of parity? What an older or newer one leaves out is empty here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// How alike a route's arms are.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Parity {
    pub(super) route: String,
    pub(super) stage: String,
    pub(super) at: Value,
    pub(super) nodes: u64,
    pub(super) since: Value,
    pub(super) stage_since: Value,
    pub(super) verdict: Verdict,
    pub(super) limits: Limits,
    pub(super) windows: Vec<Window>,
    pub(super) cohorts: Vec<Cohort>,
    pub(super) trend: Vec<Point>,
    pub(super) noise: Noise,
    pub(super) rules: Rules,
    pub(super) signatures: Signatures,
    pub(super) notes: Vec<String>,
}

/// Whether the arms pass for alike.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Verdict {
    pub(super) verdict: String,
    pub(super) detail: String,
}

/// What is asked of the arms.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Limits {
    pub(super) field_mismatch_rate: f64,
    pub(super) comparability: f64,
    pub(super) coverage: f64,
}

/// What was counted over a time.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Window {
    pub(super) window: String,
    #[serde(flatten)]
    pub(super) figures: Figures,
}

/// What was counted, and what follows from it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Figures {
    pub(super) verdict: Verdict,
    pub(super) shadowed: u64,
    pub(super) compared: u64,
    pub(super) mismatched: u64,
    pub(super) excused: u64,
    pub(super) partial: u64,
    pub(super) fields: Fields,
    pub(super) field_mismatch_rate: Option<f64>,
    pub(super) lower_bound: Option<f64>,
    pub(super) upper_bound: Option<f64>,
    pub(super) request_mismatch_rate: Option<f64>,
    pub(super) status_mismatch_rate: Option<f64>,
    pub(super) comparability: Option<f64>,
    pub(super) coverage: Option<f64>,
    pub(super) arms: Arms,
    pub(super) not_comparable: BTreeMap<String, u64>,
}

/// Fields by what came of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fields {
    pub(super) equal: u64,
    pub(super) mismatched: u64,
    pub(super) ignored: u64,
    pub(super) masked: u64,
}

/// Exchanges by how both arms did.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Arms {
    pub(super) both_ok: u64,
    pub(super) candidate_failed: u64,
    pub(super) stable_failed: u64,
    pub(super) both_failed: u64,
}

/// How alike the arms are for one cohort.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Cohort {
    pub(super) name: String,
    pub(super) windows: Vec<Window>,
}

/// How alike they were for a while.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Point {
    pub(super) at: Value,
    pub(super) compared: u64,
    pub(super) field_mismatch_rate: Option<f64>,
    pub(super) upper_bound: Option<f64>,
}

/// Where stable itself is not steady.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Noise {
    pub(super) share: String,
    pub(super) twins: u64,
    pub(super) excused_signatures: u64,
    pub(super) blind: Vec<Blind>,
}

/// A place whose values say nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Blind {
    pub(super) location: String,
    pub(super) path: String,
    pub(super) masked_in: u64,
}

/// By what the answers are compared.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Rules {
    pub(super) places: Vec<Rule>,
    pub(super) ignore_headers: Vec<String>,
    pub(super) hosts: Vec<(String, String)>,
    pub(super) numbers: String,
}

/// A rule, and what it did.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Rule {
    pub(super) rule: String,
    pub(super) at: String,
    pub(super) with: Option<String>,
    pub(super) when: Option<String>,
    pub(super) exchanges: u64,
    pub(super) fields: u64,
    pub(super) hidden: Option<f64>,
    pub(super) worry: Option<String>,
}

/// In how many ways answers differ.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Signatures {
    pub(super) count: u64,
    pub(super) overflow: u64,
}

/// One way in which answers differ.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Signature {
    pub(crate) id: String,
    pub(crate) location: String,
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) stable_class: String,
    pub(crate) candidate_class: String,
    pub(crate) relation: Option<String>,
    pub(crate) count: u64,
    pub(crate) share: Option<f64>,
    pub(crate) fields: u64,
    pub(crate) first_seen: Value,
    pub(crate) last_seen: Value,
    pub(crate) tenants: u64,
    pub(crate) tenants_estimated: bool,
    pub(crate) examples: Vec<String>,
    pub(crate) excused: Option<String>,
    pub(crate) together_with: Vec<String>,
    pub(crate) suggestion: Option<Suggestion>,
}

/// A rule that would make a difference go away.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Suggestion {
    pub(crate) why: String,
    pub(crate) rule: String,
}

/// How alike the arms of all routes are.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct All {
    pub(super) overall: Standing,
    pub(super) routes: Vec<Standing>,
}

/// One route among all.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Standing {
    pub(super) route: Option<String>,
    #[serde(flatten)]
    pub(super) figures: Figures,
}

impl Parity {
    /// What was counted since the stage began.
    pub(super) fn stage_window(&self) -> Option<&Window> {
        self.windows.iter().find(|window| window.window == "stage")
    }
}
