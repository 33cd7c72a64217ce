//! Which values does a difference stand for? Shown to whoever may see them, and never without a trace of who did.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::parity::followed;
use super::problem::{Problem, ProblemView};
use super::request::Path;
use super::site::Site;
use super::view::moment_ms;
use crate::samples::{KeptSample, KeptValue};

/// Values of one difference.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SamplesView {
    /// The signature.
    signature: String,
    /// Up to five, the newest first.
    samples: Vec<SampleView>,
    /// How many more are encrypted with a key that is no longer in force. They are forgotten in their time.
    other_key: usize,
}

/// The values of one exchange.
#[derive(Debug, Serialize, ToSchema)]
struct SampleView {
    /// The exchange, as the access log names it.
    exchange: String,
    /// When it was compared (RFC 3339).
    at: String,
    /// Until when it is kept (RFC 3339).
    expires: String,
    /// What stable had; nothing where it had nothing.
    stable: Option<ValueView>,
    /// What the candidate had.
    candidate: Option<ValueView>,
}

/// One side's value.
#[derive(Serialize, ToSchema)]
struct ValueView {
    /// A JSON pointer, or a header's name.
    place: String,
    /// The value, as JSON where it is of a body. What is too long ends in an ellipsis.
    value: Option<String>,
    /// Whether it was left out, by the route's rules or because it is named as credentials are.
    redacted: bool,
}

/// For the answer, and for no log. (INV-12)
impl std::fmt::Debug for ValueView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[value]")
    }
}

impl SampleView {
    fn new((at_unix_ms, sample): (i64, KeptSample), ttl_ms: i64) -> Self {
        let side = |side: KeptValue| ValueView {
            place: side.place,
            redacted: side.value.is_none(),
            value: side.value,
        };
        Self {
            exchange: sample.exchange,
            at: moment_ms(at_unix_ms),
            expires: moment_ms(at_unix_ms.saturating_add(ttl_ms)),
            stable: sample.stable.map(side),
            candidate: sample.candidate.map(side),
        }
    }
}

/// Values of one difference, of a route that keeps samples: on this node, since it began, for as long as the route says.
#[utoipa::path(
    get,
    path = "/v1/routes/{route}/signatures/{id}/samples",
    tag = "routes",
    params(
        ("route" = String, Path, description = "The route's name"),
        ("id" = String, Path, description = "The signature's id")
    ),
    responses(
        (status = 200, body = SamplesView),
        (status = 404, body = ProblemView),
        (status = 409, body = ProblemView)
    )
)]
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Path((route, id)): Path<(String, String)>,
) -> Result<Json<SamplesView>, Problem> {
    let name = site.route(&route)?;
    site.blocking(move |site| {
        let now = Timestamp::now().as_millisecond();
        let route = followed(site, &name, now)?;
        let policy = route.shadow.samples.as_ref();
        let policy = policy.ok_or_else(|| Problem::no_samples(name.as_str()))?;
        let key = site.present().compiled.sample_key.clone();
        let key = key.ok_or_else(|| Problem::no_samples(name.as_str()))?;
        let known = site.desk().parity().signatures(&name);
        let ids: Vec<&str> = known.iter().map(|signature| &*signature.id).collect();
        if !ids.contains(&&*id) {
            return Err(Problem::unknown("signature", &id, ids));
        }
        let opened = site.desk().samples().open(&name, policy, &id, &key, now);
        if opened.samples.is_empty() && opened.other_key > 0 {
            return Err(Problem::sealed_with_another_key(opened.other_key));
        }
        let ttl_ms = i64::try_from(policy.time_to_live.as_millis()).unwrap_or(i64::MAX);
        let samples = opened.samples.into_iter().map(|sample| SampleView::new(sample, ttl_ms));
        let (samples, other_key) = (samples.collect(), opened.other_key);
        Ok(Json(SamplesView { signature: id, samples, other_key }))
    })
    .await?
}
