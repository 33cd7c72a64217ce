//! How do routes stand?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::problem::{Problem, ProblemView};
use super::request::Path;
use super::site::{Site, etag};
use super::view::{RouteView, Showing};

/// All routes, as written.
#[utoipa::path(get, path = "/v1/routes", tag = "routes", responses((status = 200, body = [RouteView])))]
pub(super) async fn list(State(site): State<Arc<Site>>) -> Result<Response, Problem> {
    site.blocking(|site| {
        let present = site.present();
        let routes = Showing { desk: site.desk(), present: &present }.routes();
        ([(header::ETAG, etag(present.revision()))], Json(routes)).into_response()
    })
    .await
}

/// One route.
#[utoipa::path(
    get,
    path = "/v1/routes/{route}",
    tag = "routes",
    params(("route" = String, Path, description = "The route's name")),
    responses((status = 200, body = RouteView), (status = 404, body = ProblemView))
)]
pub(super) async fn one(
    State(site): State<Arc<Site>>,
    Path(route): Path<String>,
) -> Result<Response, Problem> {
    let name = site.route(&route)?;
    let present = site.present();
    let view = Showing { desk: site.desk(), present: &present }.named(name.as_str());
    let view = view.ok_or_else(|| Problem::unknown("route", &route, []))?;
    Ok(([(header::ETAG, etag(present.revision()))], Json(view)).into_response())
}
