//! How do flags stand, and how is it changed who has which variant?

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use rules::TenantId;
use rules::flag::{FlagId, FlagReason, Subject};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::problem::{Problem, ProblemView};
use super::request::{Body, Caller, Parameters, Path, bad_tenant, scope, share, why};
use super::site::{Site, etag};
use super::view::{Answered, EvaluationView, FlagView, RemovalView};
use crate::command::{Command, FlagChange};
use crate::ledger::Present;

/// Who has which variant of a flag.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServeRequest {
    /// The share of tenants that have the variant; the others have the off one. For one tenant 100% or 0%. Null ends what a
    /// tenant or cohort had of its own.
    #[serde(deserialize_with = "written")]
    #[schema(example = "25%", required)]
    share: Option<String>,
    /// The variant; the one that is served already where none is named.
    variant: Option<String>,
    /// Only this tenant.
    tenant: Option<String>,
    /// Only this cohort.
    cohort: Option<String>,
    /// Why; kept with the revision.
    #[serde(default)]
    #[schema(required)]
    why: String,
}

/// With its own function, serde no longer takes a missing field for null.
fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

/// Why a flag is turned on or off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SwitchRequest {
    /// Why; kept with the revision.
    #[serde(default)]
    #[schema(required)]
    why: String,
}

/// What makes a flag safe to remove, where nothing is said.
const DAYS: u16 = 7;

/// What makes a flag safe to remove.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FlagsQuery {
    /// For how many days everybody must have had the same of a flag that is safe to remove; 7 where nothing is said.
    days: Option<u16>,
}

/// For whom a flag is evaluated.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FlagQuery {
    /// For how many days everybody must have had the same of a flag that is safe to remove; 7 where nothing is said.
    days: Option<u16>,
    /// A tenant whose variant is told, too.
    tenant: Option<String>,
}

/// One flag, perhaps with what a tenant has of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AskedFlagView {
    #[serde(flatten)]
    flag: FlagView,
    /// What the tenant that was asked for has.
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluation: Option<EvaluationView>,
}

/// All flags, as written.
#[utoipa::path(
    get,
    path = "/v1/flags",
    tag = "flags",
    params(FlagsQuery),
    responses((status = 200, body = [FlagView]))
)]
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Parameters(asked): Parameters<FlagsQuery>,
) -> Result<Response, Problem> {
    site.blocking(move |site| {
        let present = site.present();
        let asked = Asked::of(&present, asked.days);
        let names = present.desired.configuration.document.flags.keys();
        let flags: Vec<FlagView> = names.filter_map(|name| asked.flag(name)).collect();
        ([(header::ETAG, etag(present.revision()))], Json(flags)).into_response()
    })
    .await
}

/// One flag; with `?tenant=` also what that tenant has, and why. Such a question is not counted as a use.
#[utoipa::path(
    get,
    path = "/v1/flags/{flag}",
    tag = "flags",
    params(("flag" = String, Path, description = "The flag's name"), FlagQuery),
    responses(
        (status = 200, body = AskedFlagView),
        (status = 400, body = ProblemView),
        (status = 404, body = ProblemView)
    )
)]
pub(super) async fn one(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    Parameters(asked): Parameters<FlagQuery>,
) -> Result<Response, Problem> {
    let present = site.present();
    let flag =
        Asked::of(&present, asked.days).flag(&name).ok_or_else(|| unknown(&present, &name))?;
    let tenant = asked.tenant.as_deref().map(str::parse::<TenantId>).transpose();
    let tenant = tenant.map_err(|error| bad_tenant(&error))?;
    let evaluation = tenant.and_then(|tenant| evaluation(&present, &name, &tenant));
    let answer = AskedFlagView { flag, evaluation };
    Ok(([(header::ETAG, etag(present.revision()))], Json(answer)).into_response())
}

/// What is asked of flags.
struct Asked<'p> {
    present: &'p Present,
    named_at: HashMap<&'p str, Vec<String>>,
    days: u16,
    now: Timestamp,
}

impl<'p> Asked<'p> {
    fn of(present: &'p Present, days: Option<u16>) -> Self {
        let named_at = config::flag_uses(&present.desired.configuration.document);
        Self { present, named_at, days: days.unwrap_or(DAYS), now: Timestamp::now() }
    }

