//! In which ways do a route's arms differ?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use rules::RouteName;
use serde::Deserialize;

use super::parity::{followed, others};
use super::problem::{Problem, ProblemView};
use super::request::{Parameters, Path};
use super::site::Site;
use super::view::SignatureView;
use crate::parity::{MAX_SIGNATURES, RouteWords, Signature, together};

/// Which signatures are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// How many at most; all where none is given.
    limit: Option<usize>,
}

/// How a route's arms differ: what is held against the candidate first, and of that the most frequent. At most 2,000 are
/// kept, and 100,000 of all routes; `turnout_signatures_dropped_total` counts the rest. In a fleet, the 20 most frequent ones
/// of each other node are among them.
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
        let (seen, compared) = seen(site, &name)?;
        let seen = seen.into_iter().take(asked.limit.unwrap_or(MAX_SIGNATURES));
        Ok(Json(seen.map(|signature| SignatureView::new(signature, compared)).collect()))
    })
    .await?
}

/// One way in which a route's arms differ.
#[utoipa::path(
    get,
    path = "/v1/routes/{route}/signatures/{id}",
    tag = "routes",
    params(
        ("route" = String, Path, description = "The route's name"),
        ("id" = String, Path, description = "The signature's id")
    ),
    responses((status = 200, body = SignatureView), (status = 404, body = ProblemView))
)]
pub(super) async fn one(
    State(site): State<Arc<Site>>,
    Path((route, id)): Path<(String, String)>,
) -> Result<Json<SignatureView>, Problem> {
    let name = site.route(&route)?;
    site.blocking(move |site| {
        let (all, compared) = seen(site, &name)?;
        let ids: Vec<String> = all.iter().map(|signature| signature.id.clone()).collect();
        match all.into_iter().find(|signature| signature.id == id) {
            Some(signature) => Ok(Json(SignatureView::new(signature, compared))),
            None => Err(Problem::unknown("signature", &id, ids.iter().map(String::as_str))),
        }
    })
    .await?
}

/// The signatures that all nodes have seen under the rules in force, and how many exchanges were compared for them.
fn seen(site: &Site, name: &RouteName) -> Result<(Vec<Signature>, u64), Problem> {
    let now = Timestamp::now().as_millisecond();
    followed(site, name, now)?;
    let (parity, others) = (site.desk().parity(), others(site, name));
    let own = parity.of(name.as_str(), now).map_or(0, |parity| parity.compared);
    let compared = others.iter().map(RouteWords::compared).fold(own, u64::saturating_add);
    Ok((together(parity.signatures(name), &others, name), compared))
}
