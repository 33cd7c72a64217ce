//! How does the audit learn of what was refused before it was a command? From the answer, at a bounded rate.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::json;

use super::access::only_looks;
use super::problem::RefusedEarly;
use super::request::{Peer, who};
use super::site::Site;
use crate::access::Identity;
use crate::audit::{Record, Via};

/// How many of such refusals the audit takes at once, and after which time it takes another one. (INV-7)
const AT_ONCE: u32 = 60;
const EACH: Duration = Duration::from_secs(1);

/// Accounts for what would have changed something, and was refused before anybody knew what.
pub(super) async fn account(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    if only_looks(&request) {
        return next.run(request).await;
    }
    let address = request.extensions().get::<Peer>().map(|Peer(address)| *address);
    // Nothing that whoever asks made up: no path, no query, no name that nobody vouches for. (INV-12)
    let path = request.extensions().get::<MatchedPath>().map_or("elsewhere", MatchedPath::as_str);
    let known = [Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
    let method = known.iter().find(|known| *known == request.method());
    let asked = format!("{} {path}", method.map_or("another method", Method::as_str));
    let response = next.run(request).await;
    let Some(RefusedEarly(code)) = response.extensions().get().copied() else { return response };
    if !site.early_refusals().take(Instant::now()) {
        site.desk().ledger().meters().audit_dropped();
        return response;
    }
    let (actor, via) = match response.extensions().get::<Identity>() {
        Some(identity) => who(identity, None, address),
        None => ("unknown".to_owned(), Via { auth: "none", address, claimed: None }),
    };
    let present = site.present().revision();
    let record = Record {
        arguments: json!({"request": asked}),
        ..Record::new(Timestamp::now(), &actor, &via, "request", present).refused(code)
    };
    site.desk().apart(move |desk| desk.ledger().record(record)).await.ok();
    response
}

/// So many at once, and then one in each span of time.
#[derive(Debug)]
pub(super) struct Pace(Mutex<(u32, Option<Instant>)>);

impl Default for Pace {
    fn default() -> Self {
        Self(Mutex::new((AT_ONCE, None)))
    }
}

impl Pace {
    /// Whether one more may pass at this time.
    fn take(&self, now: Instant) -> bool {
        let mut pace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = *pace;
        let since = since.unwrap_or(now);
        let spans = now.saturating_duration_since(since).as_secs() / EACH.as_secs();
        let left = left.saturating_add(u32::try_from(spans).unwrap_or(u32::MAX)).min(AT_ONCE);
        let since = since + EACH * u32::try_from(spans).unwrap_or(0);
        *pace = (left.saturating_sub(1), Some(since));
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_at_once_are_slowed_down() {
        let (pace, now) = (Pace::default(), Instant::now());
        let passed = |at: Instant| (0..100).filter(|_| pace.take(at)).count();
        assert_eq!(passed(now), 60);
        assert_eq!(passed(now + Duration::from_millis(900)), 0);
        assert_eq!(passed(now + Duration::from_millis(3_100)), 3);
        assert_eq!(passed(now + Duration::from_secs(10_000)), 60);
    }
}
