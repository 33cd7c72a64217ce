//! Is the process alive, is it ready, and what does it count?

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jiff::Timestamp;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemView};
use super::site::Site;
use crate::phase::Phase;

/// In which pieces metrics are delivered.
const PIECE_BYTES: usize = 64 << 10;

/// Whether clients are served.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReadyView {
    /// `ready`, `degraded`, `handed_over` to another process that serves, or the phase in which clients are not served.
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
    if site.desk().ledger().held().is_some() {
        degraded.push("store_held");
    }
    if site.desk().ledger().has_unstored() {
        degraded.push("unstored");
    }
    if site.desk().namesake().is_there(Timestamp::now()) {
        degraded.push("namesake");
    }
    if site.desk().last_reload().error.is_some() {
        degraded.push("configuration");
    }
    let (code, status) = match site.phase() {
        Phase::Serving if degraded.is_empty() => (StatusCode::OK, "ready"),
        Phase::Serving => (StatusCode::OK, "degraded"),
        // Clients are served, by the process that took over; a probe's kept connection still ends here.
        Phase::HandedOver => (StatusCode::OK, Phase::HandedOver.as_str()),
        phase => (StatusCode::SERVICE_UNAVAILABLE, phase.as_str()),
    };
    let revision = site.present().revision().0;
    (code, Json(ReadyView { status, revision, degraded })).into_response()
}

/// The metrics of the proxy and of the control plane, for Prometheus (OpenMetrics text).
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String), (status = 503, body = ProblemView, description = "Too many scrapes at once")))]
pub(super) async fn metrics(State(site): State<Arc<Site>>) -> Result<Response, Problem> {
    let (text, place) = site.scrape(encode).await?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], delivered(text.into(), place)).into_response())
}

/// A text in pieces. Its place is free again when the last one is taken.
fn delivered(text: Bytes, place: OwnedSemaphorePermit) -> Body {
    let pieces = stream::unfold((text, place), |(mut rest, place)| async move {
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        (!piece.is_empty()).then_some((Ok::<_, Infallible>(piece), (rest, place)))
    });
    Body::from_stream(pieces)
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tokio::sync::watch;

    use super::*;
    use crate::desk::Desk;
    use crate::ledger::fragile::{Setup, seal, setup};
    use crate::meters::{self, Refused};

    #[tokio::test]
    async fn scrapes_that_nobody_reads_are_bounded_and_counted() {
        let Setup { ledger, _folder, .. } = setup();
        let desk = Arc::new(Desk::new(ledger, seal(), Timestamp::UNIX_EPOCH));
        let (_phase, phase) = watch::channel(Phase::Serving);
        let registries = vec![meters::registry(&desk)];
        let site = Arc::new(Site::new(Arc::clone(&desk), phase, registries));
        let mut unread = Vec::new();
        let refused = loop {
            match metrics(State(Arc::clone(&site))).await {
                Ok(answer) => unread.push(answer),
                Err(problem) => break problem.into_response(),
            }
        };
        assert_eq!((unread.len(), refused.status().as_u16()), (8, 503));
        assert_eq!(desk.ledger().meters().refusals(Refused::Scrape), 1);
        let read = unread.pop().unwrap().into_body();
        let text = axum::body::to_bytes(read, usize::MAX).await.unwrap();
        assert!(text.ends_with(b"# EOF\n"));
        assert!(metrics(State(site)).await.is_ok(), "its place is free again");
    }
}
