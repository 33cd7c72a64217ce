//! How do upstreams stand, and how are their targets replaced?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use config::TargetSpec;
use rules::UpstreamName;
use serde::Deserialize;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemView};
use super::request::{Body, Caller, Path, why};
use super::site::{Site, etag};
use super::view::{Answered, UpstreamView};
use crate::command::Command;

/// Targets that stand in for those of the configuration.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetsRequest {
    /// All targets from now on.
    targets: Vec<TargetRequest>,
    /// Why; kept with the revision.
    #[serde(default)]
    #[schema(required)]
    why: String,
}

/// One address of an upstream.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TargetRequest {
    /// `host:port`.
    #[schema(example = "10.0.0.11:3000")]
    address: String,
    /// How many of the upstream's requests it gets, relative to the others; 0 means none.
    #[serde(default = "one")]
    weight: u16,
}

const fn one() -> u16 {
    1
}

/// All upstreams, as written.
#[utoipa::path(get, path = "/v1/upstreams", tag = "upstreams", responses((status = 200, body = [UpstreamView])))]
pub(super) async fn list(State(site): State<Arc<Site>>) -> Response {
    let present = site.present();
    let view = UpstreamView::all(&present);
    ([(header::ETAG, etag(present.revision()))], Json(view)).into_response()
}

/// Replaces or re-weights an upstream's targets, until the configuration says other ones.
#[utoipa::path(
    put,
    path = "/v1/upstreams/{upstream}/targets",
    tag = "upstreams",
    params(
        ("upstream" = String, Path, description = "The upstream's name"),
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`")
    ),
    request_body = TargetsRequest,
    responses(
        (status = 200, body = Answered, description = "What came of it; with `dry_run`, what would"),
        (status = 400, body = ProblemView),
        (status = 404, body = ProblemView),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 422, body = ProblemView, description = "The targets are not valid"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn replace_targets(
    State(site): State<Arc<Site>>,
    Path(upstream): Path<String>,
    caller: Caller,
    Body(asked): Body<TargetsRequest>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    let unknown = |_| {
        let present = site.present();
        let known = &present.desired.configuration.document.upstreams;
        Problem::unknown("upstream", &upstream, known.keys().map(String::as_str))
    };
    let name = upstream.parse::<UpstreamName>().map_err(unknown)?;
    let target = |asked: TargetRequest| TargetSpec { address: asked.address, weight: asked.weight };
    let targets = asked.targets.into_iter().map(target).collect();
    let command = Command::Targets { upstream: name, targets };
    caller.have(&site, command, why).await
}
