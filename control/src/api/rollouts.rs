//! How do rollouts stand, and who may move them? Asked and told here; what people ask for, the engine asks for, too.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use rules::{Revision, RouteName};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemView};
use super::request::{Body, Caller, Parameters, Path, scope, why};
use super::site::{Site, etag};
use super::view::{Answered, EntryView, RolloutView};
use crate::command::{Command, RolloutChange, Scope};
use crate::rollout::{Place, lint};
use crate::store::Entry;

/// How many of the newest revisions a history is looked for in.
const LOOKED_THROUGH: u64 = 5_000;

/// Whose rollouts are asked for; all of the route's where nothing is said.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WhoseQuery {
    /// Only this tenant's.
    tenant: Option<String>,
    /// Only this cohort's.
    cohort: Option<String>,
}

impl WhoseQuery {
    fn scope(&self) -> Result<Option<Scope>, Problem> {
        let scope = scope(self.tenant.as_deref(), self.cohort.as_deref())?;
        Ok(Some(scope).filter(|scope| *scope != Scope::Route))
    }
}

/// What to do with a rollout.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RolloutRequest {
    /// What.
    action: ActionRequest,
    /// With `start`: the plan, where it is not the route's.
    plan: Option<String>,
    /// With `promote`: on to the end, whatever gates still wait for.
    #[serde(default)]
    to_end: bool,
    /// With `abort`: requests are still copied to the candidate.
    #[serde(default)]
    keep_shadow: bool,
    /// Only this tenant's traffic.
    tenant: Option<String>,
    /// Only this cohort's traffic.
    cohort: Option<String>,
    /// Why; kept with the revision.
    #[serde(default)]
    #[schema(required)]
    why: String,
}

/// What to do with a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ActionRequest {
    /// Begin with the first step.
    Start,
    /// Stay at this step. Gates go on watching.
    Pause,
    /// Go on at this step, which begins anew.
    Resume,
    /// Go one step further, whatever gates still wait for.
    Promote,
    /// Say that the step may end.
    Approve,
    /// Put everything back on stable; the same as a rollback.
    Abort,
}

impl RolloutRequest {
    fn command(&self, place: Place, by: &str) -> Result<Command, Problem> {
        let only = |given: bool, action, field: &str| {
            let detail = "this goes with another action";
            if given && self.action != action {
                return Err(Problem::field("not_with_this_action", field, detail));
            }
            Ok(())
        };
        only(self.plan.is_some(), ActionRequest::Start, "/plan")?;
        only(self.to_end, ActionRequest::Promote, "/to_end")?;
        only(self.keep_shadow, ActionRequest::Abort, "/keep_shadow")?;
        let at_unix_ms = Timestamp::now().as_millisecond();
        let change = match self.action {
            ActionRequest::Start => {
                RolloutChange::Start { plan: self.plan.clone(), by: by.to_owned(), at_unix_ms }
            }
            ActionRequest::Pause => RolloutChange::Pause { expected: None, evidence: Value::Null },
            ActionRequest::Resume => RolloutChange::Resume,
            ActionRequest::Promote if self.to_end => RolloutChange::PromoteToEnd,
            ActionRequest::Promote => {
                RolloutChange::Promote { expected: None, at_unix_ms, evidence: Value::Null }
            }
            ActionRequest::Approve => RolloutChange::Approve { by: by.to_owned() },
            ActionRequest::Abort => {
                let Place { route, scope } = place;
                return Ok(Command::Rollback { route, scope, keep_shadow: self.keep_shadow });
            }
        };
        Ok(Command::Rollout { place, change })
    }
}

