//! How much load, how fast, how long?

use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

/// What decides when the next request goes out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Open loop: so many requests per second, however slow the answers are. Latency counts from the moment a request
    /// was due, so that a stall shows in every request that it held up (no coordinated omission).
    PerSecond(f64),
    /// Closed loop: so many connections, each of which asks again once it has its answer. Shows what is possible at
    /// most; its latencies leave out whoever would have come during a stall.
    Connections(usize),
}

/// What is spoken to the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// As many connections as requests are in flight.
    #[default]
    Http1,
    /// One connection for all requests. Without TLS by prior knowledge.
    Http2,
}

/// A bounded load.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the requests go.
    pub target: SocketAddr,
    /// When the next request goes out.
    pub pace: Pace,
    /// How many requests at most; `None`: until the time is over or somebody stops it.
    pub requests: Option<u64>,
    /// How long requests are begun; `None`: until enough are sent or somebody stops it.
    pub time: Option<Duration>,
    /// How long one request may take, body included, before it counts as failed.
    pub timeout: Duration,
    /// How many requests may be in flight at most (open loop). Those that are due beyond that wait; their latency runs.
    pub in_flight: usize,
    /// Whether requests of an open loop go out to the microsecond, for which a core is kept busy; else to the millisecond.
    pub punctual: bool,
    /// What is spoken.
    pub protocol: Protocol,
    /// With TLS, where the target shows a certificate for `localhost` that this one signed; else without.
    pub trusted: Option<CertificateDer<'static>>,
}

impl Plan {
    /// An open loop without an end, 10 s per request, at most 1,024 in flight.
    #[must_use]
    pub const fn per_second(target: SocketAddr, rate: f64) -> Self {
        Self::paced(target, Pace::PerSecond(rate))
    }

    /// A closed loop without an end, 10 s per request.
    #[must_use]
    pub const fn connections(target: SocketAddr, connections: usize) -> Self {
        Self::paced(target, Pace::Connections(connections))
    }

    const fn paced(target: SocketAddr, pace: Pace) -> Self {
        let timeout = Duration::from_secs(10);
        Self {
            target,
            pace,
            requests: None,
            time: None,
            timeout,
            in_flight: 1_024,
            punctual: false,
            protocol: Protocol::Http1,
            trusted: None,
        }
    }

    /// The same, ending after so many requests.
    #[must_use]
    pub fn for_requests(mut self, requests: u64) -> Self {
        self.requests = Some(requests);
        self
    }

    /// The same, ending after this time.
    #[must_use]
    pub fn for_time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }
}
