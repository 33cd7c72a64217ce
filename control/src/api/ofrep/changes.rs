//! When should flags be asked for again? A stream that says so whenever they have changed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use futures_util::stream::{self, Stream, StreamExt};
use rules::Revision;
use rules::flag::FlagSet;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::answer::Failure;
use crate::api::site::Site;
use crate::events::{Event, Happening};
use crate::phase::stopped;

/// Where the stream is, below the address that a client was given.
pub(super) const PATH: &str = "/ofrep/v1/events";
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Events of the kind `refetchEvaluation`. One's id is the revision that serves; whoever comes back with `Last-Event-ID` is
/// told at once where another one serves by now.
pub(super) async fn stream(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Frame, Infallible>>>, Failure> {
    let place = site.listen().map_err(|_full| Failure::too_busy())?;
    let ended = stopped(site.phases());
    let known = headers.get("last-event-id").map(|value| {
        let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
        Revision(number.unwrap_or_default())
    });
    let changes = stream::unfold(Changes::new(site, place, known), |mut changes| async {
        let frame = changes.next().await?;
        Some((Ok(frame), changes))
    });
    let greeting = Frame::default().comment("listening").retry(Duration::from_secs(1));
    let changes =
        stream::once(std::future::ready(Ok(greeting))).chain(changes).take_until(Box::pin(ended));
    Ok(Sse::new(changes).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// One who waits for changes, and what it knows.
struct Changes {
    site: Arc<Site>,
    _place: OwnedSemaphorePermit,
    happenings: Receiver<Arc<Happening>>,
    known: FlagSet,
    /// Whether it came back and may have missed something.
    missed: bool,
}

impl Changes {
    fn new(site: Arc<Site>, place: OwnedSemaphorePermit, known: Option<Revision>) -> Self {
        let happenings = site.desk().ledger().events().listen();
        let present = site.present();
        let missed = known.is_some_and(|known| known != present.revision());
        let known = present.compiled.snapshot.flags.clone();
        Self { site, _place: place, happenings, known, missed }
    }

    async fn next(&mut self) -> Option<Frame> {
        loop {
            if std::mem::take(&mut self.missed) {
                return Some(self.told());
            }
            let may_differ = match self.happenings.recv().await {
                Ok(happening) => matches!(happening.event, Event::Revision(_)),
                Err(RecvError::Lagged(_)) => true,
                Err(RecvError::Closed) => return None,
            };
            let present = self.site.present();
            let flags = &present.compiled.snapshot.flags;
            if may_differ && !flags.is_same(&self.known) {
                self.known = flags.clone();
                return Some(self.told());
            }
        }
    }

    fn told(&self) -> Frame {
        let present = self.site.present();
        let (revision, at) = (present.revision(), present.entry.at.as_second());
        let tag = format!("\"{revision}\"");
        let data = json!({"type": "refetchEvaluation", "etag": tag, "lastModified": at});
        Frame::default().id(revision.0.to_string()).event("message").data(data.to_string())
    }
}
