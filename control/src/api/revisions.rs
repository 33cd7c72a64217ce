//! How are revisions listed, shown, compared and restored?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use rules::Revision;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Problem, ProblemView};
use super::request::{Body, Caller, Parameters, Path, why};
use super::site::Site;
use super::view::{Answered, EntryView, RevisionView};
use crate::command::Command;
use crate::desired::difference::of_values;
use crate::desired::keys;
use crate::store::Stored;

/// Which revisions are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// How many at most; no more than 1,000.
    #[serde(default = "ListQuery::some")]
    limit: u64,
    /// Only revisions before this one.
    before: Option<u64>,
}

impl ListQuery {
    const fn some() -> u64 {
        50
    }
}

/// With which revision another one is compared.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DiffQuery {
    /// The older one; the one before where none is given.
    against: Option<u64>,
}

/// What changed between two revisions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DiffView {
    /// The revision.
    revision: u64,
    /// The one that it is compared with.
    against: u64,
    /// What changed, as a unified diff: the configuration's text, then one line per shift, lock and stand-in target.
    diff: String,
}

/// Why a revision is restored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RestoreRequest {
    /// Why; kept with the new revision.
    #[serde(default)]
    #[schema(required)]
    why: String,
}

/// Revisions, the newest first.
#[utoipa::path(get, path = "/v1/revisions", tag = "revisions", params(ListQuery), responses((status = 200, body = [EntryView])))]
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Parameters(asked): Parameters<ListQuery>,
) -> Result<Json<Vec<EntryView>>, Problem> {
    site.blocking(move |site| {
        let present = site.present().revision().0;
        let last = asked.before.map_or(present, |before| present.min(before.saturating_sub(1)));
        let first = (last + 1).saturating_sub(asked.limit.min(1_000));
        if asked.limit == 0 {
            return Ok(Json(Vec::new()));
        }
        let entries = site.desk().ledger().entries(Revision(first), Revision(last))?;
        Ok(Json(entries.iter().rev().map(EntryView::from).collect()))
    })
    .await?
}

/// One revision, with the configuration and the live state that it made.
#[utoipa::path(
    get,
    path = "/v1/revisions/{revision}",
    tag = "revisions",
    params(("revision" = u64, Path, description = "Its number")),
    responses((status = 200, body = RevisionView), (status = 404, body = ProblemView))
)]
pub(super) async fn one(
    State(site): State<Arc<Site>>,
    Path(revision): Path<String>,
) -> Result<Json<RevisionView>, Problem> {
    site.blocking(move |site| {
        let stored = stored(site, &revision)?;
        let unread = keys::unread(&stored.values)?;
        let live = serde_json::to_value(&unread.live).unwrap_or_default();
        let document = unread.text.to_string();
        Ok(Json(RevisionView { entry: EntryView::from(&stored.entry), document, live }))
    })
    .await?
}

/// What changed between two revisions.
#[utoipa::path(
    get,
    path = "/v1/revisions/{revision}/diff",
    tag = "revisions",
    params(("revision" = u64, Path, description = "Its number"), DiffQuery),
    responses((status = 200, body = DiffView), (status = 404, body = ProblemView))
)]
pub(super) async fn diff(
    State(site): State<Arc<Site>>,
    Path(revision): Path<String>,
    Parameters(asked): Parameters<DiffQuery>,
) -> Result<Json<DiffView>, Problem> {
    site.blocking(move |site| {
        let after = stored(site, &revision)?;
        let revision = after.entry.revision.0;
        let against = asked.against.unwrap_or(revision.saturating_sub(1));
        let before = match against {
            0 => String::new(),
            against => of_values(&stored(site, &against.to_string())?.values),
        };
        let diff = config::diff(&before, &of_values(&after.values));
        Ok(Json(DiffView { revision, against, diff }))
    })
    .await?
}

/// Makes the state of an older revision, shifts included, the present one: as a new revision.
#[utoipa::path(
    post,
    path = "/v1/revisions/{revision}/restore",
    tag = "revisions",
    params(
        ("revision" = u64, Path, description = "Its number"),
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`")
    ),
    request_body = RestoreRequest,
    responses(
        (status = 200, body = Answered, description = "What came of it; with `dry_run`, what would"),
        (status = 400, body = ProblemView),
        (status = 404, body = ProblemView),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 422, body = ProblemView, description = "What its configuration refers to is no longer there"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn restore(
    State(site): State<Arc<Site>>,
    Path(asked_for): Path<String>,
    caller: Caller,
    Body(asked): Body<RestoreRequest>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    let revision = number(&site, &asked_for)?;
    let state = site.blocking(move |site| site.desk().ledger().state_of(revision)).await??;
    let unknown = || Problem::unknown_revision(&asked_for, site.present().revision());
    let desired = Box::new(state.ok_or_else(unknown)?);
    let command = Command::Restore { revision, desired };
    caller.have(&site, command, why).await
}

/// The number of a revision: `42`, and `r42` as it is shown to people.
fn number(site: &Site, asked_for: &str) -> Result<Revision, Problem> {
    let digits = asked_for.strip_prefix('r').unwrap_or(asked_for);
    let unknown = |_| Problem::unknown_revision(asked_for, site.present().revision());
    digits.parse().map(Revision).map_err(unknown)
}

fn stored(site: &Site, asked_for: &str) -> Result<Stored, Problem> {
    let stored = site.desk().ledger().stored(number(site, asked_for)?)?;
    stored.ok_or_else(|| Problem::unknown_revision(asked_for, site.present().revision()))
}
