//! How does Pingora's proxy become ours, with a connector of our own?
//!
//! Pingora makes such a proxy only inside a service with its own listeners, and lends it out for changes. Ours come in
//! another way. So it is taken out of the service for good: by a thread that never comes back to put another one in its
//! place, and sleeps until the process ends.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::thread;

use pingora::connectors::ConnectorOptions;
use pingora::protocols::Stream;
use pingora::proxy::{HttpProxy, ProxyServiceBuilder};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use replace_with::replace_with_or_abort;

use super::connector::Coalescing;
use crate::handler::Handler;

/// Pingora's proxy, as Turnout runs it.
pub(crate) type TargetProxy = HttpProxy<Handler, Coalescing>;

/// A proxy with a connector of our own.
///
/// # Errors
/// When no thread can be had.
pub(crate) fn own_proxy(conf: &Arc<ServerConf>, handler: Handler) -> io::Result<Arc<TargetProxy>> {
    let connector = Coalescing::new(ConnectorOptions::from_server_conf(conf));
    let mut service =
        ProxyServiceBuilder::new(conf, handler).custom(connector, Arc::new(never)).build();
    let (give, take) = mpsc::sync_channel(1);
    thread::Builder::new().name("keeper".to_owned()).spawn(move || {
        let Some(lent) = service.app_logic_mut() else { return };
        replace_with_or_abort(lent, |proxy| {
            give.send(Arc::new(proxy)).unwrap_or_default();
            loop {
                thread::park();
            }
        });
    })?;
    take.recv().map_err(io::Error::other)
}

type Served = Pin<Box<dyn Future<Output = Option<Stream>> + Send>>;

/// Clients speak HTTP and nothing else.
fn never(_: Arc<TargetProxy>, _: Stream, _: &ShutdownWatch) -> Served {
    Box::pin(std::future::ready(None))
}
