//! How is a target spoken to? Pingora's peer for a target, with every time-out set.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pingora::prelude::HttpPeer;
use pingora::protocols::ALPN;
use pingora::protocols::tls::CaType;
use pingora::utils::tls::{WrappedX509, parse_x509};
use rules::Upstream;
use rules::upstream::{STREAMS_PER_CONNECTION, Target};

/// Makes peers; keeps each upstream's own roots parsed.
#[derive(Default)]
pub(crate) struct Peers {
    roots: Mutex<HashMap<u64, Arc<CaType>>>,
}

/// How many parsed root sets are kept; a new definition of an upstream adds one.
const ROOT_SETS: usize = 256;

impl Peers {
    /// The peer of a target's address. `read` overrides the upstream's own; nothing waits longer than `left`.
    pub(crate) fn peer(
        &self,
        upstream: &Upstream,
        target: &Target,
        address: SocketAddr,
        read: Option<Duration>,
        left: Duration,
    ) -> HttpPeer {
        let tls = upstream.tls.as_ref();
        let sni = tls.map_or("", |tls| tls.server_name.as_deref().unwrap_or(target.address.host()));
        let mut peer = HttpPeer::new(address, tls.is_some(), sni.to_owned());
        // Pools are kept apart by upstream and definition: Pingora's own key knows no roots.
        peer.group_key = upstream.pool_key;
        let timeouts = upstream.timeouts;
        let shortest = |timeout: Duration| Some(timeout.min(left).max(Duration::from_millis(1)));
        let options = &mut peer.options;
        options.connection_timeout = shortest(timeouts.connect);
        options.total_connection_timeout = shortest(timeouts.connect);
        options.read_timeout = shortest(read.unwrap_or(timeouts.read));
        options.write_timeout = shortest(timeouts.write);
        options.idle_timeout = Some(timeouts.idle);
        options.max_h2_streams = usize::from(STREAMS_PER_CONNECTION);
        options.alpn = if upstream.http2 { ALPN::H2 } else { ALPN::H1 };
        if let Some(tls) = tls {
            options.verify_cert = !tls.skip_verify;
            options.verify_hostname = !tls.skip_verify;
            options.ca = tls.roots.as_ref().map(|roots| self.roots(upstream.pool_key, roots));
        }
        peer
    }

    fn roots(&self, pool_key: u64, der: &[Vec<u8>]) -> Arc<CaType> {
        let mut known = self.roots.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.len() >= ROOT_SETS && !known.contains_key(&pool_key) {
            known.clear();
        }
        let parse = || der.iter().map(|raw| WrappedX509::new(raw.clone(), parse_x509)).collect();
        Arc::clone(known.entry(pool_key).or_insert_with(parse))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parsed_is_parsed_once_even_where_all_room_is_taken() {
        let (peers, all) = (Peers::default(), u64::try_from(ROOT_SETS).unwrap());
        let first: Vec<Arc<CaType>> = (0..all).map(|key| peers.roots(key, &[])).collect();
        for (key, roots) in (0..all).zip(&first) {
            assert!(Arc::ptr_eq(roots, &peers.roots(key, &[])), "{key}");
        }
        peers.roots(all, &[]);
        assert_eq!(peers.roots.lock().unwrap().len(), 1, "no more than there is room for");
    }
}
