//! What does the server say? The parts of the control API's answers that people are shown.
//!
//! What an older or newer server leaves out is empty here, so that a table can always be drawn. Only what answers without
//! a revision is no such server.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::exit::Failure;

/// Reads an answer.
///
/// # Errors
/// When it is of another shape.
pub(crate) fn read<T: DeserializeOwned>(answer: &Value) -> Result<T, Failure> {
    T::deserialize(answer).map_err(|error| {
        Failure::Failed(format!(
            "cannot read the server's answer: {error}\n  is that a Turnout of this version, and its control address?"
        ))
    })
}

/// The server and its routes.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct StatusAnswer {
    pub(crate) revision: u64,
    #[serde(default)]
    pub(crate) phase: String,
    #[serde(default)]
    pub(crate) store_up: Option<bool>,
    #[serde(default)]
    pub(crate) store_cautions: Vec<String>,
    #[serde(default)]
    pub(crate) namesake: Option<String>,
    #[serde(default)]
    pub(crate) config: ConfigAnswer,
    #[serde(default)]
    pub(crate) routes: Vec<RouteAnswer>,
    #[serde(default)]
    pub(crate) upstreams: Vec<UpstreamAnswer>,
}

/// The configuration file, and whether it is what is served.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ConfigAnswer {
    pub(crate) path: String,
    pub(crate) last_reload_ok: Option<bool>,
    pub(crate) last_error: Option<String>,
}

/// One route.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RouteAnswer {
    pub(crate) name: String,
    pub(crate) canonical: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) aliases: Vec<AliasAnswer>,
    pub(crate) stable: Option<ArmUpstream>,
    pub(crate) candidate: Option<ArmUpstream>,
    #[serde(flatten)]
    pub(crate) shift: ShiftAnswer,
    pub(crate) cohorts: Vec<NamedShift>,
    pub(crate) tenants: TenantShifts,
    pub(crate) sli: SliAnswer,
    pub(crate) shadowed: BTreeMap<String, u64>,
    pub(crate) parity: ParityAnswer,
}

/// An older path of a route.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AliasAnswer {
    pub(crate) path: String,
    pub(crate) sunset: Option<Value>,
    pub(crate) requests: u64,
    pub(crate) last_seen: Option<Value>,
}

/// The pool behind an arm.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ArmUpstream {
    pub(crate) upstream: String,
}

/// Where traffic stands.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ShiftAnswer {
    pub(crate) stage: String,
    pub(crate) share: String,
    pub(crate) shadow: String,
    pub(crate) reverse_shadow: String,
}

impl ShiftAnswer {
    /// Where traffic stands, in the words of summaries: `canary 25%`; and what is copied beside that.
    pub(crate) fn in_words(&self) -> [String; 2] {
        let some = |share: &str| !matches!(share, "" | "0%");
        let mut copies = Vec::new();
        let stands = match &*self.stage {
            "canary" => format!("canary {}", self.share),
            "shadow" => format!("shadow {}", self.shadow),
            stage => stage.to_owned(),
        };
        if some(&self.shadow) && matches!(&*self.stage, "canary" | "live") {
            copies.push(format!("shadow {}", self.shadow));
        }
        if some(&self.reverse_shadow) {
            copies.push(format!("reverse {}", self.reverse_shadow));
        }
        [stands, copies.join(", ")]
    }

    /// The same in one line.
    pub(crate) fn in_one_line(&self) -> String {
        let [stands, copies] = self.in_words();
        if copies.is_empty() { stands } else { format!("{stands}, {copies}") }
    }
}

/// Where a cohort's or a tenant's traffic stands.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NamedShift {
    #[serde(alias = "tenant")]
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) shift: ShiftAnswer,
}

/// The tenants that have a shift of their own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TenantShifts {
    pub(crate) count: u64,
    pub(crate) first: Vec<NamedShift>,
}

/// What was measured, per arm.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SliAnswer {
    pub(crate) stable: ArmAnswer,
    pub(crate) candidate: ArmAnswer,
    pub(crate) baseline: Option<ArmAnswer>,
    pub(crate) cohorts: Vec<CohortSli>,
}

/// What was measured for one cohort.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CohortSli {
    pub(crate) name: String,
    pub(crate) stable: ArmAnswer,
    pub(crate) candidate: ArmAnswer,
}

/// What was measured on one arm: totals since start, and figures of the last ten seconds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ArmAnswer {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) fallbacks: u64,
    pub(crate) overridden: u64,
    pub(crate) window_requests: u64,
    pub(crate) error_ratio: Option<f64>,
    pub(crate) p95_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
}

/// How alike the arms' answers are.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ParityAnswer {
    pub(crate) compared: u64,
    pub(crate) mismatched: u64,
    pub(crate) not_comparable: BTreeMap<String, u64>,
}

