//! Where is the process in its life?

use std::fmt;

use tokio::sync::watch;

/// Where the process is in its life. The binary says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// The proxy does not listen yet.
    #[default]
    Starting,
    /// Clients are served.
    Serving,
    /// No new connections are taken; requests in flight finish.
    Draining,
    /// Another process serves in this one's place, on the same listeners; what is in flight here finishes.
    HandedOver,
    /// It is over.
    Stopped,
}

impl Phase {
    /// The phase's name, as the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::HandedOver => "handed_over",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Waits until the process stops.
pub(crate) async fn stopped(mut phase: watch::Receiver<Phase>) {
    // An error means that the binary is gone, which comes to the same.
    phase.wait_for(|phase| *phase == Phase::Stopped).await.ok();
}

/// Waits until whoever asks should ask another process, or nobody.
pub(crate) async fn over(mut phase: watch::Receiver<Phase>) {
    let over = |phase: &Phase| matches!(phase, Phase::HandedOver | Phase::Stopped);
    phase.wait_for(over).await.ok();
}
