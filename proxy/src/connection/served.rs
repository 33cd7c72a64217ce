//! By which bounds does Pingora read HTTP/2, and keep a connection? Those of the snapshot that is current when it begins.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::server::ShutdownWatch;
use rules::SnapshotCell;
use rules::limits::ClientLimits;

/// What a field costs in a header list besides its bytes. (RFC 9113, section 6.5.2)
const FIELD_OVERHEAD: usize = 32;
/// Streams that a client has begun and taken back before they were looked at.
const TAKEN_BACK: usize = 20;
/// How much of answers waits for a client that does not take it, per stream.
const WAITING_BYTES: usize = 64 * 1024;

/// The proxy, with the bounds for connections that begin now.
pub(super) struct Served<A> {
    app: Arc<A>,
    limits: ClientLimits,
    options: HttpServerOptions,
}

impl<A> Served<A> {
    fn new(app: Arc<A>, limits: ClientLimits) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(limits.times.idle.max(Duration::from_millis(1)));
        Self { app, limits, options }
    }
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Served<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        self.app.process_new_http(session, shutdown).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        let head = &self.limits.head;
        let list = head.field_bytes + head.target_bytes + head.fields * FIELD_OVERHEAD;
        let mut options = H2Options::default();
        options.max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX));
        options.max_concurrent_streams(self.limits.streams);
        options.max_pending_accept_reset_streams(TAKEN_BACK);
        options.max_send_buffer_size(WAITING_BYTES);
        Some(options)
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }

    async fn http_cleanup(&self) {
        self.app.http_cleanup().await;
    }
}

/// The proxy with the current bounds, made once for as long as they stay.
pub(super) struct ServedNow<A> {
    app: Arc<A>,
    cell: Arc<SnapshotCell>,
    made: ArcSwap<Served<A>>,
}

impl<A> ServedNow<A> {
    pub(super) fn new(app: Arc<A>, cell: Arc<SnapshotCell>) -> Self {
        let made = ArcSwap::from_pointee(Served::new(Arc::clone(&app), cell.load().limits));
        Self { app, cell, made }
    }

    pub(super) fn current(&self) -> Arc<Served<A>> {
        let limits = self.cell.load().limits;
        let made = self.made.load_full();
        if made.limits == limits {
            return made;
        }
        let made = Arc::new(Served::new(Arc::clone(&self.app), limits));
        self.made.store(Arc::clone(&made));
        made
    }
}
