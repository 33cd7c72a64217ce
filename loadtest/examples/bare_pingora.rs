//! What does Pingora cost by itself? A proxy that passes everything to one origin and does nothing else.
//!
//! `bare_pingora LISTEN ORIGIN [CERTIFICATE KEY]`: the yardstick of `make bench`. One worker thread; everything else is as
//! Pingora has it by default: its modules, its buffers, its pools and the system's allocator.

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::listeners::tls::TlsSettings;
use pingora::prelude::{HttpPeer, ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;

struct Pass(HttpPeer);

#[async_trait]
impl ProxyHttp for Pass {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(self.0.clone()))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<String> = env::args().skip(1).collect();
    let (listen, origin, tls) = match &given[..] {
        [listen, origin] => (listen, origin, None),
        [listen, origin, certificate, key] => (listen, origin, Some((certificate, key))),
        _ => return Err("bare_pingora LISTEN ORIGIN [CERTIFICATE KEY]".into()),
    };
    let origin: SocketAddr = origin.parse()?;
    let mut server =
        Server::new_with_opt_and_conf(None, ServerConf { threads: 1, ..ServerConf::default() });
    server.bootstrap();
    let pass = Pass(HttpPeer::new(origin, false, String::new()));
    let mut service = http_proxy_service(&Arc::clone(&server.configuration), pass);
    match tls {
        None => service.add_tcp(listen),
        Some((certificate, key)) => {
            let mut settings = TlsSettings::intermediate(certificate, key)?;
            settings.enable_h2();
            service.add_tls_with_settings(listen, None, settings);
        }
    }
    server.add_service(service);
    server.run_forever()
}
