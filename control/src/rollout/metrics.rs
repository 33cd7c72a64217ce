//! What do the metrics say of rollouts? Where they stand, and what their gates say. Tenants are left out: they are no labels.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use rules::gate::Verdict;

use super::{Phase, Place};
use crate::command::Scope;
use crate::desk::Desk;

/// Writes them.
pub(crate) fn encode(encoder: &mut DescriptorEncoder<'_>, desk: &Desk) -> fmt::Result {
    let present = desk.ledger().present();
    let rollouts = present.desired.rollouts.iter();
    let rollouts: Vec<_> =
        rollouts.filter_map(|(place, rollout)| Some((place, labels(place)?, rollout))).collect();
    let one = ConstGauge::new(1_i64);
    let mut family = encoder.encode_descriptor(
        "rollout_step",
        "Which step of its plan a rollout is at, from 1",
        None,
        one.metric_type(),
    )?;
    for (_, [route, cohort], rollout) in &rollouts {
        let labels = [("route", *route), ("cohort", *cohort)];
        let step = i64::try_from(rollout.step.saturating_add(1)).unwrap_or(i64::MAX);
        ConstGauge::new(step).encode(family.encode_family(&labels)?)?;
    }
    let mut family = encoder.encode_descriptor(
        "rollout_phase",
        "Where a rollout is in its life: 1 for that phase, 0 for the others",
        None,
        one.metric_type(),
    )?;
    for (_, [route, cohort], rollout) in &rollouts {
        for phase in Phase::ALL {
            let labels = [("route", *route), ("cohort", *cohort), ("phase", phase.as_str())];
            let is = ConstGauge::new(i64::from(rollout.phase == phase));
            is.encode(family.encode_family(&labels)?)?;
        }
    }
    let mut family = encoder.encode_descriptor(
        "gate_status",
        "What a gate said at the last look: 1 pass, 0 hold, -1 fail; the gravest of its rules",
        None,
        one.metric_type(),
    )?;
    for (place, [route, cohort], _) in &rollouts {
        for (gate, verdict) in verdicts(desk, place) {
            let labels = [("route", *route), ("cohort", *cohort), ("gate", &*gate)];
            let status = match verdict {
                Verdict::Pass => 1_i64,
                Verdict::Hold => 0,
                Verdict::Fail => -1,
            };
            ConstGauge::new(status).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn labels(place: &Place) -> Option<[&str; 2]> {
    match &place.scope {
        Scope::Route => Some([place.route.as_str(), ""]),
        Scope::Cohort(name) => Some([place.route.as_str(), name.as_str()]),
        Scope::Tenant(_) => None,
    }
}

fn verdicts(desk: &Desk, place: &Place) -> BTreeMap<Cow<'static, str>, Verdict> {
    let mut gravest = BTreeMap::new();
    for named in desk.rollouts().stands(place).into_iter().flat_map(|seen| seen.findings) {
        let verdict = gravest.entry(named.gate).or_insert(Verdict::Pass);
        *verdict = named.finding.verdict.max(*verdict);
    }
    gravest
}
