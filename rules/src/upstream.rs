//! Where do requests go? Named pools of weighted targets, and the pick among them.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::UpstreamName;
use crate::sli::{SeriesKey, SeriesTable};

/// A host name or address, with a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    host: Box<str>,
    port: u16,
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address: write `host:port`, for example `10.0.0.11:3000` or `[::1]:3000`")]
pub struct AddressError(String);

impl Address {
    /// The host name, or the address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The socket address, where the host is an address and needs no look-up.
    #[must_use]
    pub fn literal(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.port))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.to_owned());
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { host: address.ip().to_string().into(), port: address.port() });
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        let all_numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let is_host = host.len() <= 253 && !all_numeric && host.split('.').all(is_label);
        let port = port.parse().ok().filter(|port| *port != 0);
        match port {
            Some(port) if is_host => Ok(Self { host: host.to_ascii_lowercase().into(), port }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What is found out about a target while it serves: kept from one snapshot to the next, by upstream and address.
#[derive(Debug)]
pub struct TargetState {
    addresses: ArcSwap<Vec<SocketAddr>>,
    healthy: AtomicBool,
    series: OnceLock<Box<SeriesTable>>,
}

impl TargetState {
    /// The state of a target nobody has looked at: healthy, and resolved if it needs no look-up.
    #[must_use]
    pub fn new(address: &Address) -> Self {
        let addresses = address.literal().into_iter().collect::<Vec<_>>();
        Self {
            addresses: ArcSwap::from_pointee(addresses),
            healthy: AtomicBool::new(true),
            series: OnceLock::new(),
        }
    }

    /// The socket addresses that the target's name stands for.
    #[must_use]
    pub fn addresses(&self) -> Arc<Vec<SocketAddr>> {
        self.addresses.load_full()
    }

    /// Notes what the target's name stands for now. The resolver calls it; an empty answer is not news.
    pub fn resolved(&self, addresses: Vec<SocketAddr>) {
        if !addresses.is_empty() && **self.addresses.load() != addresses {
            self.addresses.store(Arc::new(addresses));
        }
    }

    /// Whether health checks find the target well.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Notes what health checks found.
    pub fn set_healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Ordering::Relaxed);
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

/// How a connection to an upstream is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The name to ask for and to verify; a target's own host name where none is given.
    pub server_name: Option<Box<str>>,
    /// Certificates to trust instead of the system's, as DER.
    pub roots: Option<Arc<Vec<Vec<u8>>>>,
    /// Whether the certificate is not verified at all (`insecure_skip_verify`).
    pub skip_verify: bool,
}

/// How an upstream's targets are checked from time to time: GET of a path, well when 2xx or 3xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The path to ask for.
    pub path: Box<str>,
    /// The pause between two checks.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// So many good answers in a row make a target healthy again.
    pub healthy_after: u32,
    /// So many bad answers in a row make a target unhealthy.
    pub unhealthy_after: u32,
}

/// How long each part of an exchange with an upstream may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// Between two reads of the answer.
    pub read: Duration,
    /// For one write of the request.
    pub write: Duration,
    /// How long an unused connection is kept.
    pub idle: Duration,
}

/// A named pool of targets.
#[derive(Debug)]
pub struct Upstream {
    /// Its name.
    pub name: UpstreamName,
    /// Grows whenever the upstream is defined anew: no connection of an older definition serves a newer one.
    pub generation: u64,
    /// Its targets.
    pub targets: Box<[Target]>,
    /// Set when the targets speak TLS.
    pub tls: Option<UpstreamTls>,
    /// Whether targets are spoken to in HTTP/2.
    pub http2: bool,
    /// How its targets are checked, if they are.
    pub health: Option<HealthCheck>,
    /// Its time-outs.
    pub timeouts: UpstreamTimeouts,
    /// Differs between any two definitions: connections that one made never serve another.
    pub pool_key: u64,
    turns: Turns,
}

/// An upstream before its turns are computed: everything that a definition says.
#[derive(Debug)]
pub struct UpstreamDefinition {
    /// See [`Upstream::name`].
    pub name: UpstreamName,
    /// See [`Upstream::generation`].
    pub generation: u64,
    /// See [`Upstream::targets`].
    pub targets: Vec<Target>,
    /// See [`Upstream::tls`].
    pub tls: Option<UpstreamTls>,
    /// See [`Upstream::http2`].
    pub http2: bool,
    /// See [`Upstream::health`].
    pub health: Option<HealthCheck>,
    /// See [`Upstream::timeouts`].
    pub timeouts: UpstreamTimeouts,
}

impl Upstream {
    /// The upstream of a definition.
    #[must_use]
    pub fn new(definition: UpstreamDefinition) -> Self {
        let UpstreamDefinition { name, generation, targets, tls, http2, health, timeouts } =
            definition;
        let turns = Turns::new(&targets);
        let targets = targets.into_boxed_slice();
        let mut hash = DefaultHasher::new();
        (name.as_str(), generation).hash(&mut hash);
        let pool_key = hash.finish();
        Self { name, generation, targets, tls, http2, health, timeouts, pool_key, turns }
    }

