//! Which nodes are there, and what does each of them serve?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::problem::{Problem, ProblemView};
use super::site::Site;
use crate::fleet::{self, NodeView};

/// The nodes of the fleet that were heard of in the last 15 seconds. A node alone has none.
#[utoipa::path(get, path = "/v1/nodes", tag = "state", responses((status = 200, body = [NodeView]), (status = 503, body = ProblemView, description = "The store does not serve")))]
pub(super) async fn list(State(site): State<Arc<Site>>) -> Result<Json<Vec<NodeView>>, Problem> {
    Ok(Json(site.blocking(|site| fleet::nodes(site.desk().ledger())).await??))
}
