//! How is a body kept within its bounds?

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ring::digest;
use rules::exchange::NotComparable;

use super::ledger::{Claim, Ledger};

/// Shorter chunks are copied together, so that a body in many small chunks costs no more than its bytes.
const OWN_CHUNK_BYTES: usize = 2_048;

/// Why a body is no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is longer than the route allows.
    Oversize,
    /// All copies together hold as much as they may.
    NoRoom,
}

impl From<Refused> for NotComparable {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Oversize => Self::Oversize,
            Refused::NoRoom => Self::Shed,
        }
    }
}

/// A body as far as it has come by. Long chunks are shared with the primary, not copied.
#[derive(Debug)]
pub(super) struct KeptBody {
    chunks: Vec<Bytes>,
    tail: BytesMut,
    length: usize,
    max_bytes: usize,
    claim: Claim,
}

/// A whole body, and the claim that pays for it.
#[derive(Debug)]
pub(super) struct WholeBody {
    pub(super) bytes: Bytes,
    _claim: Claim,
}

impl KeptBody {
    pub(super) fn new(ledger: &Arc<Ledger>, max_bytes: usize) -> Self {
        let (chunks, tail) = (Vec::new(), BytesMut::new());
        Self { chunks, tail, length: 0, max_bytes, claim: ledger.empty_claim() }
    }

    /// Whether nothing has come by.
    pub(super) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Keeps one more chunk.
    pub(super) fn push(&mut self, chunk: &Bytes) -> Result<(), Refused> {
        if self.max_bytes.saturating_sub(self.length) < chunk.len() {
            return Err(Refused::Oversize);
        }
        if !self.claim.grow(chunk.len()) {
            return Err(Refused::NoRoom);
        }
        self.length += chunk.len();
        if chunk.len() < OWN_CHUNK_BYTES {
            self.tail.extend_from_slice(chunk);
        } else {
            self.seal_tail();
            self.chunks.push(chunk.clone());
        }
        Ok(())
    }

    /// Forgets what was kept.
    pub(super) fn clear(&mut self) {
        self.chunks = Vec::new();
        self.tail = BytesMut::new();
        self.length = 0;
        self.claim.release();
    }

    /// All of it in one piece: copied once where it came in several.
    pub(super) fn into_whole(mut self) -> WholeBody {
        self.seal_tail();
        let bytes = match self.chunks.len() {
            0 | 1 => self.chunks.pop().unwrap_or_default(),
            _ => self.chunks.concat().into(),
        };
        WholeBody { bytes, _claim: self.claim }
    }

    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push(std::mem::take(&mut self.tail).freeze());
        }
    }
}

/// An answer's body: kept within the bound; beyond it only its hash is taken as it goes by, from its first byte on.
#[derive(Debug)]
pub(super) struct AnswerBody(Held);

#[derive(Debug)]
enum Held {
    Kept(KeptBody),
    Passing(Passing),
}

struct Passing {
    hash: digest::Context,
    bytes: u64,
}

impl fmt::Debug for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passing").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// A whole answer's body, as far as it was kept.
#[derive(Debug)]
pub(super) enum SeenBody {
    Whole(WholeBody),
    Hashed { digest: [u8; 32], bytes: u64 },
}

impl AnswerBody {
    pub(super) fn new(ledger: &Arc<Ledger>, max_bytes: usize) -> Self {
        Self(Held::Kept(KeptBody::new(ledger, max_bytes)))
    }

    /// Takes in one more chunk; refuses it when all copies together hold as much as they may.
    pub(super) fn push(&mut self, chunk: &Bytes) -> Result<(), Refused> {
        match &mut self.0 {
            Held::Passing(passing) => passing.update(chunk),
            Held::Kept(kept) => match kept.push(chunk) {
                Err(Refused::Oversize) => {
                    let mut passing =
                        Passing { hash: digest::Context::new(&digest::SHA256), bytes: 0 };
                    kept.seal_tail();
                    kept.chunks.iter().chain([chunk]).for_each(|chunk| passing.update(chunk));
                    self.0 = Held::Passing(passing);
                }
                other => return other,
            },
        }
        Ok(())
    }

    pub(super) fn into_seen(self) -> SeenBody {
        match self.0 {
            Held::Kept(kept) => SeenBody::Whole(kept.into_whole()),
            Held::Passing(Passing { hash, bytes }) => {
                let mut digest = [0; 32];
                let hash = hash.finish();
                digest.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
                SeenBody::Hashed { digest, bytes }
            }
        }
    }
}

impl Passing {
    fn update(&mut self, chunk: &[u8]) {
        self.hash.update(chunk);
        self.bytes += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
    }
}

impl SeenBody {
    pub(super) fn as_body(&self) -> rules::compare::Body<'_> {
        match self {
            Self::Whole(whole) => rules::compare::Body::Whole(&whole.bytes),
            Self::Hashed { digest, bytes } => {
                rules::compare::Body::Hashed { digest: *digest, bytes: *bytes }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::ShadowLimits;

    #[test]
    fn a_long_answer_is_hashed_from_its_first_byte_on() {
        let ledger = ledger(100_000);
        let seen = |chunks: &[&'static [u8]]| {
            let mut body = AnswerBody::new(&ledger, 8);
            chunks.iter().for_each(|chunk| body.push(&Bytes::from_static(chunk)).unwrap());
            body.into_seen()
        };
        let expected = digest::digest(&digest::SHA256, b"abcdefghijkl");
        for chunks in [&[&b"abc"[..], b"defg", b"hij", b"kl"][..], &[b"abcdefghijkl"]] {
            let SeenBody::Hashed { digest, bytes } = seen(chunks) else { panic!("{chunks:?}") };
            assert_eq!((&digest[..], bytes), (expected.as_ref(), 12));
        }
        let SeenBody::Whole(whole) = seen(&[b"abcd", b"efgh"]) else { panic!("it fits") };
        assert_eq!(*whole.bytes, *b"abcdefgh");
        assert_eq!(ledger.gauges().bytes, 8, "what is hashed is not held");
    }

    fn ledger(max_bytes: usize) -> Arc<Ledger> {
        Ledger::new(ShadowLimits { max_in_flight: 1, max_bytes })
    }

    #[test]
    fn chunks_of_all_sizes_come_out_in_order() {
        let ledger = ledger(100_000);
        let mut body = KeptBody::new(&ledger, 100_000);
        let mut expected = Vec::new();
        for (fill, length) in (0_u8..).zip([1, 5_000, 0, 7, 2_048, 2_047, 9]) {
            let chunk = vec![fill; length];
            body.push(&chunk.clone().into()).unwrap();
            expected.extend(chunk);
        }
        let whole = body.into_whole();
        assert_eq!(whole.bytes, expected);
        assert_eq!(ledger.gauges().bytes, expected.len());
        drop(whole);
        assert_eq!(ledger.gauges().bytes, 0);
    }

    #[test]
    fn a_body_ends_at_its_own_bound_or_at_that_of_all() {
        let ledger = ledger(10);
        let mut body = KeptBody::new(&ledger, 8);
        assert_eq!(body.push(&Bytes::from_static(&[0; 9])), Err(Refused::Oversize));
        assert_eq!(body.push(&Bytes::from_static(&[0; 8])), Ok(()));
        let mut other = KeptBody::new(&ledger, 8);
        assert_eq!(other.push(&Bytes::from_static(&[0; 3])), Err(Refused::NoRoom));
        body.clear();
        assert_eq!(other.push(&Bytes::from_static(&[0; 3])), Ok(()));
        assert_eq!(body.into_whole().bytes, Bytes::new());
    }
}
