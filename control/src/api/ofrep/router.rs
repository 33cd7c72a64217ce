//! What can services ask?

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use super::answer::Failure;
use super::context::MOST_BYTES;
use super::{asker, changes, evaluate};
use crate::api::site::Site;

/// The protocol's paths. It knows no other statuses for errors than 400, 404 and 500, 401 and 403 for who asks, and 429 for
/// too much: what is asked with another method is not found.
pub(in crate::api) fn routes() -> Router<Arc<Site>> {
    let not_found = || std::future::ready(Failure::no_such_path());
    Router::new()
        .route("/ofrep/v1/evaluate/flags/{key}", post(evaluate::one).fallback(not_found))
        .route("/ofrep/v1/evaluate/flags", post(evaluate::all).fallback(not_found))
        .route(changes::PATH, get(changes::stream).fallback(not_found))
        .route("/ofrep/{*elsewhere}", get(not_found).fallback(not_found))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
}

/// The listener that is there for services alone.
pub(in crate::api) fn services(site: Arc<Site>) -> Router {
    let not_found = || std::future::ready(Failure::no_such_path());
    routes()
        .fallback(not_found)
        .layer(from_fn_with_state(Arc::clone(&site), asker::authenticate))
        .with_state(site)
}
