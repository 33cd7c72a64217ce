//! What is where? The control API's paths, its OpenAPI description, and the few of the status listener and of services.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Json, Router};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::described::with_common_answers;
use super::problem::Problem;
use super::site::Site;
use super::{
    access, account, attributes, audit, configuration, events, flags, fleet, guard, health, ignore,
    notifications, ofrep, overview, parity, plans, repeat, revisions, rollouts, routes as route,
    samples, signatures, tenants, tokens, traffic, upstreams,
};
use crate::file;

/// The longest body, but for a configuration's.
const MAX_BODY_BYTES: usize = 1 << 20;

#[derive(OpenApi)]
#[openapi(info(
    title = "Turnout control API",
    description = "Who may change traffic, and when. State answers carry `ETag: \"r42\"`; changes take it as `If-Match`. `X-Turnout-Actor` names who asks; where tokens or certificates are needed, they do. Errors are RFC 9457 problems with a stable `code`.",
    license(name = "Apache-2.0", identifier = "Apache-2.0")
))]
struct Description;

fn described() -> OpenApiRouter<Arc<Site>> {
    let large = OpenApiRouter::new()
        .routes(routes!(configuration::apply))
        .routes(routes!(attributes::import))
        .layer(DefaultBodyLimit::max(file::MAX_BYTES));
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(overview::status))
        .routes(routes!(fleet::list))
        .routes(routes!(route::list))
        .routes(routes!(route::one))
        .routes(routes!(traffic::shift))
        .routes(routes!(traffic::shadow))
        .routes(routes!(traffic::rollback))
        .routes(routes!(rollouts::list, rollouts::change))
        .routes(routes!(rollouts::history))
        .routes(routes!(notifications::list))
        .routes(routes!(parity::all))
        .routes(routes!(parity::one))
        .routes(routes!(signatures::list))
        .routes(routes!(signatures::one))
        .routes(routes!(samples::list))
        .routes(routes!(ignore::ignore))
        .routes(routes!(upstreams::list))
        .routes(routes!(upstreams::replace_targets))
        .routes(routes!(tenants::one))
        .routes(routes!(tenants::lock, tenants::unlock))
        .routes(routes!(attributes::set))
        .routes(routes!(flags::list))
        .routes(routes!(flags::one))
        .routes(routes!(flags::serve))
        .routes(routes!(flags::on))
        .routes(routes!(flags::off))
        .routes(routes!(configuration::show))
        .routes(routes!(revisions::list))
        .routes(routes!(revisions::one))
        .routes(routes!(revisions::diff))
        .routes(routes!(revisions::restore))
        .routes(routes!(tokens::list))
        .routes(routes!(tokens::make, tokens::revoke))
        .routes(routes!(plans::list))
        .routes(routes!(plans::approve))
        .routes(routes!(audit::list))
        .routes(routes!(audit::export))
        .routes(routes!(audit::head))
        .routes(routes!(events::stream))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .merge(large)
}

/// The control API.
pub(crate) fn control(site: Arc<Site>) -> Router {
    let (router, description) = described().split_for_parts();
    let description = with_common_answers(description);
    router
        .route("/openapi.json", get(move || std::future::ready(Json(description))))
        .merge(ofrep::routes())
        .fallback(|| std::future::ready(Problem::no_such_path()))
        .method_not_allowed_fallback(|| std::future::ready(Problem::no_such_method()))
        .layer(from_fn_with_state(Arc::clone(&site), repeat::once))
        .layer(from_fn_with_state(Arc::clone(&site), access::authenticate))
        .layer(from_fn_with_state(Arc::clone(&site), account::account))
        .layer(from_fn_with_state(Arc::clone(&site), guard::guard))
        .with_state(site)
}

/// Health and metrics alone, for probes and scrapers that come over the network.
pub(crate) fn status(site: Arc<Site>) -> Router {
    Router::new()
        .route("/livez", get(health::healthz))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .fallback(|| std::future::ready(Problem::no_such_path()))
        .with_state(site)
}

/// Flags for services alone, who need not reach the control API for them.
pub(crate) fn ofrep(site: Arc<Site>) -> Router {
    ofrep::services(site)
}

/// The control API's description (OpenAPI 3.1), as `/openapi.json` gives it.
#[must_use]
pub fn openapi() -> String {
    let (_, description) = described().split_for_parts();
    let mut text = with_common_answers(description).to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}
