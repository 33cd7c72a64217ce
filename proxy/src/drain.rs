//! When may the process leave? When nothing is in flight any more and everything of it is written down, or time is up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::connection::Pressure;
use crate::farewell::Farewell;
use crate::server::{Listener, Phase};

/// How often it is looked whether all is done.
const LOOK: Duration = Duration::from_millis(10);
/// How long closing connections may take that have nothing to say.
const CLOSING: Duration = Duration::from_millis(500);
/// How long it may take until a connection that was accepted at the last moment is counted.
const SETTLED: Duration = Duration::from_millis(500);

/// Waits for the end, and tells it.
pub(crate) struct Drain {
    /// What is in flight.
    pub(crate) pressure: Arc<Pressure>,
    /// Lines of the access log that wait to be written.
    pub(crate) unwritten: Arc<AtomicUsize>,
    pub(crate) farewell: Arc<Farewell>,
    pub(crate) longest: Duration,
    pub(crate) listener: Listener,
}

#[async_trait]
impl BackgroundService for Drain {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        if shutdown.changed().await.is_err() {
            return;
        }
        let deadline = Instant::now() + self.longest;
        if self.farewell.is_taken_over() {
            // Clients with an idle connection hear on their next request that it ends: none is cut while it is sent.
            sleep_until((Instant::now() + SETTLED).min(deadline)).await;
            until(deadline, || self.connections() == 0).await;
        }
        until(deadline, || self.in_flight() == 0).await;
        self.farewell.close_idle();
        until(deadline.min(Instant::now() + CLOSING), || self.connections() == 0).await;
        // A request that came at the last moment, and what is still to be said of all of them.
        until(deadline, || self.in_flight() + self.unwritten() == 0).await;
        tracing::info!(cut_off = self.in_flight(), "drained");
        (self.listener.phase)(Phase::Stopped);
    }
}

impl Drain {
    fn in_flight(&self) -> usize {
        self.pressure.requests.load(Ordering::Relaxed)
    }

    fn connections(&self) -> usize {
        self.pressure.connections().load(Ordering::Relaxed)
    }

    fn unwritten(&self) -> usize {
        self.unwritten.load(Ordering::Relaxed)
    }
}

async fn until(deadline: Instant, done: impl Fn() -> bool) {
    let looking = async {
        while !done() {
            tokio::time::sleep(LOOK).await;
        }
    };
    timeout_at(deadline, looking).await.ok();
}
