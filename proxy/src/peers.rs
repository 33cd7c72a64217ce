//! How is a target spoken to? Pingora's peer for a target, with every time-out set.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pingora::prelude::HttpPeer;
use pingora::protocols::ALPN;
use pingora::protocols::tls::CaType;
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};
use rules::Upstream;
use rules::upstream::{STREAMS_PER_CONNECTION, Target, UpstreamTls};

use crate::outgoing::coalesced;

/// Makes peers; keeps what is read of each upstream's certificates.
#[derive(Default)]
pub(crate) struct Peers {
    proofs: Mutex<HashMap<u64, Proofs>>,
}

/// How many are kept; a new definition of an upstream adds one.
const MOST_PROOFS: usize = 256;

/// Whose certificates count, and what is shown to who asks.
#[derive(Clone, Default)]
struct Proofs {
    roots: Option<Arc<CaType>>,
    own: Option<Arc<CertKey>>,
}

impl Peers {
    /// The peer of a target's address. Nothing waits longer than `left`. In HTTP/1 `read` is up to the connection itself
    /// (`outgoing/coalesced/`).
    pub(crate) fn peer(
        &self,
        upstream: &Upstream,
        target: &Target,
        address: SocketAddr,
        read: Duration,
        left: Duration,
    ) -> HttpPeer {
        let tls = upstream.tls.as_ref();
        let sni = tls.map_or("", |tls| tls.server_name.as_deref().unwrap_or(target.address.host()));
        let mut peer = HttpPeer::new(address, tls.is_some(), sni.to_owned());
        // Pools are kept apart by upstream and definition: Pingora's own key knows no roots.
        peer.group_key = upstream.pool_key;
        let timeouts = upstream.timeouts;
        let shortest = |timeout: Duration| Some(at_most(timeout, left));
        let options = &mut peer.options;
        options.connection_timeout = shortest(timeouts.connect);
        options.total_connection_timeout = shortest(timeouts.connect);
        options.read_timeout = shortest(read).filter(|_| upstream.http2);
        options.write_timeout = shortest(timeouts.write);
        options.idle_timeout = Some(timeouts.idle);
        options.max_h2_streams = usize::from(STREAMS_PER_CONNECTION);
        options.alpn = if upstream.http2 { ALPN::H2 } else { coalesced() };
        if let Some(tls) = tls {
            options.verify_cert = !tls.skip_verify;
            options.verify_hostname = !tls.skip_verify;
            let Proofs { roots, own } = self.proofs(upstream.pool_key, tls);
            options.ca = roots;
            peer.client_cert_key = own;
        }
        peer
    }

    fn proofs(&self, pool_key: u64, tls: &UpstreamTls) -> Proofs {
        let mut known = self.proofs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.len() >= MOST_PROOFS && !known.contains_key(&pool_key) {
            known.clear();
        }
        known.entry(pool_key).or_insert_with(|| proofs(tls)).clone()
    }
}

/// A time-out that ends with the exchange's time. One of nothing is none to Pingora.
pub(crate) fn at_most(timeout: Duration, left: Duration) -> Duration {
    timeout.min(left).max(Duration::from_millis(1))
}

/// What compiling has read already: Pingora panics where it cannot.
fn proofs(tls: &UpstreamTls) -> Proofs {
    let parse = |raw: &Vec<u8>| WrappedX509::new(raw.clone(), parse_x509);
    let roots = tls.roots.as_ref().map(|roots| roots.iter().map(parse).collect());
    let own = tls.client.as_ref().map(|own| {
        let chain = own.chain.iter().map(|der| der.to_vec()).collect();
        Arc::new(CertKey::new(chain, own.key.reveal().to_vec()))
    });
    Proofs { roots, own }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parsed_is_parsed_once_even_where_all_room_is_taken() {
        let (peers, all) = (Peers::default(), u64::try_from(MOST_PROOFS).unwrap());
        let tls = UpstreamTls {
            server_name: None,
            roots: Some(Arc::default()),
            client: None,
            skip_verify: false,
        };
        let roots = |key| peers.proofs(key, &tls).roots.unwrap();
        let first: Vec<Arc<CaType>> = (0..all).map(roots).collect();
        for (key, known) in (0..all).zip(&first) {
            assert!(Arc::ptr_eq(known, &roots(key)), "{key}");
        }
        roots(all);
        assert_eq!(peers.proofs.lock().unwrap().len(), 1, "no more than there is room for");
    }
}
