//! Is there room for one more connection? Bounds for all clients together and for each address. (INV-7)

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rules::Snapshot;
use rules::overload::Shed;

use super::pressure::Pressure;

/// Counts connections while they stand.
#[derive(Debug)]
pub(crate) struct Admission {
    pressure: Arc<Pressure>,
    by_address: Mutex<HashMap<IpAddr, u32>>,
    turned: [AtomicU64; Turned::ALL.len()],
}

/// Why a connection is closed before anything is read of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turned {
    /// All clients together have as many as there may be.
    Full,
    /// Its address has as many as one may have.
    Address,
    /// There is too much to do.
    Overload,
    /// TLS came to nothing.
    Handshake,
}

impl Turned {
    /// Every reason there is, in the order of their declaration.
    pub(crate) const ALL: [Self; 4] = [Self::Full, Self::Address, Self::Overload, Self::Handshake];

    /// Its name, as metrics have it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Address => "address",
            Self::Overload => "overload",
            Self::Handshake => "handshake",
        }
    }
}

/// A connection that was let in, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    /// Whose connections are counted; nobody's where it is trusted or has no address.
    client: Option<IpAddr>,
}

impl Admission {
    pub(crate) fn new(pressure: Arc<Pressure>) -> Arc<Self> {
        let turned = std::array::from_fn(|_| AtomicU64::new(0));
        Arc::new(Self { pressure, by_address: Mutex::default(), turned })
    }

    /// Lets a connection in, or says why not; that is counted then.
    pub(super) fn admit(
        self: &Arc<Self>,
        peer: Option<IpAddr>,
        snapshot: &Snapshot,
    ) -> Result<Admitted, Turned> {
        let client = peer.filter(|peer| !snapshot.trusts(*peer)).map(network);
        self.enter(client, snapshot).inspect_err(|turned| self.count(*turned))
    }

    fn enter(
        self: &Arc<Self>,
        client: Option<IpAddr>,
        snapshot: &Snapshot,
    ) -> Result<Admitted, Turned> {
        let limits = &snapshot.limits;
        if self.pressure.gives_up(Shed::Connections) {
            return Err(Turned::Overload);
        }
        let most = usize::try_from(limits.connections).unwrap_or(usize::MAX);
        let one_more = |count: usize| (count < most).then_some(count + 1);
        let connections = self.pressure.connections();
        if connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
            return Err(Turned::Full);
        }
        // From here on dropping it gives back what was taken.
        let mut admitted = Admitted { admission: Arc::clone(self), client: None };
        if let Some(client) = client {
            let mut by_address = self.by_address();
            let count = by_address.entry(client).or_insert(0);
            if *count >= limits.connections_per_address {
                return Err(Turned::Address);
            }
            *count += 1;
            admitted.client = Some(client);
        }
        Ok(admitted)
    }

    pub(super) fn count(&self, turned: Turned) {
        if let Some(counter) = self.turned.get(turned as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many connections were closed at once, by reason.
    pub(crate) fn turned(&self) -> impl Iterator<Item = (Turned, u64)> + '_ {
        Turned::ALL.into_iter().zip(self.turned.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.pressure.connections().fetch_sub(1, Ordering::Relaxed);
        let Some(client) = self.client else { return };
        let mut by_address = self.admission.by_address();
        if let Some(count) = by_address.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&client);
            }
        }
    }
}

/// One client's addresses: with IPv6 it has a whole network of them, of 64 bits as a rule (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let own = u128::from(address) >> 64 << 64;
            Ipv6Addr::from(own).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use rules::SnapshotCell;
    use rules::limits::ClientLimits;

    use super::*;

    fn snapshot(connections: u32, connections_per_address: u32) -> Snapshot {
        let trusted_proxies = [[10, 0, 0, 0].into()].map(|ip: IpAddr| ip.into()).into();
        let limits =
            ClientLimits { connections, connections_per_address, ..ClientLimits::default() };
        Snapshot { limits, trusted_proxies, ..Snapshot::default() }
    }

    fn admission(snapshot: &Snapshot) -> Arc<Admission> {
        let cell = Arc::new(SnapshotCell::new(Arc::new(snapshot.clone())));
        Admission::new(Arc::new(Pressure::new(cell)))
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_address_gets_its_share_and_a_trusted_one_more() {
        let snapshot = snapshot(100, 2);
        let admission = admission(&snapshot);
        let admit = |peer: &str| admission.admit(address(peer), &snapshot);
        let (first, _second) = (admit("192.0.2.1").unwrap(), admit("::ffff:192.0.2.1").unwrap());
        assert_eq!(admit("192.0.2.1").unwrap_err(), Turned::Address);
        let _other = admit("192.0.2.2").unwrap();
        drop(first);
        let _again = admit("192.0.2.1").unwrap();
        let _network = [admit("2001:db8::1").unwrap(), admit("2001:db8::2").unwrap()];
        assert_eq!(admit("2001:db8::ffff").unwrap_err(), Turned::Address);
        let trusted: Vec<Admitted> = (0..5).map(|_| admit("10.0.0.0").unwrap()).collect();
        assert_eq!(admission.turned().map(|(_, count)| count).sum::<u64>(), 2);
        drop(trusted);
    }

    #[test]
    fn what_is_closed_leaves_nothing_behind() {
        let snapshot = snapshot(3, 3);
        let admission = admission(&snapshot);
        let admit = || admission.admit(address("192.0.2.1"), &snapshot);
        let all: Vec<Admitted> = (0..3).map(|_| admit().unwrap()).collect();
        assert_eq!(admit().unwrap_err(), Turned::Full);
        drop(all);
        assert!(admission.by_address().is_empty());
        assert_eq!(admission.pressure.connections().load(Ordering::Relaxed), 0);
        assert!(admit().is_ok());
    }
}
