//! How does one tenant stand, and how is it locked?

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use config::LockSpec;
use rules::shift::Scope;
use rules::{Snapshot, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Problem, ProblemView};
use super::request::{Body, Caller, Parameters, Path, bad_tenant, why};
use super::site::{Site, etag};
use super::view::{Answered, ShiftView};
use crate::command::Command;
use crate::desired::attributes;

/// What a tenant may do while its data is being moved.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// Unsafe methods are refused with 503.
    ReadOnly,
    /// Everything is refused with 503.
    Blocked,
}

/// A lock.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LockRequest {
    /// How far it goes.
    mode: Mode,
    /// Why; kept with the revision.
    #[serde(default)]
    #[schema(required)]
    why: String,
}

/// Why a tenant is unlocked.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UnlockQuery {
    /// Why; kept with the revision.
    #[serde(default)]
    #[param(required)]
    why: String,
}

/// One tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TenantView {
    /// Its id.
    tenant: String,
    /// Whether the configuration names it. Others are served, too.
    named: bool,
    /// Its lock.
    lock: Option<Mode>,
    /// Its attributes: the configuration's, and those that commands have set.
    attributes: BTreeMap<String, String>,
    /// The cohorts it belongs to, in the order that counts.
    cohorts: Vec<String>,
    /// Where its traffic stands on each route that has a candidate.
    routes: Vec<TenantRouteView>,
}

/// Where a tenant's traffic stands on one route.
#[derive(Debug, Serialize, ToSchema)]
struct TenantRouteView {
    /// The route.
    route: String,
    /// Whose shift applies: `tenant`, `cohort` or `route`.
    by: &'static str,
    /// Which cohort's.
    #[serde(skip_serializing_if = "Option::is_none")]
    cohort: Option<String>,
    #[serde(flatten)]
    shift: ShiftView,
}

/// One tenant: its lock, its cohorts, and where its traffic stands.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}",
    tag = "tenants",
    params(("tenant" = String, Path, description = "The tenant's id")),
    responses((status = 200, body = TenantView), (status = 400, body = ProblemView))
)]
pub(super) async fn one(
    State(site): State<Arc<Site>>,
    Path(tenant): Path<String>,
) -> Result<Response, Problem> {
    let tenant: TenantId = tenant.parse().map_err(|error| bad_tenant(&error))?;
    let present = site.present();
    let lock = present.desired.live.locks.get(&tenant).map(|lock| match lock {
        LockSpec::ReadOnly => Mode::ReadOnly,
        LockSpec::Blocked => Mode::Blocked,
    });
    let attributes = attributes(&present.desired, &tenant);
    let view = TenantView { attributes, ..view(&present.compiled.snapshot, &tenant, lock) };
    Ok(([(header::ETAG, etag(present.revision()))], Json(view)).into_response())
}

fn view(snapshot: &Snapshot, id: &TenantId, lock: Option<Mode>) -> TenantView {
    let tenant = snapshot.tenants.get(id).cloned().unwrap_or_default();
    let name = |id| snapshot.cohort(id).map(|cohort| cohort.name.to_string());
    let routes = snapshot.table.routes().iter().zip(&snapshot.shifts);
    let routes = routes.filter(|(route, _)| route.has_candidate()).map(|(route, shifts)| {
        let (scope, shift) = shifts.of(Some(id.as_str()), &tenant.cohorts);
        let (by, cohort) = match scope {
            Scope::Route => ("route", None),
            Scope::Cohort(id) => ("cohort", name(id)),
            Scope::Tenant => ("tenant", None),
        };
        TenantRouteView { route: route.name.to_string(), by, cohort, shift: shift.into() }
    });
    TenantView {
        tenant: id.to_string(),
        named: tenant.named,
        lock,
        attributes: BTreeMap::new(),
        cohorts: tenant.cohorts.iter().filter_map(|id| name(*id)).collect(),
        routes: routes.collect(),
    }
}

/// Locks a tenant: `read_only` refuses what may write, `blocked` refuses everything.
#[utoipa::path(
    put,
    path = "/v1/tenants/{tenant}/lock",
    tag = "tenants",
    params(
        ("tenant" = String, Path, description = "The tenant's id"),
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`")
    ),
    request_body = LockRequest,
    responses(
        (status = 200, body = Answered, description = "What came of it; with `dry_run`, what would"),
        (status = 400, body = ProblemView),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn lock(
    State(site): State<Arc<Site>>,
    Path(tenant): Path<String>,
    caller: Caller,
    Body(asked): Body<LockRequest>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    let lock = match asked.mode {
        Mode::ReadOnly => LockSpec::ReadOnly,
        Mode::Blocked => LockSpec::Blocked,
    };
    let tenant = tenant.parse().map_err(|error| bad_tenant(&error))?;
    let command = Command::Lock { tenant, lock: Some(lock) };
    caller.have(&site, command, why).await
}

/// Unlocks a tenant.
#[utoipa::path(
    delete,
    path = "/v1/tenants/{tenant}/lock",
    tag = "tenants",
    params(
        ("tenant" = String, Path, description = "The tenant's id"),
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`"),
        UnlockQuery
    ),
    responses(
        (status = 200, body = Answered, description = "What came of it; with `dry_run`, what would"),
        (status = 400, body = ProblemView),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn unlock(
    State(site): State<Arc<Site>>,
    Path(tenant): Path<String>,
    caller: Caller,
    Parameters(asked): Parameters<UnlockQuery>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    let tenant = tenant.parse().map_err(|error| bad_tenant(&error))?;
    let command = Command::Lock { tenant, lock: None };
    caller.have(&site, command, why).await
}
