//! How is one difference left out of a comparison? The configuration gets one more line, as a command like any other.

use std::sync::Arc;

use axum::extract::State;
use config::edit::{Ignored, ignoring};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemView};
use super::request::{Body, Caller, Path, why};
use super::site::Site;
use super::view::Answered;
use crate::command::{Command, Configuration};

/// What is left out of a route's comparison from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IgnoreRequest {
    /// A JSON pointer in which `*` is any segment and `**` any number of them, or a header's name.
    #[schema(example = "/items/*/updatedAt")]
    pattern: String,
    /// Why; kept with the revision.
    #[serde(default)]
    #[schema(required)]
    why: String,
}

/// Leaves a place of bodies, or a header, out of a route's comparison. The configuration gets one more entry, with all of
/// its comments kept; what was counted under the rules before is counted anew.
#[utoipa::path(
    post,
    path = "/v1/routes/{route}/ignore",
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
    request_body = IgnoreRequest,
    responses(
        (status = 200, body = Answered),
        (status = 400, body = ProblemView),
        (status = 404, body = ProblemView),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 422, body = ProblemView, description = "It is ignored already, or the configuration's text cannot be added to"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn ignore(
    State(site): State<Arc<Site>>,
    Path(route): Path<String>,
    caller: Caller,
    Body(asked): Body<IgnoreRequest>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    site.route(&route)?;
    let (configuration, based_on) = site.blocking(move |site| with(site, &route, &asked)).await??;
    // Another command in between must not be undone by a text that does not know of it.
    caller.on(based_on).have(&site, Command::Apply(configuration), why).await
}

fn with(
    site: &Site,
    route: &str,
    asked: &IgnoreRequest,
) -> Result<(Configuration, rules::Revision), Problem> {
    let present = site.present();
    let configuration = &present.desired.configuration;
    let ignored = ignored(&asked.pattern)?;
    let env = |name: &str| std::env::var(name).ok();
    let text = ignoring(&configuration.document, &env, route, ignored)
        .map_err(|error| Problem::cannot_ignore(&error))?;
    let read = site.desk().ledger().configuration(text.into(), Timestamp::now());
    Ok((read.map_err(|problems| Problem::invalid(&problems))?, present.revision()))
}

fn ignored(pattern: &str) -> Result<Ignored<'_>, Problem> {
    let wrong = |detail: String| Problem::field("bad_pattern", "/pattern", detail);
    if pattern.starts_with('/') {
        let parsed = pattern.parse::<rules::compare::PointerPattern>();
        parsed.map_err(|error| wrong(error.to_string()))?;
        return Ok(Ignored::Place(pattern));
    }
    let is_name = http::HeaderName::from_bytes(pattern.as_bytes()).is_ok();
    let right = "write a JSON pointer such as /items/*/updatedAt, or a header's name";
    is_name.then_some(Ignored::Header(pattern)).ok_or_else(|| wrong(right.to_owned()))
}
