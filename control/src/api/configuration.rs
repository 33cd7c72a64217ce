//! How is the configuration shown, tried and applied?

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::problem::{Problem, ProblemView};
use super::request::{Caller, Parameters, optional_why};
use super::site::{Site, etag};
use super::view::Answered;
use crate::command::Command;

/// How a configuration is applied.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ApplyQuery {
    /// Why; kept with the revision.
    why: Option<String>,
}

/// The configuration as it was applied, comments included.
#[utoipa::path(
    get,
    path = "/v1/config",
    tag = "configuration",
    responses((status = 200, body = String, content_type = "application/yaml"))
)]
pub(super) async fn show(State(site): State<Arc<Site>>) -> Response {
    let present = site.present();
    let headers = [
        (header::ETAG, etag(present.revision())),
        // RFC 9512.
        (header::CONTENT_TYPE, header::HeaderValue::from_static("application/yaml")),
    ];
    (headers, present.desired.configuration.text.to_string()).into_response()
}

/// Applies a configuration, or says what that would change. Live shifts stay as they are.
#[utoipa::path(
    post,
    path = "/v1/config",
    tag = "configuration",
    params(
        ApplyQuery,
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`")
    ),
    request_body(content = String, content_type = "application/yaml"),
    responses(
        (status = 200, body = Answered, description = "What came of it; with `dry_run`, what would"),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 413, body = ProblemView),
        (status = 422, body = ProblemView, description = "The configuration is not valid; with everything that is wrong"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn apply(
    State(site): State<Arc<Site>>,
    Parameters(asked): Parameters<ApplyQuery>,
    caller: Caller,
    body: Result<Bytes, BytesRejection>,
) -> Result<Answered, Problem> {
    let why = optional_why(asked.why.as_deref())?;
    let text = text(body)?;
    let read = move |site: &Site| site.desk().ledger().configuration(text, Timestamp::now());
    let configuration =
        site.blocking(read).await?.map_err(|problems| Problem::invalid(&problems))?;
    caller.have(&site, Command::Apply(configuration), why).await
}

fn text(body: Result<Bytes, BytesRejection>) -> Result<Arc<str>, Problem> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
        _ => Problem::bad_request("bad_body", rejection.body_text()),
    })?;
    match std::str::from_utf8(&body) {
        Ok(text) => Ok(Arc::from(text)),
        Err(error) => Err(Problem::bad_request("bad_body", format!("not UTF-8: {error}"))),
    }
}
