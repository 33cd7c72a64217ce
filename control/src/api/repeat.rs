//! What if the same request comes twice? With an `Idempotency-Key` it is done once, and heard of as often as it is asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rules::Revision;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::access::only_looks;
use super::problem::Problem;
use super::request::{Peer, who};
use super::site::Site;
use super::view::Accepted;
use crate::access::Identity;
use crate::digest::sha256;
use crate::file;
use crate::ledger::{Done, Once, Reach};
use crate::store::StoreError;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const MAX_KEY_CHARS: usize = 255;
/// How long a request counts as under way whose process may have ended. One that takes longer is carried out once all the
/// same: its revision is stored only if no other one was for the same key.
const UNDER_WAY_FOR: Duration = Duration::from_secs(10);
/// How long whoever asks again waits for the answer to what is under way, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_millis(50);
/// How long a rollback waits for its key to be kept, and an answer for being kept; that goes on afterwards.
const ROLLBACK_PATIENCE: Duration = Duration::from_millis(300);
const KEEPING: Duration = Duration::from_millis(300);
/// A longer answer is not kept.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// What is kept of a request: the hash of what was asked, the revision that it made, which is stored together with this, and
/// the answer once there is one.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    asked: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    let under_way = text(&Kept { asked: asked.clone(), made: None, answer: None });
    let once = Once { key, under_way, asked };
    let mut request = Request::from_parts(parts, Body::from(body.clone()));
    // Nothing keeps a rollback waiting: where its key cannot be kept, it is done without. (INV-10)
    if is_rollback(request.uri().path(), &body) {
        let reserved = tokio::time::timeout(ROLLBACK_PATIENCE, reserve(&site, &once)).await;
        match reserved.ok().and_then(Result::ok) {
            None => return Ok(next.run(request).await),
            Some(None) => {}
            Some(Some(known)) => match answer_known(&site, &once, known).await? {
                Some(answer) => return Ok(answer),
                None => return Ok(next.run(request).await),
            },
        }
    } else if let Some(answer) = wait_for_another(&site, &once).await? {
        return Ok(answer);
    }
    request.extensions_mut().insert(once.clone());
    // It goes on to its end when whoever asked goes away, and is heard of when they ask again.
    let carried_out =
        tokio::spawn(async move { keep(&site, &once, next.run(request).await).await });
    carried_out.await.map_err(|error| StoreError::Failed(Box::new(error)).into())
}

/// Takes the place of the request under its key; where the same one is under way, waits a while for its answer.
async fn wait_for_another(site: &Arc<Site>, once: &Once) -> Result<Option<Response>, Problem> {
    let until = Instant::now() + PATIENCE;
    while let Some(known) = reserve(site, once).await? {
        if let Some(answer) = answer_known(site, once, known).await? {
            return Ok(Some(answer));
        }
        if Instant::now() >= until {
            return Err(Problem::under_way());
        }
        sleep(EVERY).await;
    }
    Ok(None)
}

/// The answer to what was asked before, if there is one yet.
async fn answer_known(
    site: &Arc<Site>,
    once: &Once,
    known: Kept,
) -> Result<Option<Response>, Problem> {
    match known {
        Kept { asked, .. } if asked != once.asked => Err(Problem::other_request()),
        Kept { answer: Some(answer), .. } => Ok(Some(answer.into_response())),
        // It is stored, and perhaps nobody is left who could say so.
        Kept { made: Some(revision), .. } => made(site, Revision(revision)).await.map(Some),
        Kept { .. } => Ok(None),
    }
}

/// The answer of a request that made a revision, as far as the history tells it.
async fn made(site: &Arc<Site>, revision: Revision) -> Result<Response, Problem> {
    let entries = move |site: &Site| site.desk().ledger().entries(revision, revision);
    let entry = site.blocking(entries).await??.into_iter().next();
    let summary = entry.map(|entry| entry.summary).unwrap_or_default();
    let done =
        Done { revision, changed: true, summary, warnings: Vec::new(), reach: Reach::Stored };
    let mut response = Accepted::from(done).into_response();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
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

async fn reserve(site: &Arc<Site>, once: &Once) -> Result<Option<Kept>, Problem> {
    let Once { key, under_way, .. } = once.clone();
    let note =
        move |site: &Site| site.desk().ledger().store().note(&key, &under_way, UNDER_WAY_FOR);
    let found = site.blocking(note).await??;
    Ok(found.map(|text| understood(&text)).transpose()?)
}

/// Keeps an answer. Nobody waits for that after a rollback that the store does not take.
async fn keep(site: &Arc<Site>, once: &Once, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let is_kept = parts.status.is_success() && body.len() <= MAX_ANSWER_BYTES;
    let Once { key, asked, under_way } = once.clone();
    let answer = answer(parts.status, &parts.headers, &body);
    let kept = is_kept.then(|| text(&Kept { asked, made: None, answer: Some(answer) }));
    let asked_for = Arc::clone(site);
    let noted = tokio::spawn(async move {
        let note = move |site: &Site| {
            let store = site.desk().ledger().store();
            // What failed may be tried again; unless another one that is the same was carried out.
            let is_known = kept.is_none()
                && store.note(&key, &under_way, UNDER_WAY_FOR)?.is_some_and(|it| it != under_way);
            if is_known { Ok(()) } else { store.renote(&key, kept.as_deref(), Once::KEPT_FOR) }
        };
        let noted: Result<Result<(), StoreError>, Problem> = asked_for.blocking(note).await;
        if let Ok(Err(error)) = noted {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an answer could not be kept for whoever asks again"
            );
        }
    });
    tokio::time::timeout(KEEPING, noted).await.ok();
    Response::from_parts(parts, Body::from(body))
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

fn understood(text: &str) -> Result<Kept, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt {
        what: "answer to an earlier request".into(),
        reason: error.to_string(),
    })
}