/// Starts, pauses, resumes, promotes, approves of or aborts a rollout. An abort needs no If-Match.
#[utoipa::path(
    post,
    path = "/v1/routes/{route}/rollout",
    tag = "rollouts",
    params(
        ("route" = String, Path, description = "The route's name"),
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`")
    ),
    request_body = RolloutRequest,
    responses(
        (status = 200, body = Answered),
        (status = 400, body = ProblemView),
        (status = 404, body = ProblemView),
        (status = 409, body = ProblemView, description = "The rollout cannot do that now"),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn change(
    State(site): State<Arc<Site>>,
    Path(route): Path<String>,
    caller: Caller,
    Body(asked): Body<RolloutRequest>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    let scope = scope(asked.tenant.as_deref(), asked.cohort.as_deref())?;
    let place = Place { route: site.route(&route)?, scope };
    let command = asked.command(place.clone(), caller.name())?;
    let answered = caller.have(&site, command, why).await?;
    Ok(match asked.action {
        ActionRequest::Start => answered.warning(|| too_little_traffic(&site, &place)),
        _ => answered,
    })
}

fn too_little_traffic(site: &Site, place: &Place) -> Vec<String> {
    let present = site.present();
    let plan = present.desired.rollouts.get(place).and_then(|rollout| rollout.plan());
    let (requests, minutes) = site.desk().rollouts().last_hour(place);
    let Some(plan) = plan.filter(|_| minutes > 0) else { return Vec::new() };
    #[expect(clippy::cast_precision_loss, reason = "requests of an hour are far below 2^52")]
    let per_second = requests as f64 / (minutes as f64 * 60.0);
    lint::lint(&plan, per_second)
}

/// The rollouts of a route: its own, and those of its cohorts and tenants; those that are over included.
#[utoipa::path(
    get,
    path = "/v1/routes/{route}/rollout",
    tag = "rollouts",
    params(("route" = String, Path, description = "The route's name"), WhoseQuery),
    responses(
        (status = 200, body = [RolloutView]),
        (status = 400, body = ProblemView),
        (status = 404, body = ProblemView)
    )
)]
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Path(route): Path<String>,
    Parameters(whose): Parameters<WhoseQuery>,
) -> Result<Response, Problem> {
    let (route, whose) = (site.route(&route)?, whose.scope()?);
    let (present, now) = (site.present(), Timestamp::now());
    let meant = |place: &Place| {
        place.route == route && whose.as_ref().is_none_or(|scope| place.scope == *scope)
    };
    let meant = present.desired.rollouts.iter().filter(|(place, _)| meant(place));
    let views: Vec<RolloutView> = meant
        .map(|(place, rollout)| {
            let seen = site.desk().rollouts().stands(place);
            RolloutView::new(place, rollout, seen.as_ref(), now)
        })
        .collect();
    Ok(([(header::ETAG, etag(present.revision()))], Json(views)).into_response())
}

/// What became of a route's rollouts: every step and decision, newest first, each with its evidence.
#[utoipa::path(
    get,
    path = "/v1/routes/{route}/rollout/history",
    tag = "rollouts",
    params(("route" = String, Path, description = "The route's name"), WhoseQuery),
    responses(
        (status = 200, body = [EntryView]),
        (status = 400, body = ProblemView),
        (status = 404, body = ProblemView)
    )
)]
pub(super) async fn history(
    State(site): State<Arc<Site>>,
    Path(route): Path<String>,
    Parameters(whose): Parameters<WhoseQuery>,
) -> Result<Json<Vec<EntryView>>, Problem> {
    let (route, whose) = (site.route(&route)?, whose.scope()?);
    let entries = site.blocking(move |site| {
        let newest = site.present().revision();
        let oldest = Revision(newest.0.saturating_sub(LOOKED_THROUGH));
        let entries = site.desk().ledger().entries(oldest, newest)?;
        let about = entries.iter().filter(|entry| is_about(entry, &route, whose.as_ref()));
        let about = about.rev();
        Ok::<_, Problem>(about.map(EntryView::from).collect())
    });
    Ok(Json(entries.await??))
}

/// Whether a revision was made for a rollout of the route; for one scope, whether it may have moved that one.
fn is_about(entry: &Entry, route: &RouteName, whose: Option<&Scope>) -> bool {
    let said = |key| entry.arguments.get(key).and_then(Value::as_str);
    let is_rollback = entry.command == "rollback";
    let of_route = said("route") == Some(route.as_str());
    // A rollback of the whole route takes back everything of it.
    let of_scope = match (whose, said("tenant"), said("cohort")) {
        (None, ..) => true,
        (Some(_), None, None) => is_rollback,
        (Some(Scope::Tenant(id)), Some(tenant), _) => tenant == id.as_str(),
        (Some(Scope::Cohort(name)), _, Some(cohort)) => cohort == name.as_str(),
        _ => false,
    };
    of_route && of_scope && (entry.command.starts_with("rollout") || is_rollback)
}
