//! Does the gate keep its word for whole connections?

mod connections;
mod oracle;
mod properties;
mod streams;

use std::sync::Arc;

use super::{ByteGate, Policy, Refusal};

/// What a gate made of the bytes of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Passed {
    bytes: Vec<u8>,
    verdict: Result<(), Refusal>,
}

fn policy() -> Policy {
    Policy {
        methods: ["REPORT".into()].into(),
        identity: ["x-tenant-id"].into_iter().collect(),
        ..Policy::default()
    }
}

/// Sends the pieces through a gate, reading everything that it hands over, so many bytes at a time.
fn pass<'p>(pieces: impl IntoIterator<Item = &'p [u8]>, at_most: usize) -> Passed {
    let mut gate = ByteGate::new(Arc::new(policy()));
    let mut bytes = Vec::new();
    let verdict = pieces.into_iter().try_for_each(|piece| {
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

fn at_once(bytes: &[u8]) -> Passed {
    pass([bytes], usize::MAX)
}

fn byte_by_byte(bytes: &[u8]) -> Passed {
    pass(bytes.chunks(1), 1)
}
