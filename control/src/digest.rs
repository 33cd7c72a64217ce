//! How is a hash made and written? And what is there only once?

use jiff::Timestamp;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

/// The SHA-256 (FIPS 180-4) of some bytes, in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// A text that there is once: by which a history, a commit, a rollback or a process is told from another one.
#[must_use]
pub fn unique() -> String {
    let mut random = [0; 16];
    // Without randomness the clock has to do: it is hardly ever the same twice.
    match SecureRandom::fill(&SystemRandom::new(), &mut random) {
        Ok(()) => hex(&random),
        Err(_) => Timestamp::now().to_string(),
    }
}

/// Bytes in hexadecimal, in lower case.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// What is written in hexadecimal; none where it is not.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_standard() {
        // FIPS 180-4's example, "abc".
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), hash);
        assert_eq!(hex(&unhex(hash).unwrap()), hash);
        assert!(unhex("abc").is_none() && unhex("zz").is_none());
    }
}
