//! Which of an issuer's keys can verify signatures, and each by which algorithm? JSON Web Key Sets (RFC 7517).

use std::str::FromStr;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The shortest modulus of RSA that is still believed, in bits (RFC 7518 section 3.3).
const SHORTEST_RSA_BITS: usize = 2_048;
/// So many keys of a set are looked at. (INV-7)
const MOST_KEYS: usize = 64;

/// A key that signatures are verified with, by this one algorithm: who signs does not choose (RFC 8725 section 3.1).
#[derive(Debug, Clone)]
pub struct VerifyingKey {
    /// What tokens call it.
    pub id: Option<Box<str>>,
    /// How it is used.
    pub algorithm: Algorithm,
    /// The key itself.
    pub key: DecodingKey,
}

/// Why a text gives no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// It is something else.
    #[error("it is no JSON Web Key Set: an object with a list `keys` is expected (RFC 7517)")]
    NotASet,
    /// It has keys of other kinds only.
    #[error(
        "it has no key that signatures can be verified with: RSA of at least {SHORTEST_RSA_BITS} bits, P-256, P-384 or \
         Ed25519; shared secrets are none"
    )]
    NoneUsable,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// The usable keys of a set. `algorithms` are those that keys may be used with that do not name their own.
///
/// # Errors
/// When the text is not a key set, or has no usable key.
pub fn verifying_keys(
    text: &[u8],
    algorithms: &[Algorithm],
) -> Result<Vec<VerifyingKey>, KeysError> {
    let set: KeySet = serde_json::from_slice(text).map_err(|_other| KeysError::NotASet)?;
    let keys = set.keys.into_iter().take(MOST_KEYS);
    let keys = keys.filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    let usable: Vec<VerifyingKey> = keys.flat_map(|key| usable(&key, algorithms)).collect();
    if usable.is_empty() { Err(KeysError::NoneUsable) } else { Ok(usable) }
}

fn usable(key: &Jwk, algorithms: &[Algorithm]) -> Vec<VerifyingKey> {
    let is_for_others =
        matches!(&key.common.public_key_use, Some(other) if *other != PublicKeyUse::Signature);
    let Ok(decoding) = DecodingKey::from_jwk(key) else { return Vec::new() };
    if is_for_others {
        return Vec::new();
    }
    let fitting = fitting(&key.algorithm);
    let used: Vec<Algorithm> = match &key.common.key_algorithm {
        Some(own) => fitting.iter().copied().filter(|fit| names(own, *fit)).collect(),
        None if algorithms.is_empty() => fitting.iter().copied().take(1).collect(),
        None => fitting.iter().copied().filter(|fit| algorithms.contains(fit)).collect(),
    };
    let id: Option<Box<str>> = key.common.key_id.as_deref().map(Into::into);
    let one = |algorithm| VerifyingKey { id: id.clone(), algorithm, key: decoding.clone() };
    used.into_iter().map(one).collect()
}

/// The algorithms that a key can be used with, the most common first. A secret that both sides share is none: whoever
/// verifies with it could sign.
fn fitting(parameters: &AlgorithmParameters) -> &'static [Algorithm] {
    match parameters {
        AlgorithmParameters::RSA(rsa) if bits(&rsa.n) >= SHORTEST_RSA_BITS => &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(on) if on.curve == EllipticCurve::P256 => {
            &[Algorithm::ES256]
        }
        AlgorithmParameters::EllipticCurve(on) if on.curve == EllipticCurve::P384 => {
            &[Algorithm::ES384]
        }
        AlgorithmParameters::OctetKeyPair(on) if on.curve == EllipticCurve::Ed25519 => {
            &[Algorithm::EdDSA]
        }
        _ => &[],
    }
}

fn names(own: &KeyAlgorithm, algorithm: Algorithm) -> bool {
    Algorithm::from_str(&own.to_string()).is_ok_and(|own| own == algorithm)
}

/// The length of a number in base64url, as far as its characters tell.
fn bits(base64: &str) -> usize {
    base64.len() * 6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 43 characters of base64url are 32 bytes.
    const COORDINATE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn algorithms_of(key: &str, allowed: &[Algorithm]) -> Vec<Algorithm> {
        let text = format!("{{\"keys\": [{key}]}}");
        verifying_keys(text.as_bytes(), allowed)
            .map_or_else(|_none| Vec::new(), |keys| keys.iter().map(|key| key.algorithm).collect())
    }

    fn rsa(characters: usize, more: &str) -> String {
        format!(
            "{{\"kty\": \"RSA\", \"e\": \"AQAB\", \"n\": \"{}w\"{more}}}",
            "x".repeat(characters - 1)
        )
    }

    #[test]
    fn each_key_has_its_algorithm() {
        use Algorithm::{ES256, EdDSA, PS256, RS256, RS512};
        let curve = |name: &str| {
            format!(r#"{{"kty": "EC", "crv": "{name}", "x": "{COORDINATE}", "y": "{COORDINATE}"}}"#)
        };
        let ed25519 = format!(r#"{{"kty": "OKP", "crv": "Ed25519", "x": "{COORDINATE}"}}"#);
        for (key, allowed, found) in [
            (rsa(342, ""), &[][..], vec![RS256]),
            (rsa(342, ", \"alg\": \"PS256\""), &[], vec![PS256]),
            (rsa(342, ", \"alg\": \"PS256\""), &[RS256], vec![PS256]),
            (rsa(342, ""), &[PS256, RS512], vec![RS512, PS256]),
            (rsa(342, ""), &[ES256], vec![]),
            (rsa(171, ""), &[], vec![]),
            (rsa(342, ", \"use\": \"enc\""), &[], vec![]),
            (rsa(342, ", \"alg\": \"RSA-OAEP\""), &[], vec![]),
            (rsa(342, ", \"alg\": \"HS256\""), &[], vec![]),
            (curve("P-256"), &[], vec![ES256]),
            (curve("P-521"), &[], vec![]),
            (ed25519, &[], vec![EdDSA]),
            (r#"{"kty": "oct", "k": "c2VjcmV0"}"#.to_owned(), &[], vec![]),
            (r#"{"kty": "new"}"#.to_owned(), &[], vec![]),
        ] {
            assert_eq!(algorithms_of(&key, allowed), found, "{key} {allowed:?}");
        }
    }

    #[test]
    fn one_key_that_cannot_be_read_spoils_no_other() {
        let text = format!("{{\"keys\": [7, {{}}, {}]}}", rsa(342, ""));
        assert_eq!(verifying_keys(text.as_bytes(), &[]).unwrap().len(), 1);
        assert_eq!(verifying_keys(b"[]", &[]).unwrap_err(), KeysError::NotASet);
        assert_eq!(verifying_keys(b"{\"keys\": []}", &[]).unwrap_err(), KeysError::NoneUsable);
    }
}
