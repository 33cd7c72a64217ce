//! Can a route have the baseline that it asks for?

use rules::Baseline;
use rules::route::UpstreamId;

use super::findings::{Findings, Pointer};
use super::paths::{Around, upstream_named};
use crate::document::RouteSpec;
use crate::document::route::BaselineSpec;
use crate::plan::{Action, Plan};

/// A route's baseline; none where it has none, or a wrong one.
pub(super) fn baseline(
    spec: &RouteSpec,
    route_at: &Pointer,
    around: &Around<'_>,
    findings: &mut Findings<'_>,
) -> Option<(UpstreamId, Baseline)> {
    let written = spec.baseline.as_ref()?;
    let (at, candidate_at) = (&route_at.key("baseline"), route_at.key("candidate"));
    let upstream = upstream_named(&written.upstream, &at.key("upstream"), around, findings);
    let share = written.share.map(|share| share.0);
    if share.is_some_and(rules::Share::is_none) {
        let hint = "leave it out for as much as the candidate serves".to_owned();
        findings.error_with_hint(
            &at.key("share"),
            "zero",
            "a share of nothing is no control",
            hint,
        );
    }
    if spec.candidate.is_none() && !findings.lost(&candidate_at) {
        let message = "a baseline is what a candidate is compared with, and there is none";
        let hint = "write `candidate: {upstream: ..}`, or leave `baseline` out".to_owned();
        findings.error_with_hint(at, "baseline_without_candidate", message, hint);
    }
    for (arm, other) in [("stable", &spec.stable), ("candidate", &spec.candidate)] {
        if other.as_ref().is_some_and(|other| other.upstream == written.upstream) {
            let message = format!("`{}` is the upstream of the {arm} arm", written.upstream);
            let hint = "name an upstream of its own, with fresh instances of the old version";
            let at = at.key("upstream");
            findings.error_with_hint(&at, "baseline_is_no_other", message, hint.to_owned());
        }
    }
    Some((upstream?, Baseline { share }))
}

/// Tells where a plan leaves the baseline less than it asks for.
pub(super) fn lint(spec: &BaselineSpec, plan: &Plan, at: &Pointer, findings: &mut Findings<'_>) {
    let Some(share) = spec.share.map(|share| share.0) else { return };
    let baseline = Baseline { share: Some(share) };
    let short = plan.steps.iter().find_map(|step| match step.action {
        Action::Canary(canary) if !canary.is_all() => {
            let left = baseline.beside(canary);
            (left < share).then_some((step, left))
        }
        _ => None,
    });
    if let Some((step, left)) = short {
        let message = format!(
            "step `{step}` of its rollout leaves the baseline {left} in the place of {share}"
        );
        let hint = "write a smaller share, or leave it out for as much as the candidate serves";
        findings.warning(&at.key("share"), "baseline_share", message, hint.to_owned());
    }
}
