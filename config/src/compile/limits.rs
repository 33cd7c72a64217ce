//! Are the limits for clients ones that somebody can live with?

use std::time::Duration;

use rules::limits::{BodyRate, ClientLimits, ClientTimes, HeadLimits};

use super::findings::{Findings, Pointer};
use super::upstreams::not_zero;
use crate::document::Document;
use crate::document::limits::{ClientTimeoutsSpec, LimitsSpec};
use crate::units::ByteSize;

/// More fields, or more bytes of them, than the reader behind the gate takes.
const MOST_FIELDS: u32 = 250;
const MOST_FIELD_BYTES: u64 = 512 << 10;
/// A chunk's line waits whole in memory, and so do trailers.
const MOST_WAITING_BYTES: u64 = 64 << 10;
/// Connections that are closed sooner than this are of no use to anybody.
const SHORTEST_IDLE: Duration = Duration::from_secs(1);
/// The longest target that servers commonly agree to read.
const MOST_TARGET_BYTES: u64 = 64 << 10;

/// What clients may take.
pub(super) fn limits(document: &Document, findings: &mut Findings<'_>) -> ClientLimits {
    let (spec, times) = (&document.limits, &document.timeouts);
    let at = Pointer::root().key("limits");
    for (key, count) in [
        ("connections", spec.connections),
        ("connections_per_address", spec.connections_per_address),
        ("requests", spec.requests),
        ("streams", spec.streams),
        ("fields", spec.fields),
    ] {
        if count == 0 {
            let hint = "leave it out for the default".to_owned();
            let message = "a limit of zero lets nothing through";
            findings.error_with_hint(&at.key(key), "zero", message, hint);
        }
    }
    if spec.fields > MOST_FIELDS {
        let message = format!("at most {MOST_FIELDS} fields of a head can be read");
        findings.error(&at.key("fields"), "too_many", message);
    }
    for (key, size, most) in [
        ("target", spec.target, MOST_TARGET_BYTES),
        ("field_bytes", spec.field_bytes, MOST_FIELD_BYTES),
        ("chunk_extension", spec.chunk_extension, MOST_WAITING_BYTES),
        ("trailers", spec.trailers, MOST_WAITING_BYTES),
    ] {
        if size.0 == 0 || size.0 > most {
            let message = format!("{size} cannot be");
            let hint = format!("write a size up to {}", ByteSize(most));
            findings.error_with_hint(&at.key(key), "bad_size", message, hint);
        }
    }
    let bytes_per_second = u32::try_from(spec.body_rate.0).unwrap_or(u32::MAX);
    ClientLimits {
        connections: spec.connections,
        connections_per_address: spec.connections_per_address,
        requests: spec.requests,
        streams: spec.streams,
        head: head(spec),
        body: BodyRate { bytes_per_second, after: times.body.0 },
        times: self::times(times, findings),
    }
}

fn head(spec: &LimitsSpec) -> HeadLimits {
    let bytes = |size: ByteSize| usize::try_from(size.0).unwrap_or(usize::MAX);
    HeadLimits {
        target_bytes: bytes(spec.target),
        fields: usize::try_from(spec.fields).unwrap_or(usize::MAX),
        field_bytes: bytes(spec.field_bytes),
        extension_bytes: bytes(spec.chunk_extension),
        trailer_bytes: bytes(spec.trailers),
    }
}

fn times(spec: &ClientTimeoutsSpec, findings: &mut Findings<'_>) -> ClientTimes {
    let at = Pointer::root().key("timeouts");
    for (key, time) in [
        ("handshake", spec.handshake),
        ("head", spec.head),
        ("idle", spec.idle),
        ("read", spec.read),
        ("write", spec.write),
        ("total", spec.total),
    ] {
        not_zero(time, &at.key(key), findings);
    }
    if !spec.idle.0.is_zero() && spec.idle.0 < SHORTEST_IDLE {
        let message = format!("{} is shorter than a second", spec.idle);
        findings.error(&at.key("idle"), "too_short", message);
    }
    ClientTimes {
        handshake: spec.handshake.0,
        head: spec.head.0,
        idle: spec.idle.0,
        read: spec.read.0,
        write: spec.write.0,
    }
}