/// One upstream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UpstreamAnswer {
    pub(crate) name: String,
    pub(crate) targets: Vec<TargetAnswer>,
}

/// One target of an upstream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TargetAnswer {
    pub(crate) address: String,
    pub(crate) healthy: bool,
}

/// One tenant.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TenantAnswer {
    pub(crate) tenant: String,
    pub(crate) named: bool,
    pub(crate) lock: Option<String>,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) cohorts: Vec<String>,
    pub(crate) routes: Vec<TenantRoute>,
}

/// Where a tenant's traffic stands on one route, and whose shift that is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TenantRoute {
    pub(crate) route: String,
    pub(crate) by: String,
    pub(crate) cohort: Option<String>,
    #[serde(flatten)]
    pub(crate) shift: ShiftAnswer,
}

/// What came of a command.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ChangeAnswer {
    pub(crate) revision: u64,
    #[serde(default)]
    pub(crate) changed: bool,
    #[serde(default)]
    pub(crate) summary: String,
    /// `node` where it serves on the node that was asked alone.
    #[serde(default)]
    pub(crate) scope: Option<String>,
    #[serde(default)]
    pub(crate) diff: String,
    #[serde(default)]
    pub(crate) blast: Option<BlastAnswer>,
    #[serde(default)]
    pub(crate) fleet: Option<ServingAnswer>,
    #[serde(default)]
    pub(crate) warnings: Vec<Value>,
}

/// How many nodes serve a revision.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ServingAnswer {
    pub(crate) serving: u64,
    pub(crate) nodes: u64,
}

/// One node of the fleet.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeAnswer {
    pub(crate) node: String,
    pub(crate) revision: u64,
    pub(crate) lag: u64,
    pub(crate) at: Value,
    pub(crate) this: bool,
}

/// Who would notice a change.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BlastAnswer {
    pub(crate) ratio: f64,
    pub(crate) minutes: u64,
    pub(crate) tenants: u64,
    pub(crate) first_tenants: Vec<String>,
}

/// One revision of the desired state.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct RevisionAnswer {
    pub(crate) revision: u64,
    #[serde(default)]
    pub(crate) at: Value,
    #[serde(default)]
    pub(crate) actor: String,
    #[serde(default)]
    pub(crate) why: String,
    #[serde(default)]
    pub(crate) summary: String,
}

/// One line of the audit.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AuditAnswer {
    pub(crate) seq: u64,
    pub(crate) at: Value,
    pub(crate) actor: String,
    pub(crate) claimed: Option<String>,
    pub(crate) command: String,
    pub(crate) arguments: Value,
    pub(crate) why: String,
    pub(crate) outcome: String,
    pub(crate) code: String,
    pub(crate) after: u64,
    pub(crate) summary: String,
}

/// One token.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TokenAnswer {
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) routes: Option<Vec<String>>,
    pub(crate) tenants: Option<Vec<String>>,
    pub(crate) expires: Value,
    pub(crate) expired: bool,
    pub(crate) from: String,
}

/// What waits for the approval of others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PlanAnswer {
    pub(crate) plan: String,
    pub(crate) at: Value,
    pub(crate) actor: String,
    pub(crate) why: String,
    pub(crate) summary: String,
    pub(crate) diff: String,
    pub(crate) approved_by: Vec<String>,
}

/// What came of an approval.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ApprovedAnswer {
    pub(crate) approvals: u64,
    pub(crate) needed: u64,
}

/// One way in which the arms' answers differ.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SignatureAnswer {
    pub(crate) id: String,
    pub(crate) location: String,
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) stable_class: Option<String>,
    pub(crate) candidate_class: Option<String>,
    pub(crate) relation: Option<String>,
    pub(crate) count: u64,
    pub(crate) last_seen: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_are_told_in_the_words_of_summaries() {
        let shift = |stage: &str, share: &str, shadow: &str, reverse: &str| {
            let [stage, share, shadow, reverse_shadow] =
                [stage, share, shadow, reverse].map(ToOwned::to_owned);
            ShiftAnswer { stage, share, shadow, reverse_shadow }.in_one_line()
        };
        assert_eq!(shift("off", "0%", "0%", "0%"), "off");
        assert_eq!(shift("shadow", "0%", "10%", "0%"), "shadow 10%");
        assert_eq!(shift("canary", "25%", "100%", "0%"), "canary 25%, shadow 100%");
        assert_eq!(shift("live", "100%", "0%", "5%"), "live, reverse 5%");
    }

    #[test]
    fn an_answer_without_a_revision_is_of_another_server() {
        let failure = read::<StatusAnswer>(&serde_json::json!({"path": "/"})).unwrap_err();
        assert!(failure.to_string().contains("missing field `revision`"), "{failure}");
    }
}
