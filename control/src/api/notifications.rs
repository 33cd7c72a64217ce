//! Who was told of rollouts, who waits to be, and what came of it?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::site::Site;
use crate::external::Told;

/// Messages about rollouts that this node sends, since it started. In a fleet the node that moves rollouts sends them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsView {
    /// Those that wait, in the order in which they were queued.
    waiting: Vec<NotificationView>,
    /// What came of the last 200 that wait no more, the last one first.
    ended: Vec<NotificationView>,
}

/// One message. Of what it says and of where it goes to only what is no secret.
#[derive(Debug, Serialize, ToSchema)]
struct NotificationView {
    /// What whoever gets it knows it by: the header `Turnout-Delivery`.
    delivery: String,
    /// Which of the `externals` is told.
    to: String,
    /// `started`, `moved`, `approved`, `paused`, `promoting`, `completed`, `aborted`, or `notify` at a step's end.
    event: String,
    /// Whose rollout.
    #[schema(example = "sms/cohort/africa")]
    rollout: String,
    /// `waiting`, `delivered`, `given_up` after ten attempts, or `dropped` because too many waited.
    state: &'static str,
    /// When it was queued (RFC 3339).
    queued: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    /// How often it was tried.
    attempts: u32,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl From<Told> for NotificationView {
    fn from(told: Told) -> Self {
        let (state, ended) = told.ended.map(|(how, at)| (how.as_str(), at.to_string())).unzip();
        Self {
            delivery: told.delivery,
            to: told.external,
            event: told.event,
            rollout: told.rollout,
            state: state.unwrap_or("waiting"),
            queued: told.queued.to_string(),
            ended,
            attempts: told.attempts,
            problem: told.problem,
        }
    }
}

/// Messages about rollouts: what waits, and what was delivered or given up last, on this node.
#[utoipa::path(get, path = "/v1/notifications", tag = "rollouts", responses((status = 200, body = NotificationsView)))]
pub(super) async fn list(State(site): State<Arc<Site>>) -> Json<NotificationsView> {
    let (waiting, ended) = site.desk().externals().deliveries().told();
    let views = |told: Vec<Told>| told.into_iter().map(NotificationView::from).collect();
    Json(NotificationsView { waiting: views(waiting), ended: views(ended) })
}
