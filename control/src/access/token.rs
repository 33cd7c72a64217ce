//! What is a token? 256 random bits in a text that is easy to find where it does not belong, and known by its hash alone.

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use crate::digest::{hex, sha256};

/// What every token begins with, so that whoever looks for leaked secrets finds it.
const PREFIX: &str = "turnout_";
const HASH: &str = "sha256:";

/// A new token, and its hash. It is shown once and kept nowhere.
///
/// # Errors
/// When the system has no randomness.
pub fn generate() -> Result<(String, String), ring::error::Unspecified> {
    let mut secret = [0; 32];
    SystemRandom::new().fill(&mut secret)?;
    let token = format!("{PREFIX}{}", hex(&secret));
    let hash = hash(&token);
    Ok((token, hash))
}

/// The hash that is kept of a token. A fast one is enough for what nobody can guess.
#[must_use]
pub fn hash(token: &str) -> String {
    format!("{HASH}{}", sha256(token.as_bytes()))
}

/// Whether a text is the hash of a token.
#[must_use]
pub fn is_hash(text: &str) -> bool {
    let digits = text.strip_prefix(HASH).unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// What goes with this hash, of all that is kept by hash. Every one is compared, each in a time that does not tell how much
/// of it was right.
pub fn find<'t, T>(hash: &str, kept: impl IntoIterator<Item = (&'t str, T)>) -> Option<T> {
    kept.into_iter().fold(None, |found, (known, one)| {
        let is_it = bool::from(known.as_bytes().ct_eq(hash.as_bytes()));
        if is_it { Some(one) } else { found }
    })
}

/// Whether a token that expires then is good no more.
#[must_use]
pub fn is_over(expires: Option<&str>, now: Timestamp) -> bool {
    // What cannot be read was refused before it was kept.
    expires.is_some_and(|at| at.parse::<Timestamp>().is_ok_and(|at| at <= now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash_alone() {
        let (token, made) = generate().unwrap();
        assert_eq!(hash(&token), made);
        assert!(is_hash(&made) && !is_hash(&token) && !is_hash("sha256:00"));
        assert_ne!(generate().unwrap().0, token);
        let other = hash("x");
        let all = [(&*other, "other"), (&*made, "mine")];
        assert_eq!(find(&made, all), Some("mine"));
        assert!(find(&hash("y"), all).is_none());
        let expires = Some("2026-01-01T00:00:00Z");
        assert!(is_over(expires, "2026-01-01T00:00:00Z".parse().unwrap()));
        assert!(!is_over(expires, "2025-12-31T23:59:59Z".parse().unwrap()));
        assert!(!is_over(None, Timestamp::MAX));
    }
}
