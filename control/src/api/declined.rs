//! How is it told that a command was not carried out? Each cause of the other layers with its status.

use axum::http::StatusCode;
use config::causes;

use super::problem::Problem;
use crate::access::Denied;
use crate::desired::Refusal;
use crate::ledger::{Declined, NotApproved};
use crate::store::StoreError;

impl From<Declined> for Problem {
    fn from(declined: Declined) -> Self {
        let code = declined.code();
        let problem: Self = match declined {
            Declined::Refused(refusal) => refusal.into(),
            Declined::Invalid(problems) => Self::invalid(&problems),
            Declined::Store(error) => error.into(),
            Declined::NeedsAdmin { .. } => {
                let hint = "leave that as it is now, or have an administrator do it";
                let problem = Self::new(StatusCode::FORBIDDEN, code, declined.to_string());
                problem.hint(Some(hint.to_owned()))
            }
            Declined::NeedsApproval { ref plan, .. } => {
                let hint = format!(
                    "somebody else: turnout approve {plan} --why \"...\"; then the same command again"
                );
                let mut problem = Self::new(StatusCode::FORBIDDEN, code, declined.to_string());
                problem.0.plan = Some(plan.clone());
                problem.hint(Some(hint))
            }
            Declined::Fenced | Declined::Repeated => {
                Self::new(StatusCode::CONFLICT, code, declined.to_string())
            }
            Declined::HandedOver => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, code, declined.to_string())
            }
            Declined::Unresolved(_) => {
                let hint = "is the name right, and known where this runs?";
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Self::new(status, code, declined.to_string()).hint(Some(hint.to_owned()))
            }
            Declined::Stale { present, ref actor } => {
                let status = StatusCode::PRECONDITION_FAILED;
                let mut problem = Self::new(status, code, declined.to_string());
                problem.0.revision = Some(present.0);
                problem.0.actor = Some(actor.clone());
                problem
            }
        };
        problem.accounted_for()
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self::new(StatusCode::FORBIDDEN, denied.code(), denied.to_string())
    }
}

impl From<NotApproved> for Problem {
    fn from(not: NotApproved) -> Self {
        let detail = not.to_string();
        match not {
            NotApproved::Unknown { .. } => Self::new(StatusCode::NOT_FOUND, "unknown_plan", detail),
            NotApproved::Own { .. } => Self::new(StatusCode::FORBIDDEN, "own_plan", detail),
            NotApproved::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (detail, code) = (refusal.to_string(), refusal.code());
        match refusal {
            Refusal::Unknown { hint, .. } => {
                let hint = hint.map(|name| format!("did you mean {name:?}?"));
                Self::new(StatusCode::NOT_FOUND, code, detail).hint(hint)
            }
            Refusal::RolloutRuns { .. }
            | Refusal::Rollout { .. }
            | Refusal::NoCandidate { .. }
            | Refusal::ArchivedFlag { .. }
            | Refusal::CohortOfRequests { .. } => Self::new(StatusCode::CONFLICT, code, detail),
            Refusal::ShareOfTenant | Refusal::NothingAbove => Self::field(code, "/share", detail),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // What exactly failed is for the operator's log, not for whoever asks.
        tracing::error!(error = causes(&error), "the store does not serve");
        let detail = "the store does not serve: nothing has changed, and traffic goes on as it was";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", detail)
    }
}
