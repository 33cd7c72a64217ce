//! How do shifts as commands make them become shifts as decisions read them?

use std::collections::HashMap;
use std::sync::Arc;

use rules::cohort::{Cohort, CohortId};
use rules::shift::Shifts;
use rules::{CohortName, Route};

use super::findings::{Findings, Pointer};
use crate::live::{RouteLive, ShiftSpec};

/// One route's shifts. Those of cohorts that the document does not know are left out.
pub(super) fn shifts(
    route: &Route,
    live: &RouteLive,
    cohorts: &[Cohort],
    findings: &mut Findings<'_>,
) -> Shifts {
    if !route.has_candidate() {
        needs_no_candidate(route, live, findings);
    }
    let ids: HashMap<&CohortName, CohortId> = if live.cohorts.is_empty() {
        HashMap::new()
    } else {
        (0..).map(CohortId).zip(cohorts).map(|(id, cohort)| (&cohort.name, id)).collect()
    };
    let of_cohort =
        |(name, shift): (&CohortName, &ShiftSpec)| Some((*ids.get(name)?, (*shift).into()));
    Shifts {
        default: live.default.into(),
        cohorts: live.cohorts.iter().filter_map(of_cohort).collect(),
        tenants: live.tenants.iter().map(|(id, shift)| (id.clone(), (*shift).into())).collect(),
    }
}

fn needs_no_candidate(route: &Route, live: &RouteLive, findings: &mut Findings<'_>) {
    let mut all =
        std::iter::once(&live.default).chain(live.cohorts.values()).chain(live.tenants.values());
    if all.any(|shift| !shift.is_off()) {
        let at = Pointer::root().key("routes").key(route.name.as_str()).key("candidate");
        let message =
            format!("route `{}` has no candidate, but a shift that needs one", route.name);
        let hint = format!("add `candidate:`, or first `turnout rollback {}`", route.name);
        findings.error_with_hint(&at, "shift_without_candidate", message, hint);
    }
}

/// The shifts of a route that nobody has shifted.
pub(super) fn none() -> Arc<Shifts> {
    Arc::new(Shifts::default())
}
