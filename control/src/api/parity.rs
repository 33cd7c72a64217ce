//! How alike are the arms' answers?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use config::causes;
use jiff::Timestamp;
use rules::{Route, RouteName, Shift};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemView};
use super::request::Path;
use super::site::Site;
use super::view::{ParityView, StandingView};
use crate::fleet;
use crate::parity::{RouteParity, RouteWords, of_route, print_of_rules};

/// How alike the arms are on all routes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AllView {
    /// All routes together, each since its stage began.
    overall: StandingView,
    /// Each route with exchanges that were shadowed.
    routes: Vec<StandingView>,
}

/// How alike the arms are on all routes, since their stages began, as this node has found.
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
/// with what is missing for one, what stable's own noise is, and what the rules did. In a fleet, figures are of all nodes
/// that compare by the same rules; trend, noise and rules are of the one that is asked.
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
        let mut parity = parity.unwrap_or_else(|| RouteParity::nothing_yet(&route.compare, now));
        let others = others(site, &name);
        others.iter().for_each(|words| parity.add(words));
        let present = site.present();
        let live = present.desired.live.routes.get(&name);
        let stage = Shift::from(live.map(|live| live.default).unwrap_or_default()).stage();
        Ok(Json(ParityView::new(&route, stage, &parity, others.len() + 1, now)))
    })
    .await?
}

/// What the other nodes of a fleet tell of a route, those that compare by the same rules; nothing while they are not heard.
pub(super) fn others(site: &Site, name: &RouteName) -> Vec<RouteWords> {
    let ledger = site.desk().ledger();
    if !ledger.store().is_shared() || !ledger.meters().is_store_up() {
        return Vec::new();
    }
    let told = fleet::told_parity(ledger).unwrap_or_else(|error| {
        tracing::debug!(error = causes(&error), "what other nodes found cannot be asked for");
        Vec::new()
    });
    let rules = print_of_rules(&site.present().desired.configuration.document, name.as_str());
    told.iter().filter_map(|text| of_route(text, name.as_str(), &rules)).collect()
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
