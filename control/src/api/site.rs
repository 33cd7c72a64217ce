//! What do all handlers share?

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use prometheus_client::registry::Registry;
use rules::{Revision, RouteName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use super::account::Pace;
use super::problem::Problem;
use crate::access::Failures;
use crate::desk::Desk;
use crate::ledger::Present;
use crate::meters::Refused;
use crate::phase::Phase;

/// What all handlers share.
pub(crate) struct Site {
    desk: Arc<Desk>,
    phase: watch::Receiver<Phase>,
    registries: Vec<Registry>,
    /// What was refused before it was a command, and the audit is still told.
    early_refusals: Pace,
    /// Who guesses.
    failures: Failures,
    /// Scrapes that are not delivered yet.
    scrapes: Arc<Semaphore>,
    /// Threads for scrapes.
    encoders: Arc<Semaphore>,
    /// Threads for what takes long to answer.
    readers: Arc<Semaphore>,
    /// Listeners to events.
    listeners: Arc<Semaphore>,
}

/// How many scrapes there may be, from the request to the last byte read: each holds the whole text.
const MAX_SCRAPES: usize = 8;
/// How many scrapes are encoded at the same time.
const MAX_ENCODERS: usize = 2;
/// How many questions that take long are answered at the same time.
const MAX_READERS: usize = 8;
/// How long a question waits for its turn.
const READER_WAITS: Duration = Duration::from_secs(5);
/// How many may listen to events.
const MAX_LISTENERS: usize = 64;

impl Site {
    pub(crate) fn new(
        desk: Arc<Desk>,
        phase: watch::Receiver<Phase>,
        registries: Vec<Registry>,
    ) -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            desk,
            phase,
            registries,
            early_refusals: Pace::default(),
            failures: Failures::default(),
            scrapes: places(MAX_SCRAPES),
            encoders: places(MAX_ENCODERS),
            readers: places(MAX_READERS),
            listeners: places(MAX_LISTENERS),
        }
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

    pub(super) const fn failures(&self) -> &Failures {
        &self.failures
    }

    pub(super) const fn early_refusals(&self) -> &Pace {
        &self.early_refusals
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
        let place = Arc::clone(&self.readers).acquire_owned();
        let place = timeout(READER_WAITS, place).await.ok().and_then(Result::ok);
        let place = place.ok_or_else(|| self.refuse(Refused::Read))?;
        self.keeping(place, work).await
    }

    /// Encodes metrics where that holds up nobody. The place is to be kept until they are delivered.
    pub(super) async fn scrape<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<(T, OwnedSemaphorePermit), Problem> {
        let place = Arc::clone(&self.scrapes).try_acquire_owned();
        let place = place.map_err(|_full| self.refuse(Refused::Scrape))?;
        let turn = Arc::clone(&self.encoders).acquire_owned().await;
        let turn = turn.map_err(|_closed| self.refuse(Refused::Scrape))?;
        Ok((self.keeping(turn, work).await?, place))
    }

    /// A place for one more listener to events.
    pub(super) fn listen(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.listeners).try_acquire_owned();
        place.map_err(|_full| self.refuse(Refused::Listener))
    }

    fn refuse(&self, what: Refused) -> Problem {
        self.desk.ledger().meters().refused(what);
        Problem::too_busy(what.as_str())
    }

    /// The place is kept until the work is done, even when the asker goes away before.
    async fn keeping<T: Send + 'static>(
        self: &Arc<Self>,
        place: OwnedSemaphorePermit,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let site = Arc::clone(self);
        let worked = self.desk.blocking(move |_| {
            let _place = place;
            work(&site)
        });
        Ok(worked.await?)
    }
}

/// The entity tag of a revision: `"r42"`.
pub(super) fn etag(revision: Revision) -> HeaderValue {
    HeaderValue::try_from(format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}