    fn flag(&self, name: &str) -> Option<FlagView> {
        let Present { desired, compiled, .. } = self.present;
        let (place, _, spec) = desired.configuration.document.flags.get_full(name)?;
        let flag = compiled.snapshot.flags.all().get(place)?;
        let live = desired.live.flags.get(name).map(|live| &**live);
        let named_at = self.named_at.get(name).cloned().unwrap_or_default();
        let id = FlagId(u32::try_from(place).ok()?);
        let removal = RemovalView::of(self.present, id, self.days, self.now, named_at);
        Some(FlagView::of(flag, spec, live, removal))
    }
}

fn evaluation(present: &Present, name: &str, tenant: &TenantId) -> Option<EvaluationView> {
    let snapshot = &present.compiled.snapshot;
    let cohorts = snapshot.tenants.get(tenant).map_or(&[][..], |tenant| &tenant.cohorts);
    let id = snapshot.flags.find(name).ok()?;
    let found = snapshot.flags.evaluate(id, Subject { tenant: Some(tenant.as_str()), cohorts })?;
    let needed = match found.reason {
        FlagReason::Prerequisite(other) => snapshot.flags.get(other),
        _ => None,
    };
    let needed = needed.map(|flag| flag.definition.name.as_str());
    Some(EvaluationView::of(&found, Some(tenant.to_string()), needed))
}

pub(super) fn unknown(present: &Present, name: &str) -> Problem {
    let known = present.desired.configuration.document.flags.keys();
    Problem::unknown("flag", name, known.map(String::as_str))
}

/// Gives a share of tenants a variant of a flag: of everybody, of a cohort, or one tenant.
#[utoipa::path(
    post,
    path = "/v1/flags/{flag}/serve",
    tag = "flags",
    params(
        ("flag" = String, Path, description = "The flag's name"),
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`")
    ),
    request_body = ServeRequest,
    responses(
        (status = 200, body = Answered),
        (status = 400, body = ProblemView),
        (status = 404, body = ProblemView),
        (status = 409, body = ProblemView, description = "The flag is archived, or the cohort is one of requests"),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn serve(
    State(site): State<Arc<Site>>,
    Path(flag): Path<String>,
    caller: Caller,
    Body(asked): Body<ServeRequest>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    let scope = scope(asked.tenant.as_deref(), asked.cohort.as_deref())?;
    let change = match asked.share.as_deref().map(share).transpose()? {
        Some(share) => FlagChange::Serve { scope, variant: asked.variant, share },
        None => FlagChange::Inherit(scope),
    };
    command(&site, &flag, change, caller, why).await
}

/// Turns a flag on again, as it was set before.
#[utoipa::path(
    post,
    path = "/v1/flags/{flag}/on",
    tag = "flags",
    params(
        ("flag" = String, Path, description = "The flag's name"),
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`")
    ),
    request_body = SwitchRequest,
    responses(
        (status = 200, body = Answered),
        (status = 400, body = ProblemView),
        (status = 404, body = ProblemView),
        (status = 409, body = ProblemView, description = "The flag is archived"),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn on(
    State(site): State<Arc<Site>>,
    Path(flag): Path<String>,
    caller: Caller,
    Body(asked): Body<SwitchRequest>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    command(&site, &flag, FlagChange::On, caller, why).await
}

/// Turns a flag off: everybody has its off variant until it is on again. What is set stays.
#[utoipa::path(
    post,
    path = "/v1/flags/{flag}/off",
    tag = "flags",
    params(
        ("flag" = String, Path, description = "The flag's name"),
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`")
    ),
    request_body = SwitchRequest,
    responses(
        (status = 200, body = Answered),
        (status = 400, body = ProblemView),
        (status = 404, body = ProblemView),
        (status = 409, body = ProblemView, description = "The flag is archived"),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn off(
    State(site): State<Arc<Site>>,
    Path(flag): Path<String>,
    caller: Caller,
    Body(asked): Body<SwitchRequest>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    command(&site, &flag, FlagChange::Off, caller, why).await
}

async fn command(
    site: &Arc<Site>,
    flag: &str,
    change: FlagChange,
    caller: Caller,
    why: String,
) -> Result<Answered, Problem> {
    let name = flag.parse().map_err(|_error| unknown(&site.present(), flag))?;
    let command = Command::Flag { flag: name, change };
    caller.have(site, command, why).await
}
