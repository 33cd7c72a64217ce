//! What do signals ask for? SIGHUP reloads; SIGTERM and SIGINT drain and leave, a second one leaves at once.

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::server::{Listener, Phase};

/// Turns signals into phases and reloads.
pub(crate) struct Signals {
    pub(crate) listener: Listener,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let (hangup, mut leave) = (listen(SignalKind::hangup()), Leave::new());
        let reloads = tokio::spawn(reload(hangup, self.listener.clone()));
        leave.asked().await;
        reloads.abort();
        (self.listener.phase)(Phase::Draining);
        let listener = self.listener.clone();
        tokio::spawn(async move {
            leave.asked().await;
            (listener.phase)(Phase::Stopped);
        });
        ShutdownSignal::GracefulTerminate
    }
}

async fn reload(hangup: Option<Signal>, listener: Listener) {
    let Some(mut hangup) = hangup else { return };
    while hangup.recv().await.is_some() {
        (listener.reload)();
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
