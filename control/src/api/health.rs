//! Is the process alive, is it ready, and what does it count?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::site::Site;
use crate::phase::Phase;

/// Whether clients are served.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReadyView {
    /// `ready`, `degraded`, or the phase in which clients are not served.
    status: &'static str,
    /// The revision that serves.
    revision: u64,
    /// What is not as it should be. Clients are served nevertheless.
    degraded: Vec<&'static str>,
}

/// Whether the process is alive.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = String)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether clients are served. The loss of the store degrades the control plane, not the proxy.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    responses((status = 200, body = ReadyView), (status = 503, body = ReadyView))
)]
pub(super) async fn readyz(State(site): State<Arc<Site>>) -> Response {
    let mut degraded = Vec::new();
    if !site.desk().ledger().meters().is_store_up() {
        degraded.push("store");
    }
    if site.desk().last_reload().error.is_some() {
        degraded.push("configuration");
    }
    let (code, status) = match site.phase() {
        Phase::Serving if degraded.is_empty() => (StatusCode::OK, "ready"),
        Phase::Serving => (StatusCode::OK, "degraded"),
        phase => (StatusCode::SERVICE_UNAVAILABLE, phase.as_str()),
    };
    let revision = site.present().revision().0;
    (code, Json(ReadyView { status, revision, degraded })).into_response()
}

/// The metrics of the proxy and of the control plane, for Prometheus (OpenMetrics text).
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String)))]
pub(super) async fn metrics(State(site): State<Arc<Site>>) -> Result<Response, Problem> {
    let text = site.blocking(encode).await?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn encode(site: &Site) -> String {
    let mut text = String::new();
    let encoded = site
        .registries()
        .iter()
        .try_for_each(|registry| encode_registry(&mut text, registry))
        .and_then(|()| encode_eof(&mut text));
    if encoded.is_err() {
        tracing::error!("the metrics could not be told");
    }
    text
}
