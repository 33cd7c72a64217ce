//! How do gates become what tests go by? Limits, tolerances and what must be ruled out.

use rules::gate::SliRules;
use rules::gate::absolute::smallest_passing;

use super::external_gates::external_gates;
use super::findings::{Findings, Pointer};
use super::upstreams::not_zero;
use crate::document::Document;
use crate::document::rollout::{GatesSpec, LatencyGateSpec, LowTrafficSpec};
use crate::plan::{Gates, LatencyGate};

/// More tenants than this cannot be told apart within 1 %.
const MOST_TENANTS: u64 = 10_000;

/// Checks gates, and makes of them what tests go by.
///
/// Without a `document`, as for a plan that was found right before, nothing is looked up.
pub(super) fn gates(
    spec: &GatesSpec,
    at: &Pointer,
    document: Option<&Document>,
    findings: &mut Findings<'_>,
) -> Gates {
    let absolute_only = spec.low_traffic == Some(LowTrafficSpec::AbsoluteOnly);
    if absolute_only && spec.error_rate.max.is_none() {
        let message = "without a comparison a limit is needed";
        let hint = "write `error_rate: {max: 1%}`".to_owned();
        findings.error_with_hint(&at.key("low_traffic"), "no_limit", message, hint);
    }
    let sli = |tolerated: f64, ruled_out: f64, limit| SliRules {
        limit,
        tolerated,
        ruled_out: (!absolute_only).then_some(ruled_out),
        smallest: spec.min_requests,
    };
    let errors = &spec.error_rate;
    let error_at = at.key("error_rate");
    ratios(errors.max_ratio, errors.not_worse, &error_at, findings);
    let limit = errors.max.map(|max| max.0.ratio());
    limited(limit, &error_at.key("max"), findings);
    let errors = sli(errors.max_ratio, errors.not_worse, limit);
    let mut latencies = Vec::new();
    for (key, quantile, gate) in [("p95", 0.95, &spec.p95), ("p99", 0.99, &spec.p99)] {
        let Some(gate) = gate else { continue };
        latency(gate, &at.key(key), findings);
        let limit = gate.max.map(|_| 1.0 - quantile);
        let rules = sli(gate.max_ratio, gate.not_worse, limit);
        latencies.push(LatencyGate { quantile, slow: gate.max.map(|max| max.0), rules });
    }
    let parity = spec.parity.map(|parity| parity.max.0.ratio());
    limited(parity, &at.key("parity").key("max"), findings);
    if spec.min_tenants.is_some_and(|least| !(1..=MOST_TENANTS).contains(&least)) {
        let message = format!("so many tenants cannot be asked for: write 1 to {MOST_TENANTS}");
        findings.error(&at.key("min_tenants"), "out_of_range", message);
    }
    let externals = external_gates(spec, &at.key("external"), document, findings);
    let (smallest, tenants) = (spec.min_requests, spec.min_tenants);
    Gates { errors, latencies, parity, externals, smallest, tenants }
}

fn latency(gate: &LatencyGateSpec, at: &Pointer, findings: &mut Findings<'_>) {
    if let Some(max) = gate.max {
        not_zero(max, &at.key("max"), findings);
    }
    ratios(gate.max_ratio, gate.not_worse, at, findings);
}

fn ratios(tolerated: f64, ruled_out: f64, at: &Pointer, findings: &mut Findings<'_>) {
    if !(1.0..=100.0).contains(&tolerated) {
        let message = format!("{tolerated} times as many is no tolerance: write 1 to 100");
        findings.error(&at.key("max_ratio"), "bad_ratio", message);
    }
    if !(ruled_out > 1.0 && ruled_out <= 100.0) {
        let message =
            format!("{ruled_out} times as many cannot be ruled out: write more than 1, such as 3");
        findings.error(&at.key("not_worse"), "bad_ratio", message);
    }
}

/// A share above which something fails must be one that can be kept.
pub(super) fn limited(limit: Option<f64>, at: &Pointer, findings: &mut Findings<'_>) {
    if limit.is_some_and(|limit| smallest_passing(0, limit, 1.0).is_none()) {
        let message = "no number of requests is enough to be sure of a limit of zero";
        let hint = "write the largest share that is all right, such as `0.1%`".to_owned();
        findings.error_with_hint(at, "zero", message, hint);
    }
}
