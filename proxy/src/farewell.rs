//! How do clients hear that they should go elsewhere, when the process leaves?
//!
//! First with the next answer: `Connection: close`, or GOAWAY on HTTP/2. So no client loses a request that it sends just
//! then. Connections that ask for nothing any more are closed when nothing else is left to do.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use tokio::sync::watch;

/// What clients are told.
pub(crate) struct Farewell {
    leaving: watch::Sender<bool>,
    /// Has never looked, so that a connection which comes late still finds news in its copy.
    unseen: watch::Receiver<bool>,
    idle_over: watch::Sender<bool>,
    /// Whether another process serves on, once this one leaves.
    taken_over: OnceLock<bool>,
}

impl Farewell {
    pub(crate) fn new() -> Self {
        let (leaving, unseen) = watch::channel(false);
        Self { leaving, unseen, idle_over: watch::Sender::new(false), taken_over: OnceLock::new() }
    }

    /// From now on every answer tells its client to go elsewhere. Where another process has taken over, nobody is hurried.
    pub(crate) fn leave(&self, taken_over: bool) {
        self.taken_over.get_or_init(|| taken_over);
        self.leaving.send_replace(true);
    }

    /// Whether this process leaves because another one has taken over, not because it was asked to.
    pub(crate) fn is_taken_over(&self) -> bool {
        self.taken_over.get().copied().unwrap_or(false)
    }

    /// From now on connections without a request are closed.
    pub(crate) fn close_idle(&self) {
        self.idle_over.send_replace(true);
    }
}

/// An application whose clients are told.
pub(crate) struct ToldToLeave<A> {
    app: Arc<A>,
    farewell: Arc<Farewell>,
}

impl<A> ToldToLeave<A> {
    pub(crate) fn new(app: A, farewell: Arc<Farewell>) -> Self {
        Self { app: Arc::new(app), farewell }
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for ToldToLeave<A> {
    /// Pingora's own signal comes when the listeners stop, which may be later.
    async fn process_new(self: &Arc<Self>, stream: Stream, _: &ShutdownWatch) -> Option<Stream> {
        self.app.process_new(stream, &self.farewell.unseen.clone()).await
    }

    /// Pingora asks for this when its listeners have stopped, and closes what is idle at once. That can wait.
    async fn cleanup(&self) {
        self.farewell.idle_over.subscribe().wait_for(|over| *over).await.ok();
        self.app.cleanup().await;
    }
}
