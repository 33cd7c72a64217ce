//! Which values does a difference stand for? Shown to whoever may see them, and never without a trace of who did.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use jiff::Timestamp;
use rules::RouteName;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::parity::followed;
use super::problem::{Problem, ProblemView};
use super::request::{Caller, Path};
use super::site::Site;
use super::view::moment_ms;
use crate::access::Identity;
use crate::audit::Record;
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
        (status = 403, body = ProblemView, description = "The token lacks the scope, or is limited to others"),
        (status = 404, body = ProblemView),
        (status = 409, body = ProblemView, description = "The route keeps none, or another key is in force"),
        (status = 503, body = ProblemView, description = "The store does not take who looks")
    )
)]
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Extension(identity): Extension<Identity>,
    Path((route, id)): Path<(String, String)>,
    caller: Caller,
) -> Result<Json<SamplesView>, Problem> {
    let name = site.route(&route)?;
    let may = identity.may_see_samples(&name);
    site.blocking(move |site| {
        let now = Timestamp::now();
        let about = json!({"route": name.as_str(), "signature": known(site, &name, &id)?});
        let ledger = site.desk().ledger();
        let record =
            Record { arguments: about, ..caller.looks("samples", now, site.present().revision()) };
        if let Err(denied) = may {
            ledger.record(record.refused(denied.code()));
            return Err(denied.into());
        }
        let view = opened(site, &name, id, now)?;
        let summary = format!("{} samples were shown", view.samples.len());
        ledger.record(Record { summary, ..record });
        // A look that left no trace would be one that nobody took.
        if !ledger.meters().is_store_up() {
            return Err(Problem::not_accounted_for());
        }
        Ok(Json(view))
    })
    .await?
}

/// The signature's id, where the route has it.
fn known(site: &Site, name: &RouteName, id: &str) -> Result<String, Problem> {
    let known = site.desk().parity().signatures(name);
    match known.iter().find(|signature| signature.id == id) {
        Some(signature) => Ok(signature.id.clone()),
        None => {
            let ids = known.iter().map(|signature| &*signature.id);
            Err(Problem::unknown("signature", id, ids))
        }
    }
}

fn opened(
    site: &Site,
    name: &RouteName,
    signature: String,
    now: Timestamp,
) -> Result<SamplesView, Problem> {
    let now = now.as_millisecond();
    let route = followed(site, name, now)?;
    let key = site.present().compiled.sample_key.clone();
    let Some((policy, key)) = route.shadow.samples.as_ref().zip(key) else {
        let detail = format!("route {name} keeps no values of its differences");
        let hint = "`shadow: {samples: {redact: [..]}}` below the route has some kept, encrypted";
        return Err(Problem::no_values("no_samples", detail, hint));
    };
    let opened = site.desk().samples().open(name, policy, &signature, &key, now);
    if opened.samples.is_empty() && opened.other_key > 0 {
        let detail = format!(
            "{} samples are encrypted with another key than the one that is in force now",
            opened.other_key
        );
        let hint = "put the former key back to see them, or wait for new ones";
        return Err(Problem::no_values("sealed_with_another_key", detail, hint));
    }
    let ttl_ms = i64::try_from(policy.time_to_live.as_millis()).unwrap_or(i64::MAX);
    let samples = opened.samples.into_iter().map(|sample| SampleView::new(sample, ttl_ms));
    Ok(SamplesView { signature, samples: samples.collect(), other_key: opened.other_key })
}
