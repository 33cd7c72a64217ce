//! What if the same request comes twice? With an `Idempotency-Key` it is done once, and heard of as often as it is asked.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::access::only_looks;
use super::problem::Problem;
use super::request::{Peer, who};
use super::site::Site;
use crate::access::Identity;
use crate::digest::sha256;
use crate::file;
use crate::store::StoreError;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const MAX_KEY_CHARS: usize = 255;
/// How long an answer is kept.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);
/// How long a request counts as under way of which nothing was heard any more.
const UNDER_WAY_FOR: Duration = Duration::from_secs(60);
/// A longer answer is not kept.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// What is kept of a request: the hash of what was asked, and the answer once there is one.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    asked: String,
    answer: Option<Answer>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    status: u16,
    etag: Option<String>,
    body: String,
}

/// Does what comes with a key once. Only what succeeded is kept: what failed may be tried again.
pub(super) async fn once(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    if only_looks(&request) || !request.headers().contains_key(&KEY) {
        return next.run(request).await;
    }
    match with_key(site, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn with_key(site: Arc<Site>, request: Request, next: Next) -> Result<Response, Problem> {
    let key = key(&request)?;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, file::MAX_BYTES).await.map_err(|_longer| Problem::too_large())?;
    let asked = format!("{} {}\n{}", parts.method, parts.uri, sha256(&body));
    let asked = sha256(asked.as_bytes());
    // Nothing keeps a rollback waiting: where its key cannot be kept, it is done without. (INV-10)
    let never_waits = is_rollback(parts.uri.path(), &body);
    let found = match reserve(&site, &key, &asked).await {
        Err(_store_failed) if never_waits => {
            return Ok(next.run(Request::from_parts(parts, body.into())).await);
        }
        found => found?,
    };
    match found {
        None => {}
        Some(kept) if kept.asked != asked => return Err(Problem::other_request()),
        Some(Kept { answer: None, .. }) => return Err(Problem::under_way()),
        Some(Kept { answer: Some(answer), .. }) => return Ok(answer.into_response()),
    }
    let response = next.run(Request::from_parts(parts, body.into())).await;
    keep(&site, key, asked, response).await
}

/// Whether traffic goes back to stable, which aborting a rollout is, too.
fn is_rollback(path: &str, body: &[u8]) -> bool {
    let aborts = || {
        let asked: Result<serde_json::Value, _> = serde_json::from_slice(body);
        asked.is_ok_and(|asked| asked.get("action").is_some_and(|action| action == "abort"))
    };
    path.ends_with("/rollback") || path.ends_with("/rollout") && aborts()
}

/// The note's key: that of one actor is none of another's.
fn key(request: &Request) -> Result<String, Problem> {
    let headers = request.headers();
    let value = headers.get(&KEY).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    if value.is_empty() || value.len() > MAX_KEY_CHARS || headers.get_all(&KEY).iter().count() > 1 {
        let detail = "Idempotency-Key is one text of 1 to 255 characters";
        return Err(Problem::bad_request("bad_idempotency_key", detail));
    }
    let identity = request.extensions().get::<Identity>().unwrap_or(&Identity::Anybody);
    let address = request.extensions().get::<Peer>().map(|Peer(address)| *address);
    let (actor, _) = who(identity, None, address);
    Ok(format!("once/{}", sha256(format!("{actor}\n{value}").as_bytes())))
}

async fn reserve(site: &Arc<Site>, key: &str, asked: &str) -> Result<Option<Kept>, Problem> {
    let kept = text(&Kept { asked: asked.to_owned(), answer: None });
    let key = key.to_owned();
    let note = move |site: &Site| site.desk().ledger().store().note(&key, &kept, UNDER_WAY_FOR);
    let found = site.blocking(note).await??;
    let understood = |text: String| serde_json::from_str(&text).map_err(|error| corrupt(&error));
    Ok(found.map(understood).transpose()?)
}

async fn keep(
    site: &Arc<Site>,
    key: String,
    asked: String,
    response: Response,
) -> Result<Response, Problem> {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let is_kept = parts.status.is_success() && body.len() <= MAX_ANSWER_BYTES;
    let kept = is_kept
        .then(|| text(&Kept { asked, answer: Some(answer(parts.status, &parts.headers, &body)) }));
    let noted = site
        .blocking(move |site| site.desk().ledger().store().renote(&key, kept.as_deref(), KEPT_FOR));
    if let Ok(Err(error)) = noted.await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "an answer could not be kept for whoever asks again"
        );
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn answer(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Answer {
    let etag = headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    let body = String::from_utf8_lossy(body).into_owned();
    Answer { status: status.as_u16(), etag, body }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let kind = [(header::CONTENT_TYPE, "application/json"), (REPLAYED, "true")];
        let mut response = (status, kind, self.body).into_response();
        if let Some(etag) = self.etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

fn text(kept: &Kept) -> String {
    serde_json::to_string(kept).unwrap_or_default()
}

fn corrupt(error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt { what: "answer to an earlier request".into(), reason: error.to_string() }
}
