//! What waits for the approval of others, and how is it approved?

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use config::AccessScope;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Problem, ProblemView};
use super::request::{Body, Caller, Path, why};
use super::site::Site;
use crate::access::Identity;
use crate::ledger::Plan;

/// Why a plan is approved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApproveRequest {
    /// Why; kept in the audit.
    #[serde(default)]
    #[schema(required)]
    why: String,
}

/// A plan that was approved.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApprovedView {
    /// The plan's hash.
    plan: String,
    /// How many have approved it.
    approvals: usize,
    /// How many it takes. Then its author asks for the same once more.
    needed: u8,
}

/// What waits for the approval of others.
#[utoipa::path(get, path = "/v1/plans", tag = "access", responses((status = 200, body = [Plan]), (status = 503, body = ProblemView, description = "The store does not serve")))]
pub(super) async fn list(State(site): State<Arc<Site>>) -> Result<Json<Vec<Plan>>, Problem> {
    Ok(Json(site.blocking(|site| site.desk().ledger().plans()).await??))
}

/// Approves a plan: exactly what its hash stands for, and nothing that anybody changed since.
#[utoipa::path(
    post,
    path = "/v1/plans/{plan}/approve",
    tag = "access",
    params(("plan" = String, Path, description = "The plan's hash")),
    request_body = ApproveRequest,
    responses(
        (status = 200, body = ApprovedView),
        (status = 400, body = ProblemView),
        (status = 403, body = ProblemView, description = "The token lacks the scope, or made the plan itself"),
        (status = 404, body = ProblemView),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn approve(
    State(site): State<Arc<Site>>,
    Extension(identity): Extension<Identity>,
    Path(plan): Path<String>,
    caller: Caller,
    Body(asked): Body<ApproveRequest>,
) -> Result<Json<ApprovedView>, Problem> {
    let why = why(&asked.why)?;
    identity.may(AccessScope::Approve)?;
    let plans = site.blocking(|site| site.desk().ledger().plans()).await??;
    if let Some(wanted) = plans.iter().find(|wanted| wanted.plan == plan) {
        let of = |key| wanted.arguments.get(key).and_then(serde_json::Value::as_str);
        identity.reaches(of("route"), of("tenant"))?;
    }
    let (hash, approver) = (plan.clone(), caller.approver(why));
    let approvals = site.blocking(move |site| site.desk().ledger().approve(&hash, &approver));
    let approvals = approvals.await??;
    let needed = site.present().desired.configuration.document.control.approvals;
    Ok(Json(ApprovedView { plan, approvals, needed }))
}
