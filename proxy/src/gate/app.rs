//! Where does the gate stand? Between the listener and Pingora's proxy.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::protocols::{ALPN, Stream};
use pingora::server::ShutdownWatch;
use rules::SnapshotCell;

use super::answer;
use super::policy::Policies;
use super::stream::{GatedStream, ReturnSlot, Surroundings};
use crate::metrics::ProxyCounters;

/// Hands each connection to an application with the gate before it.
pub(crate) struct GatedApp<A> {
    app: Arc<A>,
    surroundings: Arc<Surroundings>,
}

impl<A> GatedApp<A> {
    pub(crate) fn new(app: A, cell: Arc<SnapshotCell>, counters: Arc<ProxyCounters>) -> Self {
        let surroundings = Surroundings { policies: Policies::new(cell), counters };
        Self { app: Arc::new(app), surroundings: Arc::new(surroundings) }
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for GatedApp<A> {
    /// Ends with the connection: Pingora keeps it for as many requests as come.
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
            return self.app.process_new(stream, shutdown).await;
        }
        let slot = ReturnSlot::default();
        let gated = GatedStream::new(stream, Arc::clone(&self.surroundings), Arc::clone(&slot));
        drop(self.app.process_new(Box::new(gated), shutdown).await);
        let returned = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(returned) = returned {
            answer::refuse(returned).await;
        }
        None
    }

    async fn cleanup(&self) {
        self.app.cleanup().await;
    }
}
