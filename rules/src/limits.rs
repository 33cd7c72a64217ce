//! What may clients take? Connections, bytes and time.

use std::time::Duration;

/// What clients may take, all of them together and each of them.
///
/// ```
/// use rules::limits::ClientLimits;
/// let limits = ClientLimits::default();
/// assert_eq!(limits.head.target_bytes, 8 * 1024);
/// assert!(limits.connections_per_address < limits.connections);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// Connections of all clients.
    pub connections: u32,
    /// Connections of one client address, unless it is a trusted proxy's.
    pub connections_per_address: u32,
    /// Requests being served.
    pub requests: u32,
    /// Requests at the same time on one connection in HTTP/2.
    pub streams: u32,
    /// How much a head may hold, and what frames a body.
    pub head: HeadLimits,
    /// How slowly a body may come.
    pub body: BodyRate,
    /// How long each part of an exchange may take.
    pub times: ClientTimes,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 256,
            requests: 10_000,
            streams: 100,
            head: HeadLimits::default(),
            body: BodyRate::default(),
            times: ClientTimes::default(),
        }
    }
}

/// How much a head may hold, and what frames a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// The longest target, in bytes.
    pub target_bytes: usize,
    /// The most fields of a head.
    pub fields: usize,
    /// The most bytes of a head's field lines, their line ends included.
    pub field_bytes: usize,
    /// The longest chunk extension, in bytes, its semicolon included.
    pub extension_bytes: usize,
    /// The most bytes of trailers, their line ends included.
    pub trailer_bytes: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            target_bytes: 8 * 1024,
            fields: 100,
            field_bytes: 32 * 1024,
            extension_bytes: 256,
            trailer_bytes: 4 * 1024,
        }
    }
}

/// How slowly a body may come: who sends a byte now and then holds a connection to the service for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyRate {
    /// At least so many bytes each second, on average.
    pub bytes_per_second: u32,
    /// Only after this time is the rate looked at.
    pub after: Duration,
}

impl BodyRate {
    /// Whether a body of which `bytes` came within `elapsed` is too slow.
    ///
    /// ```
    /// use rules::limits::BodyRate;
    /// use std::time::Duration;
    /// let rate = BodyRate::default();
    /// assert!(!rate.is_too_slow(0, Duration::from_secs(20)));
    /// assert!(rate.is_too_slow(240 * 21 - 1, Duration::from_secs(21)));
    /// assert!(!rate.is_too_slow(240 * 21, Duration::from_secs(21)));
    /// ```
    #[must_use]
    pub fn is_too_slow(self, bytes: u64, elapsed: Duration) -> bool {
        let expected = u128::from(self.bytes_per_second) * elapsed.as_millis() / 1_000;
        elapsed > self.after && u128::from(bytes) < expected
    }

    /// How much longer nothing more may come of a body of which `bytes` came within `elapsed`; nothing where it is too
    /// slow already.
    ///
    /// ```
    /// use rules::limits::BodyRate;
    /// use std::time::Duration;
    /// let (rate, second) = (BodyRate::default(), Duration::from_secs(1));
    /// assert_eq!(rate.patience(0, second), Some(19 * second));
    /// assert_eq!(rate.patience(240 * 30, second), Some(29 * second));
    /// assert_eq!(rate.patience(240, 21 * second), None);
    /// ```
    #[must_use]
    pub fn patience(self, bytes: u64, elapsed: Duration) -> Option<Duration> {
        if self.is_too_slow(bytes, elapsed) {
            return None;
        }
        let enough_for = bytes.saturating_mul(1_000).checked_div(self.bytes_per_second.into());
        let until = enough_for.map_or(Duration::MAX, Duration::from_millis).max(self.after);
        Some(until.saturating_sub(elapsed))
    }
}

impl Default for BodyRate {
    fn default() -> Self {
        Self { bytes_per_second: 240, after: Duration::from_secs(20) }
    }
}

/// How long each part of an exchange with a client may take. The whole of it is bounded by its route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTimes {
    /// Until a TLS connection stands.
    pub handshake: Duration,
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// How long a connection may stay open without a request.
    pub idle: Duration,
    /// Between two reads of a body.
    pub read: Duration,
    /// How long the client may take no bytes of an answer.
    pub write: Duration,
}

impl Default for ClientTimes {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            handshake: seconds(5),
            head: seconds(10),
            idle: seconds(60),
            read: seconds(30),
            write: seconds(30),
        }
    }
}
