//! What do signals ask for? SIGHUP reloads, SIGUSR2 has the binary on disk take over; SIGTERM and SIGINT drain and leave,
//! a second one leaves at once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::farewell::Farewell;
use crate::server::{Listener, Phase};

/// Turns signals into phases, reloads and upgrades.
pub(crate) struct Signals {
    pub(crate) listener: Listener,
    pub(crate) farewell: Arc<Farewell>,
    /// Whether another process serves on the same sockets.
    pub(crate) handed_over: watch::Receiver<bool>,
    /// How long connections are still accepted once the process is no longer ready.
    pub(crate) delay: Duration,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let mut leave = Leave::new();
        let Listener { reload, upgrade, .. } = self.listener.clone();
        let asks = [
            tokio::spawn(each(listen(SignalKind::hangup()), reload)),
            tokio::spawn(each(listen(SignalKind::user_defined2()), upgrade)),
        ];
        let mut handed_over = self.handed_over.clone();
        let (phase, delay) = tokio::select! {
            // A signal that came before another process took over is the first one, not one that leaves at once.
            biased;
            () = leave.asked() => (Phase::Draining, self.delay),
            Ok(_) = handed_over.wait_for(|handed_over| *handed_over) => (Phase::HandedOver, Duration::ZERO),
        };
        asks.iter().for_each(JoinHandle::abort);
        self.farewell.leave(phase == Phase::HandedOver);
        (self.listener.phase)(phase);
        let listener = self.listener.clone();
        tokio::spawn(async move {
            leave.asked().await;
            (listener.phase)(Phase::Stopped);
        });
        // Load balancers go on sending until they have seen that this process is no longer ready.
        sleep(delay).await;
        ShutdownSignal::GracefulTerminate
    }
}

async fn each(signal: Option<Signal>, ask: Arc<dyn Fn() + Send + Sync>) {
    let Some(mut signal) = signal else { return };
    while signal.recv().await.is_some() {
        ask();
    }
}

/// The signals that ask the process to leave.
struct Leave {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
}

impl Leave {
    fn new() -> Self {
        Self {
            terminate: listen(SignalKind::terminate()),
            interrupt: listen(SignalKind::interrupt()),
        }
    }

    async fn asked(&mut self) {
        tokio::select! {
            () = heard(self.terminate.as_mut()) => {}
            () = heard(self.interrupt.as_mut()) => {}
        }
    }
}

async fn heard(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Listens for a signal; without it (no such signal, no room) the process lives on without that way to ask.
fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind)
        .inspect_err(|error| tracing::error!(%error, "a signal cannot be listened for"))
        .ok()
}
