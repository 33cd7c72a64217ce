//! What do all handlers share?

use std::sync::Arc;

use axum::http::HeaderValue;
use prometheus_client::registry::Registry;
use rules::{Revision, RouteName};
use tokio::sync::watch;

use super::problem::Problem;
use crate::desk::Desk;
use crate::ledger::Present;
use crate::phase::Phase;

/// What all handlers share.
pub(crate) struct Site {
    desk: Arc<Desk>,
    phase: watch::Receiver<Phase>,
    registries: Vec<Registry>,
}

impl Site {
    pub(crate) const fn new(
        desk: Arc<Desk>,
        phase: watch::Receiver<Phase>,
        registries: Vec<Registry>,
    ) -> Self {
        Self { desk, phase, registries }
    }

    pub(super) const fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    pub(super) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    pub(super) fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    pub(super) fn registries(&self) -> &[Registry] {
        &self.registries
    }

    pub(super) fn present(&self) -> Arc<Present> {
        self.desk.ledger().present()
    }

    /// The name of a route that is there.
    pub(super) fn route(&self, name: &str) -> Result<RouteName, Problem> {
        let present = self.present();
        let routes = &present.desired.configuration.document.routes;
        match name.parse() {
            Ok(route) if routes.contains_key(name) => Ok(route),
            _ => Err(Problem::unknown("route", name, routes.keys().map(String::as_str))),
        }
    }

    /// Runs what may take long where that holds up nobody.
    pub(super) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let site = Arc::clone(self);
        Ok(self.desk.blocking(move |_| work(&site)).await?)
    }
}

/// The entity tag of a revision: `"r42"`.
pub(super) fn etag(revision: Revision) -> HeaderValue {
    HeaderValue::try_from(format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}
