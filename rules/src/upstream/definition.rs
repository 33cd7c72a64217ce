//! What is an upstream told to do? Everything that a definition says, apart from what is found out while it serves.

use std::sync::Arc;
use std::time::Duration;

use super::target::Target;
use crate::tls::Certificate;
use crate::{Share, UpstreamName};

/// How many requests an HTTP/2 connection to a target carries at the same time.
pub const STREAMS_PER_CONNECTION: u16 = 128;

/// How a connection to an upstream is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The name to ask for and to verify; a target's own host name where none is given.
    pub server_name: Option<Box<str>>,
    /// Certificates to trust instead of the system's, as DER.
    pub roots: Option<Arc<Vec<Vec<u8>>>>,
    /// What Turnout itself shows to targets that ask for a certificate.
    pub client: Option<Arc<Certificate>>,
    /// Whether the certificate is not verified at all (`insecure_skip_verify`).
    pub skip_verify: bool,
}

/// How an upstream's targets are checked from time to time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is tried.
    pub probe: HealthProbe,
    /// The pause between two checks.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// So many good answers in a row make a target healthy again.
    pub healthy_after: u32,
    /// So many bad answers in a row make a target unhealthy.
    pub unhealthy_after: u32,
    /// So many answers, one right after the other, make one good check of a target that is new or was sick: they warm it
    /// up before it serves. At least one.
    pub warm: u32,
}

/// What a health check tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthProbe {
    /// GET of this path: well when the answer is 2xx or 3xx.
    Http(Box<str>),
    /// A connection: well when it stands.
    Tcp,
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

/// What keeps an upstream from harm, and its clients from a sick target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protection {
    /// When a target is left out because of what it answered.
    pub ejecting: Ejecting,
    /// How much it is asked at the same time.
    pub limits: Limits,
    /// When it is not asked at all for a while.
    pub breaking: Breaking,
    /// How many requests are tried again.
    pub retry: RetryBudget,
}

/// When a target that fails requests is left out: "passive" health checks, which cost nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ejecting {
    /// So many failures in a row: no connection, no answer, or a 5xx.
    pub consecutive: u32,
    /// How long it is left out the first time; twice as long the second time in close succession, then three times.
    pub time: Duration,
    /// It is never left out for longer.
    pub longest: Duration,
    /// At most this share of the upstream's targets is left out at the same time, rounded down; none with 0 %.
    pub most: Share,
}

impl Default for Ejecting {
    fn default() -> Self {
        let (time, longest) = (Duration::from_secs(30), Duration::from_mins(5));
        Self { consecutive: 5, time, longest, most: HALF }
    }
}

/// How much an upstream is asked at the same time. What exceeds it is refused at once: a queue would only add its own
/// waiting time to the upstream's, and the client knows better whether it still wants to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections in use. A request in flight is one in HTTP/1, and [`STREAMS_PER_CONNECTION`] share one in HTTP/2.
    pub max_connections: u32,
    /// Requests that have no connection yet: those that wait for one to be made.
    pub max_pending: u32,
}

impl Limits {
    /// How many requests may be in flight.
    pub(super) fn most_in_flight(self, http2: bool) -> u32 {
        let each = if http2 { u32::from(STREAMS_PER_CONNECTION) } else { 1 };
        self.max_connections.saturating_mul(each)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_connections: 10_000, max_pending: 1_024 }
    }
}

/// When an upstream is not asked at all for a while: a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaking {
    /// It opens when more than this share of the attempts in a window fail: no connection, no answer, or 502 to 504. Any
    /// other 5xx is an answer of the service, which the client should see. Never with 100 %.
    pub failures: Share,
    /// Fewer attempts than this in a window say nothing.
    pub min: u16,
    /// How long a window is; the next begins when it ends.
    pub window: Duration,
    /// How long it stays open before one request may try.
    pub pause: Duration,
}

impl Default for Breaking {
    fn default() -> Self {
        let (window, pause) = (Duration::from_secs(10), Duration::from_secs(1));
        Self { failures: HALF, min: 20, window, pause }
    }
}

/// How many requests may be tried again at the same time, so that retries do not bring down what is slow already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    /// Up to this share of the upstream's requests in flight.
    pub share: Share,
    /// And so many on top; none at all where both are nothing.
    pub min: u32,
}

impl RetryBudget {
    /// How many, with so many requests in flight.
    pub(super) fn most(self, in_flight: u32) -> u32 {
        let share = u64::from(in_flight) * u64::from(self.share.basis_points()) / 10_000;
        u32::try_from(share).unwrap_or(u32::MAX).saturating_add(self.min)
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { share: FIFTH, min: 3 }
    }
}

const HALF: Share = basis_points(5_000);
const FIFTH: Share = basis_points(2_000);

const fn basis_points(parts: u16) -> Share {
    match Share::from_basis_points(parts) {
        Some(share) => share,
        None => Share::ALL,
    }
}

/// An upstream before it serves: everything that a definition says.
#[derive(Debug)]
pub struct UpstreamDefinition {
    /// See [`Upstream::name`](super::Upstream::name).
    pub name: UpstreamName,
    /// See [`Upstream::generation`](super::Upstream::generation).
    pub generation: u64,
    /// See [`Upstream::targets`](super::Upstream::targets).
    pub targets: Vec<Target>,
    /// See [`Upstream::tls`](super::Upstream::tls).
    pub tls: Option<UpstreamTls>,
    /// See [`Upstream::http2`](super::Upstream::http2).
    pub http2: bool,
    /// See [`Upstream::health`](super::Upstream::health).
    pub health: Option<HealthCheck>,
    /// See [`Upstream::timeouts`](super::Upstream::timeouts).
    pub timeouts: UpstreamTimeouts,
    /// See [`Upstream::protection`](super::Upstream::protection).
    pub protection: Protection,
}
