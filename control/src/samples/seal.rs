//! How is a sample encrypted? With a key from outside of everything that Turnout keeps.
//!
//! AES-256-GCM (NIST SP 800-38D), under a key of this process that HKDF (RFC 5869) makes of the configured one and of
//! random bytes. So nonces are just counted, and none is ever used twice, whichever keys were in force meanwhile.

use std::fmt;
use std::sync::Arc;

use config::document::secret::Secret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use rules::compare::{Sample, SampledValue};
use serde::{Deserialize, Serialize};

const KEY_ID_BYTES: usize = 8;

/// A sample as it is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSample {
    /// The exchange.
    pub exchange: String,
    /// What stable had.
    pub stable: Option<KeptValue>,
    /// What the candidate had.
    pub candidate: Option<KeptValue>,
}

/// One side of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptValue {
    /// Where.
    pub place: String,
    /// What; none where it was redacted.
    pub value: Option<String>,
}

/// For whoever opens it, and for no log. (INV-12)
impl fmt::Debug for KeptValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[value]")
    }
}

impl KeptSample {
    pub(super) fn new(exchange: &str, sample: &Sample) -> Self {
        let side = |side: &SampledValue| KeptValue {
            place: side.place.to_string(),
            value: side.value.as_deref().map(str::to_owned),
        };
        Self {
            exchange: exchange.to_owned(),
            stable: sample.stable.as_ref().map(side),
            candidate: sample.candidate.as_ref().map(side),
        }
    }
}

/// An encrypted sample.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) at_unix_ms: i64,
    key: [u8; KEY_ID_BYTES],
    nonce: u64,
    bytes: Box<[u8]>,
}

impl Sealed {
    /// What it takes in memory, its place in the lists included.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + 128
    }

    /// What an onlooker sees of it.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why a sample cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Another key was in force when it was taken.
    OtherKey,
    /// It is not what was sealed, or not for this signature.
    Damaged,
}

/// What samples are sealed with.
#[derive(Debug, Default)]
pub(super) struct Seals {
    /// Random bytes of this process, drawn when the first sample is sealed.
    salt: Option<[u8; 32]>,
    nonces: u64,
    key: Option<Key>,
}

struct Key {
    secret: Arc<Secret>,
    id: [u8; KEY_ID_BYTES],
    aead: LessSafeKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

impl Seals {
    /// Seals a sample of what is named, with the key in force; none where that is not possible.
    pub(super) fn seal(
        &mut self,
        secret: &Arc<Secret>,
        named: &str,
        at_unix_ms: i64,
        sample: &KeptSample,
    ) -> Option<Sealed> {
        let nonce = self.nonces;
        let key = self.key(secret)?;
        let mut bytes = serde_json::to_vec(sample).ok()?;
        key.aead.seal_in_place_append_tag(nonce_of(nonce), aad(named), &mut bytes).ok()?;
        let sealed = Sealed { at_unix_ms, key: key.id, nonce, bytes: bytes.into() };
        self.nonces += 1;
        Some(sealed)
    }

    /// Opens a sample of what is named.
    pub(super) fn open(
        &mut self,
        secret: &Arc<Secret>,
        named: &str,
        sealed: &Sealed,
    ) -> Result<KeptSample, Unreadable> {
        let key = self.key(secret).ok_or(Unreadable::Damaged)?;
        if key.id != sealed.key {
            return Err(Unreadable::OtherKey);
        }
        let mut bytes = sealed.bytes.to_vec();
        let opened = key.aead.open_in_place(nonce_of(sealed.nonce), aad(named), &mut bytes);
        let opened = opened.map_err(|_unspecified| Unreadable::Damaged)?;
        serde_json::from_slice(opened).map_err(|_unreadable| Unreadable::Damaged)
    }

    fn key(&mut self, secret: &Arc<Secret>) -> Option<&Key> {
        let is_same = |key: &Key| Arc::ptr_eq(&key.secret, secret) || key.secret == *secret;
        if !self.key.as_ref().is_some_and(is_same) {
            let salt = self.salt.map_or_else(drawn, Some)?;
            self.salt = Some(salt);
            self.key = Some(derived(&salt, secret)?);
        }
        self.key.as_ref()
    }
}

fn drawn() -> Option<[u8; 32]> {
    let mut salt = [0; 32];
    SystemRandom::new().fill(&mut salt).ok()?;
    Some(salt)
}

/// The key of this process.
fn derived(salt: &[u8], secret: &Arc<Secret>) -> Option<Key> {
    struct Id;
    impl KeyType for Id {
        fn len(&self) -> usize {
            KEY_ID_BYTES
        }
    }
    let extracted = Salt::new(HKDF_SHA256, salt).extract(secret.reveal());
    let aead = UnboundKey::from(extracted.expand(&[b"turnout samples"], &AES_256_GCM).ok()?);
    let mut id = [0; KEY_ID_BYTES];
    extracted.expand(&[b"turnout samples id"], Id).ok()?.fill(&mut id).ok()?;
    Some(Key { secret: Arc::clone(secret), id, aead: LessSafeKey::new(aead) })
}

fn nonce_of(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    Nonce::assume_unique_for_key(bytes)
}

/// What it is a sample of is sealed with it: one cannot be shown as another's.
fn aad(named: &str) -> Aad<&[u8]> {
    Aad::from(named.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Arc<Secret> {
        Arc::new(Secret::of(text.repeat(32).as_bytes()))
    }

    fn sample() -> KeptSample {
        let value = KeptValue { place: "/name".to_owned(), value: Some("\"Ann\"".to_owned()) };
        KeptSample { exchange: "x1".to_owned(), stable: Some(value), candidate: None }
    }

    #[test]
    fn what_is_sealed_can_be_opened_with_its_key_and_for_its_signature_alone() {
        let (mut seals, key) = (Seals::default(), secret("a"));
        let mut sealed = seals.seal(&key, "sms-1", 7, &sample()).unwrap();
        let text = String::from_utf8_lossy(sealed.bytes()).into_owned();
        assert!(!text.contains("Ann") && !text.contains("name"));
        assert_eq!(seals.open(&key, "sms-1", &sealed), Ok(sample()));
        assert_eq!(seals.open(&secret("b"), "sms-1", &sealed), Err(Unreadable::OtherKey));
        assert_eq!(seals.open(&secret("a"), "sms-1", &sealed), Ok(sample()), "the key is back");
        assert_eq!(seals.open(&key, "sms-2", &sealed), Err(Unreadable::Damaged));
        let another = Seals::default().open(&key, "sms-1", &sealed);
        assert_eq!(another, Err(Unreadable::OtherKey), "each process has a key of its own");
        sealed.bytes[3] ^= 1;
        assert_eq!(seals.open(&key, "sms-1", &sealed), Err(Unreadable::Damaged));
        assert!(!format!("{seals:?} {sealed:?} {:?}", sample()).contains("Ann"));
    }

    #[test]
    fn no_nonce_is_used_twice_whichever_key_is_in_force() {
        let mut seals = Seals::default();
        let keys = [secret("a"), secret("b"), secret("a")];
        let sealed = keys.map(|key| seals.seal(&key, "sms-1", 0, &sample()).unwrap());
        assert_eq!(sealed.each_ref().map(|sealed| sealed.nonce), [0, 1, 2]);
        assert_ne!(sealed[0].bytes(), sealed[2].bytes());
    }
}
