//! When may held answers go? A gate that a test opens.

use tokio::sync::watch;

/// A gate that answers wait at ([`super::Reply::held_by`]), so that a test can look around while requests are in flight.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A gate that holds whoever comes.
    #[must_use]
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Lets everybody through, those who wait and those to come.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Holds those to come.
    pub fn close(&self) {
        self.0.send_replace(false);
    }

    pub(super) async fn pass(&self) {
        let mut state = self.0.subscribe();
        // The sender lives as long as `self`: waiting cannot fail.
        if state.wait_for(|open| *open).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
