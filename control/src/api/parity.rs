//! How alike are the arms' answers?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use rules::{Route, RouteName, Shift};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemView};
use super::request::Path;
use super::site::Site;
use super::view::{ParityView, StandingView};
use crate::parity::RouteParity;

/// How alike the arms are on all routes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AllView {
    /// All routes together, each since its stage began.
    overall: StandingView,
    /// Each route with exchanges that were shadowed.
    routes: Vec<StandingView>,
}

/// How alike the arms are on all routes, since their stages began.
#[utoipa::path(get, path = "/v1/parity", tag = "routes", responses((status = 200, body = AllView)))]
pub(super) async fn all(State(site): State<Arc<Site>>) -> Result<Json<AllView>, Problem> {
    site.blocking(|site| {
        let standings = site.desk().parity().standings(Timestamp::now().as_millisecond());
        let overall = StandingView::of_all(&standings);
        Json(AllView { overall, routes: standings.iter().map(StandingView::new).collect() })
    })
    .await
}

/// How alike a route's arms are: mismatch rates with their bounds over several times, per cohort and overall, a verdict
/// with what is missing for one, what stable's own noise is, and what the rules did.
#[utoipa::path(
    get,
    path = "/v1/routes/{route}/parity",
    tag = "routes",
    params(("route" = String, Path, description = "The route's name")),
    responses((status = 200, body = ParityView), (status = 404, body = ProblemView))
)]
pub(super) async fn one(
    State(site): State<Arc<Site>>,
    Path(route): Path<String>,
) -> Result<Json<ParityView>, Problem> {
    let name = site.route(&route)?;
    site.blocking(move |site| {
        let now = Timestamp::now().as_millisecond();
        let route = followed(site, &name, now)?;
        let parity = site.desk().parity().of(name.as_str(), now);
        let parity = parity.unwrap_or_else(|| RouteParity::nothing_yet(&route.compare, now));
        let present = site.present();
        let live = present.desired.live.routes.get(&name);
        let stage = Shift::from(live.map(|live| live.default).unwrap_or_default()).stage();
        Ok(Json(ParityView::new(&route, stage, &parity, now)))
    })
    .await?
}

/// The route as it serves, with its figures under the rules that it has now.
pub(super) fn followed(
    site: &Site,
    name: &RouteName,
    now_unix_ms: i64,
) -> Result<Arc<Route>, Problem> {
    let present = site.present();
    let routes = present.compiled.snapshot.table.routes();
    let known = routes.iter().find(|route| route.name == *name);
    let route = known.ok_or_else(|| Problem::unknown("route", name.as_str(), []))?;
    site.desk().parity().follow(route, now_unix_ms);
    Ok(Arc::clone(route))
}
