//! A load that runs: when is each request due, and when is it over?

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::call::{Answer, Call};
use super::figures::{Books, Figures};
use super::plan::{Pace, Plan};
use super::wire::{Wire, wire};

/// How early to stop sleeping: the runtime's timer goes by milliseconds.
const TIMER: Duration = Duration::from_millis(2);

/// A load under way. Dropping it ends it at once; [`Load::stop`] lets what is in flight finish.
pub struct Load {
    books: Arc<Books>,
    stop: watch::Sender<bool>,
    driver: JoinHandle<()>,
}

/// What the requests of one load share.
struct Job {
    plan: Plan,
    wire: Wire,
    books: Arc<Books>,
    calls: Box<dyn Fn(u64) -> Call + Send + Sync>,
    seen: Box<dyn Fn(&Answer) + Send + Sync>,
    stopped: watch::Receiver<bool>,
}

impl Load {
    /// Starts to send, on the caller's tokio runtime: `calls` makes each request from its number (from 0), `seen` is told
    /// every end, with answer or without.
    ///
    /// # Errors
    /// The plan asks for a pace of nothing (a rate that is not above 0, or no connection), or trusts what is no certificate.
    pub fn start(
        plan: Plan,
        calls: impl Fn(u64) -> Call + Send + Sync + 'static,
        seen: impl Fn(&Answer) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let books = Arc::new(Books::open().map_err(io::Error::other)?);
        let (stop, stopped) = watch::channel(false);
        let (pace, wire) = (plan.pace, wire(plan.protocol, plan.trusted.as_ref())?);
        let job = Arc::new(Job {
            plan,
            wire,
            books: Arc::clone(&books),
            calls: Box::new(calls),
            seen: Box::new(seen),
            stopped,
        });
        let driver = match pace {
            Pace::PerSecond(rate) if rate > 0.0 && rate.is_finite() => {
                tokio::spawn(open_loop(job, rate))
            }
            Pace::Connections(connections) if connections > 0 => {
                tokio::spawn(closed_loop(job, connections))
            }
            Pace::PerSecond(_) | Pace::Connections(_) => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a pace of nothing"));
            }
        };
        Ok(Self { books, stop, driver })
    }

    /// Figures since the start.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.books.all()
    }

    /// Figures since the last call of this function.
    #[must_use]
    pub fn window(&self) -> Figures {
        self.books.window()
    }

    /// Sends nothing more, lets what is in flight finish (each within the plan's timeout) and tells the figures.
    pub async fn stop(self) -> Figures {
        self.stop.send_replace(true);
        self.finish().await
    }

    /// Waits for the plan's own end and tells the figures. Never returns when the plan has none.
    pub async fn finish(mut self) -> Figures {
        // The driver neither aborts nor panics before this; a panic of a caller's closure shows as missing requests.
        drop((&mut self.driver).await);
        self.books.all()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn open_loop(job: Arc<Job>, rate: f64) {
    let start = Instant::now();
    let mut in_flight = JoinSet::new();
    for number in 0..job.plan.requests.unwrap_or(u64::MAX) {
        #[expect(clippy::cast_precision_loss, reason = "exact to 2^53 requests")]
        let offset = Duration::from_secs_f64(number as f64 / rate);
        if job.plan.time.is_some_and(|time| offset >= time) || !job.wait_until(start + offset).await
        {
            break;
        }
        while in_flight.try_join_next().is_some() {}
        if in_flight.len() >= job.plan.in_flight.max(1) {
            in_flight.join_next().await;
        }
        let job = Arc::clone(&job);
        in_flight.spawn(async move { job.exchange(number, start + offset).await });
    }
    while in_flight.join_next().await.is_some() {}
}

async fn closed_loop(job: Arc<Job>, connections: usize) {
    let end = job.plan.time.map(|time| Instant::now() + time);
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let (job, next) = (Arc::clone(&job), Arc::clone(&next));
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let enough = job.plan.requests.is_some_and(|requests| number >= requests);
                if enough || *job.stopped.borrow() || end.is_some_and(|end| Instant::now() >= end) {
                    break;
                }
                job.exchange(number, Instant::now()).await;
            }
        });
    }
    while workers.join_next().await.is_some() {}
}

impl Job {
    /// Waits for a moment; `false` when the load was stopped before it.
    async fn wait_until(&self, due: Instant) -> bool {
        if *self.stopped.borrow() {
            return false;
        }
        let asleep = if self.plan.punctual { due.checked_sub(TIMER) } else { Some(due) };
        if let Some(until) = asleep.filter(|until| *until > Instant::now()) {
            let mut stopped = self.stopped.clone();
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                _ = stopped.changed() => return false,
            }
        }
        while self.plan.punctual && Instant::now() < due {
            // Sockets are looked at in between.
            tokio::task::yield_now().await;
        }
        true
    }

    async fn exchange(&self, number: u64, due: Instant) {
        let call = (self.calls)(number);
        self.books.sent();
        let sent = std::time::Instant::now();
        let outcome = self.wire.send(self.plan.target, &call, self.plan.timeout).await;
        let answer = outcome.answering(number, call, sent, due.elapsed());
        self.books.ended(&answer);
        (self.seen)(&answer);
    }
}
