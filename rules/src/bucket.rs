//! Which bucket is a key in? The frozen hash behind every share. (INV-6)

use crate::Share;

/// One of 10,000 equal parts of all keys.
///
/// `(u64(murmur3_x86_32(seed ":" key, seed 0)) * 10000) >> 32` over UTF-8 bytes. The function is frozen: a key keeps its
/// bucket for ever, so raising a share only adds keys to the candidate and never moves one back.
///
/// ```
/// use rules::{Bucket, Share};
/// let bucket = Bucket::of("rollout-7", "tenant-0005");
/// assert_eq!(bucket.index(), 422);
/// assert!(bucket.is_within("5%".parse::<Share>().unwrap()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u16);

impl Bucket {
    /// The bucket of `key` among those of `seed` (a route's name, unless its configuration says otherwise).
    #[must_use]
    pub fn of(seed: &str, key: &str) -> Self {
        let mut hash = Murmur3::default();
        hash.write(seed.as_bytes());
        hash.write(b":");
        hash.write(key.as_bytes());
        let scaled = (u64::from(hash.finish()) * 10_000) >> 32;
        Self(u16::try_from(scaled).unwrap_or(u16::MAX))
    }

    /// The bucket's number, 0 to 9,999.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.0
    }

    /// Whether the bucket is among the first `share` of all buckets.
    #[must_use]
    pub const fn is_within(self, share: Share) -> bool {
        self.0 < share.basis_points()
    }
}

/// `MurmurHash3_x86_32` with seed 0 (Austin Appleby, public domain), fed in pieces so that `seed:key` needs no buffer.
#[derive(Default)]
struct Murmur3 {
    state: u32,
    pending: [u8; 4],
    pending_len: usize,
    length: u32,
}

impl Murmur3 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;

    fn write(&mut self, bytes: &[u8]) {
        // Keys are far shorter than 4 GiB.
        self.length = self.length.wrapping_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        let missing = (4 - self.pending_len) % 4;
        let (head, rest) = bytes.split_at(missing.min(bytes.len()));
        let (blocks, tail) = rest.as_chunks();
        head.iter().for_each(|byte| self.write_byte(*byte));
        blocks.iter().for_each(|block| self.write_block(*block));
        tail.iter().for_each(|byte| self.write_byte(*byte));
    }

    fn write_byte(&mut self, byte: u8) {
        if let Some(slot) = self.pending.get_mut(self.pending_len) {
            *slot = byte;
        }
        self.pending_len += 1;
        if self.pending_len == 4 {
            self.write_block(self.pending);
            self.pending = [0; 4];
            self.pending_len = 0;
        }
    }

    fn write_block(&mut self, block: [u8; 4]) {
        self.state ^= Self::scramble(u32::from_le_bytes(block));
        self.state = self.state.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }

    fn finish(mut self) -> u32 {
        self.state ^= Self::scramble(u32::from_le_bytes(self.pending));
        let mut h = self.state ^ self.length;
        h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
        h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
        h ^ (h >> 16)
    }

    fn scramble(block: u32) -> u32 {
        block.wrapping_mul(Self::C1).rotate_left(15).wrapping_mul(Self::C2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn murmur3(bytes: &[u8], seed: u32) -> u32 {
        let mut hash = Murmur3 { state: seed, ..Murmur3::default() };
        hash.write(bytes);
        hash.finish()
    }

    fn vectors(text: &str) -> Vec<Value> {
        let cases: Value = serde_json::from_str(text).unwrap();
        cases["vectors"].as_array().unwrap().clone()
    }

    #[test]
    fn murmur3_agrees_with_the_reference_vectors() {
        let cases = vectors(include_str!("../cases/hash/murmur3_x86_32.json"));
        assert!(cases.len() > 100);
        for case in cases {
            let input: Vec<u8> = case["input_hex"]
                .as_str()
                .unwrap()
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect();
            let seed = u32::try_from(case["seed"].as_u64().unwrap()).unwrap();
            let expected = case["murmur3_x86_32"].as_u64().unwrap();
            assert_eq!(u64::from(murmur3(&input, seed)), expected, "{case}");
        }
    }

    #[test]
    fn the_bucket_function_agrees_with_the_reference_vectors() {
        for case in vectors(include_str!("../cases/hash/flagd_fractional.json")) {
            let hash = murmur3(case["bucketBy"].as_str().unwrap().as_bytes(), 0);
            assert_eq!(u64::from(hash), case["hash"].as_u64().unwrap());
            let expected = case["v2_bucket"]["10000"].as_u64().unwrap();
            assert_eq!((u64::from(hash) * 10_000) >> 32, expected, "{case}");
        }
    }

    #[test]
    fn a_ramp_only_ever_adds_keys() {
        let cases = vectors(include_str!("../cases/hash/ramp_monotone_400.json"));
        assert_eq!(cases.len(), 400);
        for case in cases {
            let (seed, key) = case["key"].as_str().unwrap().split_once(':').unwrap();
            let bucket = Bucket::of(seed, key);
            assert_eq!(u64::from(bucket.index()), case["bucket_bp"].as_u64().unwrap());
            for (share, column) in
                [("5%", "in_5"), ("25%", "in_25"), ("50%", "in_50"), ("100%", "in_100")]
            {
                let within = bucket.is_within(share.parse().unwrap());
                assert_eq!(within, case[column].as_bool().unwrap(), "{case}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_key_may_be_fed_in_pieces(pieces in proptest::collection::vec(".{0,9}", 0..6)) {
            let mut hash = Murmur3::default();
            pieces.iter().for_each(|piece| hash.write(piece.as_bytes()));
            prop_assert_eq!(hash.finish(), murmur3(pieces.concat().as_bytes(), 0));
        }

        #[test]
        fn raising_a_share_never_moves_a_key_back(seed in ".{0,12}", key in ".{0,40}", low in 0_u16..=10_000, more in 0_u16..=10_000) {
            let high = low.saturating_add(more).min(10_000);
            let bucket = Bucket::of(&seed, &key);
            prop_assert!(bucket.index() < 10_000);
            let (low, high) = (Share::from_basis_points(low).unwrap(), Share::from_basis_points(high).unwrap());
            prop_assert!(!bucket.is_within(low) || bucket.is_within(high));
        }
    }
}
