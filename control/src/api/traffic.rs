//! How is traffic moved? Shift, shadow, rollback.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::flags;
use super::problem::{Problem, ProblemView};
use super::request::{Body, Caller, Path, scope, share, why};
use super::site::Site;
use super::view::Answered;
use crate::command::{Command, Copies, FlagChange};

/// Whose traffic goes to the candidate, and how much of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShiftRequest {
    /// The candidate's share; null removes the shift of a tenant or cohort, which then follows what stands above it.
    #[serde(deserialize_with = "written")]
    #[schema(example = "25%", required)]
    share: Option<String>,
    /// Only this tenant's traffic.
    tenant: Option<String>,
    /// Only this cohort's traffic.
    cohort: Option<String>,
    /// A flag that the same tenants get with the same command, so that the proxy and the services switch at the same moment.
    flag: Option<String>,
    /// Why; kept with the revision.
    #[serde(default)]
    #[schema(required)]
    why: String,
}

/// With its own function, serde no longer takes a missing field for null: nobody removes a shift by a slip.
fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

/// Which requests are copied to the other arm.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShadowRequest {
    /// The share that is copied.
    #[schema(example = "100%")]
    share: String,
    /// Set for copies from the candidate back to stable.
    #[serde(default)]
    reverse: bool,
    /// Only this tenant's requests.
    tenant: Option<String>,
    /// Only this cohort's requests.
    cohort: Option<String>,
    /// Why; kept with the revision.
    #[serde(default)]
    #[schema(required)]
    why: String,
}

/// Whose traffic goes back to stable.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackRequest {
    /// Why; kept with the revision.
    #[serde(default)]
    #[schema(required)]
    why: String,
    /// Only this tenant's traffic.
    tenant: Option<String>,
    /// Only this cohort's traffic.
    cohort: Option<String>,
    /// Whether requests are still copied to the candidate.
    #[serde(default)]
    keep_shadow: bool,
    /// By what the same rollback is known where several nodes are told it, each itself: 1 to 64 letters, digits and hyphens.
    /// It is done once then, even if some of them can store it only later.
    id: Option<String>,
}

/// Puts a share of a route's traffic on the candidate: of everybody's, or of one tenant's or cohort's.
#[utoipa::path(
    post,
    path = "/v1/routes/{route}/shift",
    tag = "traffic",
    params(
        ("route" = String, Path, description = "The route's name"),
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`")
    ),
    request_body = ShiftRequest,
    responses(
        (status = 200, body = Answered, description = "What came of it; with `dry_run`, what would"),
        (status = 400, body = ProblemView),
        (status = 404, body = ProblemView),
        (status = 409, body = ProblemView, description = "The route has no candidate"),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn shift(
    State(site): State<Arc<Site>>,
    Path(route): Path<String>,
    caller: Caller,
    Body(asked): Body<ShiftRequest>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    let scope = scope(asked.tenant.as_deref(), asked.cohort.as_deref())?;
    let share = asked.share.as_deref().map(share).transpose()?;
    let change = match share {
        Some(share) => FlagChange::Serve { scope: scope.clone(), variant: None, share },
        None => FlagChange::Inherit(scope.clone()),
    };
    let shift = Command::Shift { route: site.route(&route)?, scope, share };
    let command = match asked.flag {
        None => shift,
        Some(name) => {
            let flag = name.parse().map_err(|_error| flags::unknown(&site.present(), &name))?;
            Command::Together(vec![shift, Command::Flag { flag, change }])
        }
    };
    caller.have(&site, command, why).await
}

/// Copies a share of a route's requests to the other arm, whose answers are compared and never reach a client.
#[utoipa::path(
    post,
    path = "/v1/routes/{route}/shadow",
    tag = "traffic",
    params(
        ("route" = String, Path, description = "The route's name"),
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`")
    ),
    request_body = ShadowRequest,
    responses(
        (status = 200, body = Answered, description = "What came of it; with `dry_run`, what would"),
        (status = 400, body = ProblemView),
        (status = 404, body = ProblemView),
        (status = 409, body = ProblemView, description = "The route has no candidate"),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn shadow(
    State(site): State<Arc<Site>>,
    Path(route): Path<String>,
    caller: Caller,
    Body(asked): Body<ShadowRequest>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    let command = Command::Shadow {
        route: site.route(&route)?,
        scope: scope(asked.tenant.as_deref(), asked.cohort.as_deref())?,
        copies: if asked.reverse { Copies::ToStable } else { Copies::ToCandidate },
        share: share(&asked.share)?,
    };
    caller.have(&site, command, why).await
}

/// Puts all traffic back on stable: of a route with all its shifts, or of one tenant or cohort. Needs no If-Match.
#[utoipa::path(
    post,
    path = "/v1/routes/{route}/rollback",
    tag = "traffic",
    params(
        ("route" = String, Path, description = "The route's name"),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`")
    ),
    request_body = RollbackRequest,
    responses(
        (status = 200, body = Answered, description = "What came of it; with `dry_run`, what would"),
        (status = 400, body = ProblemView),
        (status = 404, body = ProblemView),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn rollback(
    State(site): State<Arc<Site>>,
    Path(route): Path<String>,
    caller: Caller,
    Body(asked): Body<RollbackRequest>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    let command = Command::Rollback {
        route: site.route(&route)?,
        scope: scope(asked.tenant.as_deref(), asked.cohort.as_deref())?,
        keep_shadow: asked.keep_shadow,
    };
    caller.known_by(asked.id)?.have(&site, command, why).await
}
