//! What do the clients see? Answers by service and by path family, counted from a given moment on.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use loadtest::load::Answer;

/// How many latencies are kept per service.
const KEPT: usize = 50_000;
/// How many latencies a quantile needs, so that at least five lie beyond it.
const ENOUGH_FOR_P95: usize = 100;

/// What the clients saw of requests sent since a moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Clients {
    pub(super) old: Service,
    pub(super) new: Service,
    /// Requests with a status from 400 up, or without an answer.
    pub(super) errors: u64,
    /// Those among them that were writes.
    pub(super) write_errors: u64,
    /// Requests that ended, by the old path family.
    pub(super) by_alias: u64,
    /// Requests that ended, by the new path family.
    pub(super) by_canonical: u64,
}

/// What the clients saw of one service.
#[derive(Debug, Clone, Default)]
pub(super) struct Service {
    pub(super) answers: u64,
    /// Whose requests it answered.
    pub(super) tenants: BTreeSet<String>,
    latencies: Vec<Duration>,
}

impl Clients {
    /// Requests that ended, well or not.
    pub(super) const fn ended(&self) -> u64 {
        self.by_alias + self.by_canonical
    }

    /// Answers of either service.
    pub(super) const fn answered(&self) -> u64 {
        self.old.answers + self.new.answers
    }

    /// Which part of the answers came from the new service, 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a count of requests of one demo")]
    pub(super) fn new_share(&self) -> f64 {
        self.new.answers as f64 / self.answered().max(1) as f64
    }

    fn note(&mut self, answer: &Answer) {
        let is_alias = answer.call.path.starts_with("/v1/messaging");
        *(if is_alias { &mut self.by_alias } else { &mut self.by_canonical }) += 1;
        if !answer.is_ok() {
            self.errors += 1;
            self.write_errors += u64::from(!answer.call.method.is_safe());
        }
        match answer.origin() {
            Some("old") => self.old.note(answer),
            Some("new") => self.new.note(answer),
            Some(_) | None => {}
        }
    }
}

impl Service {
    fn note(&mut self, answer: &Answer) {
        self.answers += 1;
        if self.latencies.len() < KEPT {
            self.latencies.push(answer.latency);
        }
        let mut headers = answer.call.headers.iter();
        if let Some((_, tenant)) = headers.find(|(name, _)| name == "x-tenant-id")
            && !self.tenants.contains(tenant)
        {
            self.tenants.insert(tenant.clone());
        }
    }

    /// 95 of 100 answers took at most this long; `None` where there are too few to tell.
    pub(super) fn p95(&self) -> Option<Duration> {
        if self.latencies.len() < ENOUGH_FOR_P95 {
            return None;
        }
        let mut latencies = self.latencies.clone();
        let place = (latencies.len() - 1) * 95 / 100;
        Some(*latencies.select_nth_unstable(place).1)
    }
}

/// Where the load writes down what it sees.
#[derive(Debug)]
pub(super) struct Tally(Mutex<(Instant, Clients)>);

impl Tally {
    pub(super) fn new() -> Self {
        Self(Mutex::new((Instant::now(), Clients::default())))
    }

    /// Counts an answer, unless its request was sent before the last [`Tally::begin`].
    pub(super) fn note(&self, answer: &Answer) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answer.sent >= tally.0 {
            tally.1.note(answer);
        }
    }

    /// Counts anew, only what is sent from now on.
    pub(super) fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            (Instant::now(), Clients::default());
    }

    pub(super) fn clients(&self) -> Clients {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, Method, StatusCode};
    use loadtest::load::Call;

    fn answer(method: Method, path: &str, origin: &'static str, status: u16, ms: u64) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("x-origin", HeaderValue::from_static(origin));
        Answer {
            number: 0,
            call: Call::new(method, path).with_header("x-tenant-id", "t"),
            status: Ok(StatusCode::from_u16(status).unwrap()),
            headers,
            body: bytes::Bytes::new(),
            latency: Duration::from_millis(ms),
            sent: Instant::now(),
        }
    }

    #[test]
    fn answers_are_counted_by_service_and_path_family() {
        let tally = Tally::new();
        for ms in 1..=100 {
            tally.note(&answer(Method::GET, "/v1/messaging/unread", "old", 200, ms));
        }
        tally.note(&answer(Method::GET, "/v1/communication/unread", "new", 200, 7));
        tally.note(&answer(Method::POST, "/v1/communication/threads", "new", 503, 7));
        tally.note(&answer(Method::GET, "/v1/communication/threads", "nobody", 502, 7));
        let clients = tally.clients();
        assert_eq!((clients.old.answers, clients.new.answers), (100, 2));
        assert_eq!((clients.by_alias, clients.by_canonical, clients.ended()), (100, 3, 103));
        assert_eq!((clients.errors, clients.write_errors), (2, 1));
        assert_eq!(clients.old.p95(), Some(Duration::from_millis(95)));
        assert_eq!(clients.new.p95(), None);
        assert_eq!(clients.old.tenants.iter().collect::<Vec<_>>(), ["t"]);
        assert!((clients.new_share() - 2.0 / 102.0).abs() < 1e-9);
    }

    #[test]
    fn what_was_sent_before_the_beginning_does_not_count() {
        let tally = Tally::new();
        let early = answer(Method::GET, "/v1/messaging/unread", "old", 200, 1);
        tally.begin();
        tally.note(&early);
        assert_eq!(tally.clients().ended(), 0);
        assert_eq!(tally.clients().old.p95(), None);
    }
}
