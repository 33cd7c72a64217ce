//! What is known of one address of an upstream?

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::address::Address;
use super::ejection::Ejection;
use crate::sli::{SeriesKey, SeriesTable};

/// One address of an upstream.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is.
    pub address: Address,
    /// How many of the upstream's requests it gets, relative to the other targets; 0 means none.
    pub weight: u16,
    /// What is found out about it.
    pub state: Arc<TargetState>,
}

impl Target {
    /// Whether both are one target, be it in two definitions.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }
}

/// What health checks say of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Nothing yet.
    Unknown,
    /// It is well.
    Well,
    /// It is not.
    Unwell,
}

/// What is found out about a target while it serves: kept from one snapshot to the next, by upstream and address.
#[derive(Debug)]
pub struct TargetState {
    addresses: ArcSwap<Vec<SocketAddr>>,
    next_address: AtomicUsize,
    health: AtomicU8,
    pub(super) in_flight: AtomicU32,
    pub(super) ejection: Ejection,
    series: OnceLock<Box<SeriesTable>>,
}

impl TargetState {
    /// The state of a target nobody has looked at: of unknown health, and resolved if it needs no look-up.
    #[must_use]
    pub fn new(address: &Address) -> Self {
        let addresses = address.literal().into_iter().collect::<Vec<_>>();
        Self {
            addresses: ArcSwap::from_pointee(addresses),
            next_address: AtomicUsize::new(0),
            health: AtomicU8::new(0),
            in_flight: AtomicU32::new(0),
            ejection: Ejection::default(),
            series: OnceLock::new(),
        }
    }

    /// The socket addresses that the target's name stands for.
    #[must_use]
    pub fn addresses(&self) -> Arc<Vec<SocketAddr>> {
        self.addresses.load_full()
    }

    /// Whether it is known what the target's name stands for.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        !self.addresses.load().is_empty()
    }

    /// The next of the target's addresses. Each target counts its own turns: of the upstream's, it would always see the
    /// same few, and with them the same few of its addresses.
    pub(super) fn address_in_turn(&self) -> Option<SocketAddr> {
        let addresses = self.addresses.load();
        match &***addresses {
            [] => None,
            [only] => Some(*only),
            several => {
                let turn = self.next_address.fetch_add(1, Ordering::Relaxed);
                several.get(turn % several.len()).copied()
            }
        }
    }

    /// Notes what the target's name stands for now. The resolver calls it; an empty answer is not news.
    pub fn resolved(&self, addresses: Vec<SocketAddr>) {
        if !addresses.is_empty() && **self.addresses.load() != addresses {
            self.addresses.store(Arc::new(addresses));
        }
    }

    /// What health checks found last.
    #[must_use]
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            0 => Health::Unknown,
            1 => Health::Well,
            _ => Health::Unwell,
        }
    }

    /// Notes what health checks found, or that nobody checks any more.
    pub fn set_health(&self, health: Health) {
        let number = match health {
            Health::Unknown => 0,
            Health::Well => 1,
            Health::Unwell => 2,
        };
        self.health.store(number, Ordering::Relaxed);
    }

    /// Whether no health check finds the target unwell.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.health() != Health::Unwell
    }

    /// How many requests are at the target right now.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether the target is left out because it failed too many requests in a row.
    #[must_use]
    pub fn is_ejected(&self, now_ms: u64) -> bool {
        self.ejection.is_out(now_ms)
    }

    /// How often it was.
    #[must_use]
    pub fn ejections(&self) -> u64 {
        self.ejection.total()
    }

    /// Counts one attempt at this target.
    pub fn record(&self, key: SeriesKey, duration: Duration) {
        self.series.get_or_init(Box::default).record(key, duration);
    }

    /// The label sets of the attempts so far; none before the first.
    #[must_use]
    pub fn series(&self) -> Option<&SeriesTable> {
        self.series.get().map(Box::as_ref)
    }
}
