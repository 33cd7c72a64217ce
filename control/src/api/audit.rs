//! What was asked for, by whom, and what came of it? The audit, listed, exported and signed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Problem, ProblemView};
use super::request::Parameters;
use super::site::Site;
use crate::audit::{Filter, Head, Line, Record, SignedHead};
use crate::store::StoreError;

/// How many lines are read from the store at once.
const PAGE: u64 = 500;
/// How far back one question looks for lines that fit.
const LOOKED_AT: u64 = 100_000;
const MAX_LISTED: usize = 1_000;

/// Which part of the audit is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only about this route.
    route: Option<String>,
    /// Only about this tenant.
    tenant: Option<String>,
    /// Only by this actor, or in its name.
    actor: Option<String>,
    /// Not before (RFC 3339).
    #[param(value_type = Option<String>)]
    since: Option<Timestamp>,
    /// Not after (RFC 3339).
    #[param(value_type = Option<String>)]
    until: Option<Timestamp>,
    /// Only lines before this one.
    before: Option<u64>,
    /// How many at most; no more than 1,000.
    #[serde(default = "AuditQuery::some")]
    limit: usize,
}

impl AuditQuery {
    const fn some() -> usize {
        50
    }

    fn filter(&self) -> Filter {
        let Self { route, tenant, actor, since, until, .. } = self;
        let [route, tenant, actor] = [route, tenant, actor].map(Clone::clone);
        Filter { route, tenant, actor, since: *since, until: *until }
    }
}

/// From which line on the audit is exported.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportQuery {
    /// Only lines after this one.
    #[serde(default)]
    after: u64,
}

/// One line of the audit. As the export writes it, its hash can be checked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineView {
    /// Its number.
    seq: u64,
    #[serde(flatten)]
    record: Record,
    /// Its hash.
    hash: String,
}

/// The newest link of the audit's chain, signed by this node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignedHeadView {
    /// Its number; 0 where there is none yet.
    seq: u64,
    /// Its hash.
    hash: String,
    /// When it was signed (RFC 3339).
    at: String,
    /// This node's public key (Ed25519), in hexadecimal.
    key: String,
    /// The signature, in hexadecimal.
    signature: String,
}

/// The audit, newest first: every command, carried out or refused.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(AuditQuery), responses((status = 200, body = [LineView]), (status = 400, body = ProblemView), (status = 503, body = ProblemView, description = "The store does not serve")))]
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Parameters(asked): Parameters<AuditQuery>,
) -> Result<Json<Vec<LineView>>, Problem> {
    let lines = site.blocking(move |site| newest_first(site, &asked)).await??;
    Ok(Json(lines.into_iter().filter_map(view).collect()))
}

fn newest_first(site: &Site, asked: &AuditQuery) -> Result<Vec<Line>, StoreError> {
    let store = site.desk().ledger().store();
    let filter = asked.filter();
    let newest = store.audited()?.seq;
    let mut last = asked.before.map_or(newest, |before| newest.min(before.saturating_sub(1)));
    let oldest = last.saturating_sub(LOOKED_AT);
    let (mut found, limit) = (Vec::new(), asked.limit.min(MAX_LISTED));
    while last > oldest && found.len() < limit {
        let first = (last + 1).saturating_sub(PAGE).max(1);
        let page = store.lines(first, last)?.into_iter().rev();
        let fits = |line: &Line| line.record().is_ok_and(|record| filter.fits(&record));
        found.extend(page.filter(fits).take(limit - found.len()));
        last = first - 1;
    }
    Ok(found)
}

fn view(line: Line) -> Option<LineView> {
    let record = line.record().ok()?;
    let Head { seq, hash } = line.head;
    Some(LineView { seq, record, hash })
}

/// The audit, oldest first, as JSON lines. A line's `hash` is the SHA-256 of the line without that member; the next one's
/// `prev` is the same.
#[utoipa::path(
    get,
    path = "/v1/audit/export",
    tag = "audit",
    params(ExportQuery),
    responses(
        (status = 200, body = String, content_type = "application/x-ndjson"),
        (status = 400, body = ProblemView),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn export(
    State(site): State<Arc<Site>>,
    Parameters(asked): Parameters<ExportQuery>,
) -> Result<Response, Problem> {
    let Head { seq: newest, .. } =
        site.blocking(|site| site.desk().ledger().store().audited()).await??;
    let pages: VecDeque<u64> = (asked.after..newest).step_by(page_step()).collect();
    let pages = stream::unfold((site, pages), move |(site, mut pages)| async move {
        let after = pages.pop_front()?;
        let last = newest.min(after + PAGE);
        let read = move |site: &Site| site.desk().ledger().store().lines(after + 1, last);
        // A failure ends the text early; whoever verifies it meets another head than the signed one.
        let lines = site.blocking(read).await.ok()?.ok()?;
        let text: String = lines.iter().map(|line| line.exported() + "\n").collect();
        Some((Ok::<_, Infallible>(Bytes::from(text)), (site, pages)))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(pages)).into_response())
}

fn page_step() -> usize {
    usize::try_from(PAGE).unwrap_or(1)
}

/// The newest link of the audit's chain, signed. Whoever keeps it can tell later whether the chain is still the same.
#[utoipa::path(get, path = "/v1/audit/head", tag = "audit", responses((status = 200, body = SignedHeadView), (status = 503, body = ProblemView, description = "The store does not serve")))]
pub(super) async fn head(State(site): State<Arc<Site>>) -> Result<Json<SignedHeadView>, Problem> {
    let head = site.blocking(|site| site.desk().ledger().store().audited()).await??;
    let SignedHead { head, at, key, signature } = site.desk().seal().sign(head, Timestamp::now());
    Ok(Json(SignedHeadView { seq: head.seq, hash: head.hash, at, key, signature }))
}
