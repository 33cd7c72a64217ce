//! What happens, as it happens? Server-sent events, resumed where a listener was cut off.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use futures_util::stream::{self, Stream, StreamExt};
use rules::Revision;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::problem::{Problem, ProblemView};
use super::site::Site;
use super::view::EntryView;
use crate::events::{Event, Happening};
use crate::phase::over;
use crate::store::Entry;

/// How many missed revisions are read from the store at once.
const PAGE: u64 = 200;
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Events as they happen: `revision`, `phase`, `reload_failed`. Each one's id is the revision that serves. A listener that
/// comes back with `Last-Event-ID` gets the revisions that it missed first.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "events",
    params(("Last-Event-ID" = Option<u64>, Header, description = "The last revision that the listener knows")),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 400, body = ProblemView),
        (status = 503, body = ProblemView, description = "Too many listen")
    )
)]
pub(super) async fn stream(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Frame, Infallible>>>, Problem> {
    let known = last_event_id(&headers)?;
    let place = site.listen()?;
    let ended = over(site.phases());
    let events = stream::unfold(Listener::new(site, place, known), |mut listener| async {
        let frame = listener.next().await?;
        Some((Ok(frame), listener))
    });
    let greeting = Frame::default().comment("listening").retry(Duration::from_secs(1));
    let events =
        stream::once(std::future::ready(Ok(greeting))).chain(events).take_until(Box::pin(ended));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Revision>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let detail = "Last-Event-ID is the number of a revision";
    let number = text.strip_prefix('r').unwrap_or(text).parse().ok().map(Revision);
    number.map(Some).ok_or_else(|| Problem::bad_request("bad_last_event_id", detail))
}

/// One who listens: what it knows, what it still has to be told, and what happens meanwhile.
struct Listener {
    site: Arc<Site>,
    _place: OwnedSemaphorePermit,
    happenings: Receiver<Arc<Happening>>,
    known: Revision,
    missed: VecDeque<Entry>,
    /// The newest revision that it is behind.
    behind: Revision,
}

impl Listener {
    /// It listens first and asks what it missed afterwards, so that nothing falls in between.
    fn new(site: Arc<Site>, place: OwnedSemaphorePermit, known: Option<Revision>) -> Self {
        let happenings = site.desk().ledger().events().listen();
        let present = site.present().revision();
        let known = known.map_or(present, |known| known.min(present));
        Self { site, _place: place, happenings, known, missed: VecDeque::new(), behind: present }
    }

    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(entry) = self.missed.pop_front() {
                self.known = entry.revision;
                return Some(revision(&entry));
            }
            if self.known < self.behind {
                self.missed = self.page().await?;
                continue;
            }
            match self.happenings.recv().await {
                Ok(happening) => {
                    if let Some(frame) = self.frame(&happening) {
                        return Some(frame);
                    }
                }
                Err(RecvError::Lagged(_)) => self.behind = self.site.present().revision(),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The next missed revisions. None ends the stream: the listener comes back, and asks again.
    async fn page(&self) -> Option<VecDeque<Entry>> {
        let first = Revision(self.known.0 + 1);
        let last = Revision(self.behind.0.min(self.known.0 + PAGE));
        let read = move |site: &Site| site.desk().ledger().entries(first, last);
        let entries = self.site.blocking(read).await.ok()?.ok()?;
        Some(VecDeque::from(entries)).filter(|entries| !entries.is_empty())
    }

    fn frame(&mut self, happening: &Happening) -> Option<Frame> {
        // What is no revision has the id of the last one that was told: whoever comes back misses none.
        let id = self.known.0.to_string();
        match &happening.event {
            Event::Revision(entry) if entry.revision <= self.known => None,
            Event::Revision(entry) => {
                self.known = entry.revision;
                self.behind = self.behind.max(entry.revision);
                Some(revision(entry))
            }
            Event::Phase(phase) => {
                let data = json!({"phase": phase.as_str(), "revision": happening.revision.0});
                Some(Frame::default().id(id).event("phase").data(data.to_string()))
            }
            Event::ReloadFailed { detail, problems } => {
                let data =
                    json!({"detail": detail, "errors": problems, "revision": happening.revision.0});
                Some(Frame::default().id(id).event("reload_failed").data(data.to_string()))
            }
        }
    }
}

fn revision(entry: &Entry) -> Frame {
    let data = serde_json::to_string(&EntryView::from(entry)).unwrap_or_default();
    Frame::default().id(entry.revision.0.to_string()).event("revision").data(data)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use jiff::Timestamp;

    use super::*;
    use crate::desk::Desk;
    use crate::ledger::fragile::{Setup, seal, setup};
    use crate::phase::Phase;

    #[tokio::test]
    async fn what_is_no_revision_has_the_id_of_the_last_one_that_was_told() {
        let Setup { ledger, _folder, .. } = setup();
        let desk = Arc::new(Desk::new(ledger, seal(), Timestamp::UNIX_EPOCH));
        let (_phase, phase) = tokio::sync::watch::channel(Phase::Serving);
        let site = Arc::new(Site::new(Arc::clone(&desk), phase, Vec::new()));
        let place = site.listen().unwrap();
        let mut listener = Listener::new(site, place, None);
        // Revision 2 serves, but its event comes only after this one.
        desk.ledger().events().tell(Revision(2), Event::Phase(Phase::Draining));
        let frame = listener.next().await.unwrap();
        let answer = Sse::new(stream::iter([Ok::<_, Infallible>(frame)])).into_response();
        let text = axum::body::to_bytes(answer.into_body(), 1 << 10).await.unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(text.lines().any(|line| line == "id: 1"), "{text}");
    }
}