    /// The next target in turn that is healthy, resolved and not `except`; where none is healthy, the next resolved one.
    ///
    /// None when no target with a weight is resolved.
    #[must_use]
    pub fn pick(&self, except: Option<&Target>) -> Option<(&Target, SocketAddr)> {
        let turn = self.turns.next.fetch_add(1, Ordering::Relaxed);
        let in_turn = || {
            let order = self.turns.order.iter().cycle();
            let places =
                order.skip(turn % self.turns.order.len().max(1)).take(self.turns.order.len());
            places.filter_map(|place| self.targets.get(usize::from(*place)))
        };
        let not_excepted =
            |target: &&Target| except.is_none_or(|other| !Arc::ptr_eq(&other.state, &target.state));
        // Addresses change from round to round: at each turn, a target would see the same few of its addresses only.
        let round = turn / self.turns.order.len().max(1);
        let resolved = |target| Some((target, address_in_turn(target, round)?));
        in_turn()
            .filter(not_excepted)
            .filter(|target| target.state.is_healthy())
            .find_map(resolved)
            .or_else(|| in_turn().filter(not_excepted).find_map(resolved))
            .or_else(|| in_turn().find_map(resolved))
    }
}

fn address_in_turn(target: &Target, turn: usize) -> Option<SocketAddr> {
    let addresses = target.state.addresses.load();
    addresses.get(turn % addresses.len().max(1)).copied()
}

/// The order in which targets take their turns: smooth weighted round robin, unrolled once.
#[derive(Debug)]
struct Turns {
    order: Box<[u16]>,
    next: AtomicUsize,
}

impl Turns {
    /// Bounds the unrolled order; weights are scaled down to fit.
    const LONGEST: u32 = 4_096;

    fn new(targets: &[Target]) -> Self {
        let total: u32 = targets.iter().map(|target| u32::from(target.weight)).sum();
        let divisor = targets
            .iter()
            .map(|target| u32::from(target.weight))
            .filter(|weight| *weight > 0)
            .fold(0, greatest_common_divisor)
            .max(total.div_ceil(Self::LONGEST))
            .max(1);
        let mut credits: Vec<(u16, i64, i64)> = (0_u16..)
            .zip(targets)
            .filter(|(_, target)| target.weight > 0)
            .map(|(place, target)| {
                (place, i64::from((u32::from(target.weight) / divisor).max(1)), 0)
            })
            .collect();
        let round: i64 = credits.iter().map(|(_, weight, _)| *weight).sum();
        let mut order = Vec::new();
        for _ in 0..round {
            for (_, weight, credit) in &mut credits {
                *credit += *weight;
            }
            if let Some((place, _, credit)) = credits
                .iter_mut()
                .max_by_key(|(place, _, credit)| (*credit, std::cmp::Reverse(*place)))
            {
                *credit -= round;
                order.push(*place);
            }
        }
        Self { order: order.into(), next: AtomicUsize::new(0) }
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(targets: &[(&str, u16)]) -> Upstream {
        let target = |(address, weight): &(&str, u16)| {
            let address: Address = address.parse().unwrap();
            let state = Arc::new(TargetState::new(&address));
            Target { address, weight: *weight, state }
        };
        let second = Duration::from_secs(1);
        Upstream::new(UpstreamDefinition {
            name: "u".parse().unwrap(),
            generation: 1,
            targets: targets.iter().map(target).collect(),
            tls: None,
            http2: false,
            health: None,
            timeouts: UpstreamTimeouts {
                connect: second,
                read: second,
                write: second,
                idle: second,
            },
        })
    }

    fn picks(upstream: &Upstream, count: usize) -> Vec<u16> {
        (0..count).filter_map(|_| Some(upstream.pick(None)?.1.port())).collect()
    }

    #[test]
    fn weights_are_kept_and_turns_are_interleaved() {
        let upstream =
            upstream(&[("127.0.0.1:1", 500), ("127.0.0.1:2", 100), ("127.0.0.1:3", 100)]);
        assert_eq!(picks(&upstream, 7), [1, 1, 2, 1, 3, 1, 1]);
    }

    #[test]
    fn a_weight_of_zero_gets_nothing_and_sick_targets_are_passed_over() {
        let upstream = upstream(&[("127.0.0.1:1", 1), ("127.0.0.1:2", 1), ("127.0.0.1:3", 0)]);
        upstream.targets[0].state.set_healthy(false);
        assert_eq!(picks(&upstream, 3), [2, 2, 2]);
        upstream.targets[1].state.set_healthy(false);
        assert_eq!(picks(&upstream, 2).len(), 2, "where all are sick, each gets its turn");
        let first = upstream.targets[0].clone();
        assert_eq!(upstream.pick(Some(&first)).unwrap().1.port(), 2);
    }

    #[test]
    fn every_address_of_every_target_gets_its_turn() {
        let upstream = upstream(&[("a.internal:80", 1), ("b.internal:80", 1)]);
        for (target, ports) in upstream.targets.iter().zip([[1, 2], [3, 4]]) {
            target.state.resolved(ports.map(|port| ([127, 0, 0, 1], port).into()).into());
        }
        assert_eq!(picks(&upstream, 5), [1, 3, 2, 4, 1]);
    }

    #[test]
    fn an_unresolved_target_is_not_picked() {
        let upstream = upstream(&[("old.internal:80", 1)]);
        assert!(upstream.pick(None).is_none());
        upstream.targets[0].state.resolved(vec!["127.0.0.1:80".parse().unwrap()]);
        upstream.targets[0].state.resolved(vec![]);
        assert_eq!(picks(&upstream, 1), [80]);
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for good in ["10.0.0.1:80", "[::1]:3000", "sms.internal:8080", "localhost:1"] {
            assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "host",
            "host:",
            "host:0",
            "host:70000",
            "::1:80",
            "a b:80",
            "10.0.0:80",
            "http://a:80",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
