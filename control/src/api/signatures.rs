//! How do a route's arms differ?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Problem, ProblemView};
use super::request::{Parameters, Path};
use super::site::Site;
use super::view::moment_ms;
use crate::parity::{MAX_SIGNATURES, Signature};

/// Which signatures are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// How many at most, the most frequent first; all where none is given.
    limit: Option<usize>,
}

/// One way in which answers differ. It holds no value of any answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignatureView {
    /// `status`, `header` or `body`.
    location: &'static str,
    /// A header's name, or a JSON pointer in which an array's index is `*`.
    path: String,
    /// In which way they differ.
    kind: &'static str,
    /// What stable has there.
    stable_class: &'static str,
    /// What the candidate has there.
    candidate_class: &'static str,
    /// What the two have to do with each other.
    relation: Option<&'static str>,
    /// In how many exchanges.
    count: u64,
    /// First seen (RFC 3339).
    first_seen: String,
    /// Last seen (RFC 3339).
    last_seen: String,
    /// The ids of up to five exchanges that showed it, newest last.
    examples: Vec<String>,
}

impl From<Signature> for SignatureView {
    fn from(seen: Signature) -> Self {
        let difference = seen.difference;
        Self {
            location: difference.location.as_str(),
            path: difference.path.into(),
            kind: difference.kind.as_str(),
            stable_class: difference.classes.0.as_str(),
            candidate_class: difference.classes.1.as_str(),
            relation: difference.relation.map(rules::compare::Relation::as_str),
            count: seen.count,
            first_seen: moment_ms(seen.first_seen_unix_ms),
            last_seen: moment_ms(seen.last_seen_unix_ms),
            examples: seen.examples.into_iter().map(Into::into).collect(),
        }
    }
}

/// How a route's arms differ, the most frequent first. At most 2,000 are kept, and 100,000 of all routes; `turnout_signatures_dropped_total` counts
/// the rest.
#[utoipa::path(
    get,
    path = "/v1/routes/{route}/signatures",
    tag = "routes",
    params(("route" = String, Path, description = "The route's name"), ListQuery),
    responses((status = 200, body = [SignatureView]), (status = 404, body = ProblemView))
)]
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Path(route): Path<String>,
    Parameters(asked): Parameters<ListQuery>,
) -> Result<Json<Vec<SignatureView>>, Problem> {
    let name = site.route(&route)?;
    site.blocking(move |site| {
        let (seen, _) = site.desk().signatures().of(name.as_str());
        let seen = seen.into_iter().take(asked.limit.unwrap_or(MAX_SIGNATURES));
        Json(seen.map(SignatureView::from).collect())
    })
    .await
}
