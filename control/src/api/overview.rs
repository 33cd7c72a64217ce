//! How does everything stand?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::site::{Site, etag};
use super::view::{RouteView, Showing, UpstreamView};
use crate::fleet;

/// How everything stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusView {
    /// Turnout's version.
    version: &'static str,
    /// The revision that serves.
    revision: u64,
    /// Since when the process runs (RFC 3339).
    started_at: String,
    /// `starting`, `serving`, `draining` or `stopped`.
    phase: &'static str,
    /// The configuration file.
    config: ConfigView,
    /// Whether the store served when it was last needed.
    store_up: bool,
    /// Why the store is not followed, where it is not: it was emptied, set back, or exchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_held: Option<String>,
    /// Whether something serves that is not stored yet.
    unstored: bool,
    /// What somebody should set otherwise in the store, for acknowledged commands to be safe.
    store_cautions: Vec<String>,
    /// What is wrong where another process uses this node's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    namesake: Option<&'static str>,
    /// All routes.
    routes: Vec<RouteView>,
    /// All upstreams.
    upstreams: Vec<UpstreamView>,
}

/// How the configuration file was when it was last read.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigView {
    /// Where it is.
    path: String,
    /// Whether it was taken.
    last_reload_ok: bool,
    /// When it was last read (RFC 3339).
    last_reload_at: String,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

/// How everything stands: revision, phase, configuration file, routes and upstreams.
#[utoipa::path(get, path = "/v1/status", tag = "state", responses((status = 200, body = StatusView)))]
pub(super) async fn status(State(site): State<Arc<Site>>) -> Result<Response, Problem> {
    site.blocking(|site| {
        let present = site.present();
        let view = view(site, &Showing { desk: site.desk(), present: &present });
        ([(header::ETAG, etag(present.revision()))], Json(view)).into_response()
    })
    .await
}

fn view(site: &Site, showing: &Showing<'_>) -> StatusView {
    let ledger = site.desk().ledger();
    let reload = site.desk().last_reload();
    StatusView {
        version: env!("CARGO_PKG_VERSION"),
        revision: showing.present.revision().0,
        started_at: site.desk().started_at().to_string(),
        phase: site.phase().as_str(),
        config: ConfigView {
            path: ledger.file().path().display().to_string(),
            last_reload_ok: reload.error.is_none(),
            last_reload_at: reload.at.to_string(),
            last_error: reload.error,
        },
        store_up: ledger.meters().is_store_up(),
        store_held: ledger.held(),
        unstored: ledger.has_unstored(),
        store_cautions: site.desk().cautions().iter().map(ToString::to_string).collect(),
        namesake: site.desk().namesake().is_there(Timestamp::now()).then_some(fleet::NAMESAKE),
        routes: showing.routes(),
        upstreams: UpstreamView::all(showing.present),
    }
}
