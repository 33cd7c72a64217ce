//! Which phase does Pingora call when? Every hook delegates to one file of [`crate::phase`].

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::{Error, HttpPeer, Result};
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use rules::SnapshotCell;

use crate::access_log::AccessLog;
use crate::connection::Pressure;
use crate::exchange::Exchange;
use crate::gate::Policies;
use crate::metrics::ProxyCounters;
use crate::peers::Peers;
use crate::phase::{failure, intake, logging, peer, upstream_request, upstream_response};
use crate::shadow::ShadowSender;
use crate::token::Issuers;

/// Everything that phases need besides the exchange itself.
pub(crate) struct Handler {
    pub(crate) cell: Arc<SnapshotCell>,
    pub(crate) peers: Peers,
    pub(crate) issuers: Arc<Issuers>,
    pub(crate) shadow: ShadowSender,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) counters: Arc<ProxyCounters>,
    pub(crate) policies: Policies,
    pub(crate) pressure: Arc<Pressure>,
}

#[async_trait]
impl ProxyHttp for Handler {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::new(self.cell.load(), &self.pressure.requests)
    }

    /// Leaves out Pingora's compression module: Turnout never changes a body, and it costs 6 % CPU.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<()> {
        intake::bound(session, &exchange.snapshot.limits);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        intake::decide(self, session, exchange).await
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<Box<HttpPeer>> {
        peer::choose(&self.peers, exchange)
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        _fd: RawFd,
        connection: Option<&Digest>,
        exchange: &mut Exchange,
    ) -> Result<()> {
        upstream_request::connected(connection, exchange);
        Ok(())
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        exchange: &mut Exchange,
        error: Box<Error>,
    ) -> Box<Error> {
        failure::connecting(exchange, error)
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        upstream_request::head(&self.shadow, session, request, exchange)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if !end_of_stream {
            intake::watch_body(session, exchange)?;
        }
        upstream_request::body(body.as_ref(), end_of_stream, exchange)
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        upstream_response::head(session, response, exchange)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        upstream_response::to_client(session, response, exchange)
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Exchange,
    ) -> Result<Option<Duration>> {
        upstream_response::body(body.as_ref(), end_of_stream, exchange)
    }

    fn upstream_response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut HeaderMap,
        exchange: &mut Exchange,
    ) -> Result<()> {
        upstream_response::trailers(trailers, exchange);
        Ok(())
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        exchange: &mut Exchange,
        _client_reused: bool,
    ) -> Box<Error> {
        failure::proxying(session, exchange, error)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        exchange: &mut Exchange,
    ) -> FailToProxy {
        failure::answer(&self.counters, session, exchange, error).await
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, exchange: &mut Exchange) {
        logging::finish(self, session, error, exchange);
    }

    /// Pingora's own summary holds the path with its query.
    fn request_summary(&self, _session: &Session, exchange: &Exchange) -> String {
        format!("request {}", exchange.request_id())
    }

    /// The access log says what went wrong, without anybody's data.
    fn suppress_error_log(&self, _: &Session, _: &Exchange, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Exchange,
        _: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}
