//! What may clients take? Connections, bytes and time, for all of them together and for each.

use rules::limits::{BodyRate, ClientLimits, HeadLimits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{ByteSize, Time};

/// How much clients may take. What exceeds it is refused and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSpec {
    /// Connections of all clients.
    pub connections: u32,
    /// Connections of one client address; trusted proxies are exempt.
    pub connections_per_address: u32,
    /// Requests being served. Before there are as many, copies, comparisons and new connections are given up, in this order.
    pub requests: u32,
    /// Requests at the same time on one connection in HTTP/2.
    pub streams: u32,
    /// The longest target: path and query.
    pub target: ByteSize,
    /// The most fields of a head.
    pub fields: u32,
    /// All fields of a head together.
    pub field_bytes: ByteSize,
    /// The longest extension of a chunk; extensions are left out on the way.
    pub chunk_extension: ByteSize,
    /// All trailer fields together.
    pub trailers: ByteSize,
    /// So much of a body must come each second, on average, once `timeouts: {body: ..}` is over.
    pub body_rate: ByteSize,
}

impl Default for LimitsSpec {
    fn default() -> Self {
        let ClientLimits { connections, connections_per_address, requests, streams, .. } =
            ClientLimits::default();
        let head = HeadLimits::default();
        let bytes = |bytes: usize| ByteSize(u64::try_from(bytes).unwrap_or(u64::MAX));
        Self {
            connections,
            connections_per_address,
            requests,
            streams,
            target: bytes(head.target_bytes),
            fields: u32::try_from(head.fields).unwrap_or(u32::MAX),
            field_bytes: bytes(head.field_bytes),
            chunk_extension: bytes(head.extension_bytes),
            trailers: bytes(head.trailer_bytes),
            body_rate: ByteSize(BodyRate::default().bytes_per_second.into()),
        }
    }
}

/// How long each part of an exchange with a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTimeoutsSpec {
    /// Until a TLS connection stands.
    pub handshake: Time,
    /// From the first byte of a head to its last.
    pub head: Time,
    /// How long a connection may stay open without a request.
    pub idle: Time,
    /// Between two reads of a body.
    pub read: Time,
    /// How long a body may take before its rate is looked at.
    pub body: Time,
    /// How long the client may take no bytes of an answer.
    pub write: Time,
    /// From the head of a request to the end of its answer, unless the route says otherwise.
    pub total: Time,
}

impl Default for ClientTimeoutsSpec {
    fn default() -> Self {
        let ClientLimits { body, times, .. } = ClientLimits::default();
        Self {
            handshake: Time(times.handshake),
            head: Time(times.head),
            idle: Time(times.idle),
            read: Time(times.read),
            body: Time(body.after),
            write: Time(times.write),
            total: Time(std::time::Duration::from_secs(60)),
        }
    }
}
