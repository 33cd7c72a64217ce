//! Does the gate keep its word for any connection? What passes is read alike by all, however its bytes come.
#![no_main]

#[path = "../../proxy/src/gate/tests/oracle.rs"]
mod oracle;

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use proxy::gate::{ByteGate, Policy, Refusal};
use rules::limits::{ClientLimits, HeadLimits};
use rules::route::UnusualBodies;

/// What a gate made of the bytes of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Passed {
    bytes: Vec<u8>,
    verdict: Result<(), Refusal>,
}

/// Sends the pieces through a gate, reading everything that it hands over, so many bytes at a time.
fn pass<'p>(
    policy: &Arc<Policy>,
    mut pieces: impl Iterator<Item = &'p [u8]>,
    at_most: usize,
) -> Passed {
    let mut gate = ByteGate::new(Arc::clone(policy));
    let mut bytes = Vec::new();
    let verdict = pieces.try_for_each(|piece| {
        let mut piece = piece.to_vec();
        let passed = gate.push(&mut piece)?;
        bytes.extend_from_slice(&piece[..passed]);
        loop {
            match gate.pull(at_most)? {
                [] => return Ok(()),
                more => bytes.extend_from_slice(more),
            }
        }
    });
    Passed { bytes, verdict }
}

/// Limits that short inputs reach.
const LIMITS: HeadLimits = HeadLimits {
    target_bytes: 100,
    fields: 10,
    field_bytes: 400,
    extension_bytes: 16,
    trailer_bytes: 64,
};

fuzz_target!(|bytes: &[u8]| {
    // An input is a connection and nothing else, so that seeds can be read: what varies follows from its length.
    let bodies = [UnusualBodies::Refuse, UnusualBodies::Allow];
    let policy = Arc::new(Policy {
        limits: ClientLimits { head: LIMITS, ..ClientLimits::default() },
        methods: ["REPORT".into()].into(),
        identity: ["x-tenant-id"].into_iter().collect(),
        unusual_bodies: bodies[bytes.len() % 2],
    });
    let passed = pass(&policy, std::iter::once(bytes), usize::MAX);
    oracle::assert_canonical(&passed.bytes);
    assert!(passed.bytes.len() <= bytes.len());
    assert_eq!(pass(&policy, bytes.chunks(1), 1), passed);
    let length = 2 + bytes.len() % 37;
    assert_eq!(pass(&policy, bytes.chunks(length), usize::MAX), passed);
    let again = pass(&policy, std::iter::once(&*passed.bytes), usize::MAX);
    assert_eq!(again, Passed { bytes: passed.bytes, verdict: Ok(()) });
});
