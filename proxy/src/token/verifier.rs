//! Is this token one of this issuer's, meant for us, and in its time? What was found is remembered.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use config::jwks::{KeysError, VerifyingKey, verifying_keys};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use quick_cache::sync::Cache;
use ring::digest::{SHA256, digest};
use rules::token::{Claims, Issuer, KeySource, TokenProblem};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

/// So many tokens of an issuer are remembered; the least used are forgotten. (INV-7)
const REMEMBERED: usize = 16_384;

/// So many keys are tried where a token does not say by which of them it is signed.
const MOST_TRIED: usize = 4;

/// A print, of a token for example: what is remembered of it is of no use to whoever reads the memory.
type Print = [u8; 32];

/// Judges the tokens of one issuer.
pub(super) struct Verifier {
    pub(super) issuer: Issuer,
    /// None before they are known.
    keys: ArcSwapOption<Keys>,
    /// Whether a token named a key that is not known: the issuer may have a new one.
    pub(super) key_missed: AtomicBool,
    /// Whether it was asked for its keys, and answered or failed.
    pub(super) was_asked: AtomicBool,
    pub(super) counts: Arc<Counts>,
}

/// The keys of an issuer, with the tokens that were good by them.
struct Keys {
    keys: Arc<[VerifyingKey]>,
    /// Of the text that they were read from.
    text: Print,
    known: Cache<Print, Arc<Verified>>,
}

/// A good token.
#[derive(Debug)]
pub struct Verified {
    /// What routes read of it.
    pub claims: Claims,
    /// When its time is over, leeway included, in seconds since 1970.
    until: u64,
}

/// What came of tokens.
#[derive(Default)]
pub(super) struct Counts {
    /// Good, and known to be.
    remembered: AtomicU64,
    /// Good, found by looking.
    verified: AtomicU64,
    refused: [AtomicU64; PROBLEMS.len()],
}

const PROBLEMS: [TokenProblem; 7] = [
    TokenProblem::Malformed,
    TokenProblem::Algorithm,
    TokenProblem::Key,
    TokenProblem::Signature,
    TokenProblem::Issuer,
    TokenProblem::Time,
    TokenProblem::NoKeys,
];

impl Counts {
    /// Counts a token that proves nothing.
    pub(super) fn count(&self, problem: TokenProblem) {
        let mut refused = PROBLEMS.into_iter().zip(&self.refused);
        if let Some((_, counter)) = refused.find(|(known, _)| *known == problem) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What came of tokens, by outcome.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let good = [("remembered", &self.remembered), ("verified", &self.verified)];
        let refused = PROBLEMS.into_iter().map(TokenProblem::as_str).zip(&self.refused);
        let all = good.into_iter().chain(refused);
        all.map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)))
    }
}

impl Verifier {
    pub(super) fn new(issuer: Issuer) -> Self {
        let verifier = Self {
            issuer,
            keys: ArcSwapOption::empty(),
            key_missed: AtomicBool::new(false),
            was_asked: AtomicBool::new(false),
            counts: Arc::default(),
        };
        if let KeySource::Set(text) = &verifier.issuer.keys {
            // Compiling has found that they can be used.
            verifier.take_keys(text.as_bytes()).ok();
        }
        verifier
    }

    /// The verifier of an issuer that had another definition before: it is counted on, and the keys are the same where
    /// they come from the same place, so that nobody waits for them again. (INV-9)
    pub(super) fn following(issuer: Issuer, before: &Self) -> Self {
        let is_same =
            before.issuer.keys == issuer.keys && before.issuer.algorithms == issuer.algorithms;
        let next = Self { counts: Arc::clone(&before.counts), ..Self::new(issuer) };
        if let Some(keys) = before.keys.load().as_ref().filter(|_| is_same) {
            let keys = Keys::new(Arc::clone(&keys.keys), keys.text);
            next.keys.store(Some(Arc::new(keys)));
        }
        next
    }

    /// Takes these keys instead of the ones before, and forgets who was good by those.
    ///
    /// # Errors
    /// When they cannot be used; those before go on.
    pub(super) fn take_keys(&self, text: &[u8]) -> Result<(), KeysError> {
        let algorithms = self.issuer.algorithms.iter();
        let algorithms: Vec<_> =
            algorithms.filter_map(|name| Algorithm::from_str(name).ok()).collect();
        let (keys, print) = (verifying_keys(text, &algorithms)?, print_of(text));
        // Where nothing is new, what is known stays known.
        if self.keys.load().as_ref().is_none_or(|known| known.text != print) {
            self.keys.store(Some(Arc::new(Keys::new(keys.into(), print))));
        }
        Ok(())
    }

    /// How many keys are known.
    pub(super) fn key_count(&self) -> usize {
        self.keys.load().as_ref().map_or(0, |keys| keys.keys.len())
    }

    /// What a token says, if it is good at this time.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub(super) fn judge(&self, token: &str, now_unix: u64) -> Result<Arc<Verified>, TokenProblem> {
        self.look(token, now_unix).inspect_err(|problem| self.counts.count(*problem))
    }

    fn look(&self, token: &str, now_unix: u64) -> Result<Arc<Verified>, TokenProblem> {
        let keys = self.keys.load();
        let keys = keys.as_ref().ok_or(TokenProblem::NoKeys)?;
        let print = print_of(token.as_bytes());
        if let Some(known) = keys.known.get(&print) {
            if now_unix > known.until {
                return Err(TokenProblem::Time);
            }
            self.counts.remembered.fetch_add(1, Ordering::Relaxed);
            return Ok(known);
        }
        let verified = Arc::new(self.verify(token, &keys.keys)?);
        keys.known.insert(print, Arc::clone(&verified));
        self.counts.verified.fetch_add(1, Ordering::Relaxed);
        Ok(verified)
    }

    fn verify(&self, token: &str, keys: &[VerifyingKey]) -> Result<Verified, TokenProblem> {
        let head = decode_header(token).map_err(|error| problem(error.kind()))?;
        // What must be understood and is not makes it another kind of token (RFC 7515 section 4.1.11).
        if head.crit.is_some() {
            return Err(TokenProblem::Malformed);
        }
        let mut judged = Err(TokenProblem::Key);
        for key in self.keys_for(&head, keys)? {
            judged = self.verify_by(key, token);
            if !matches!(judged, Err(TokenProblem::Signature)) {
                return judged;
            }
        }
        if head.kid.is_some() && keys.iter().any(|key| key.id.is_none()) {
            self.key_missed.store(true, Ordering::Relaxed);
        }
        judged
    }

    fn verify_by(&self, key: &VerifyingKey, token: &str) -> Result<Verified, TokenProblem> {
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = self.issuer.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.issuer.issuer]);
        validation.set_audience(&self.issuer.audiences);
        let data = decode::<Payload>(token, &key.key, &validation);
        let payload = data.map_err(|error| problem(error.kind()))?.claims;
        if payload.text("iss") != Some(&self.issuer.issuer) {
            return Err(TokenProblem::Issuer);
        }
        let until = payload.time("exp").ok_or(TokenProblem::Time)?;
        let wanted = self.issuer.claims.iter().filter_map(|name| payload.claim(name));
        let until = until.saturating_add(self.issuer.leeway.as_secs());
        Ok(Verified { claims: Claims::new(wanted), until })
    }

    /// The keys that a token can be signed with, by its name for them and its algorithm; those without a name only where
    /// none has that. What it brings along itself is not asked.
    fn keys_for<'k>(
        &self,
        head: &Header,
        keys: &'k [VerifyingKey],
    ) -> Result<Vec<&'k VerifyingKey>, TokenProblem> {
        let called = |name: Option<&str>| {
            keys.iter().filter(move |key| key.id.as_deref() == name).collect::<Vec<_>>()
        };
        let named = match head.kid.as_deref() {
            Some(name) => Some(called(Some(name))).filter(|found| !found.is_empty()),
            None => Some(keys.iter().collect()),
        };
        let candidates = named.unwrap_or_else(|| called(None));
        if candidates.is_empty() {
            self.key_missed.store(true, Ordering::Relaxed);
            return Err(TokenProblem::Key);
        }
        let fitting = candidates.into_iter().filter(|key| key.algorithm == head.alg);
        let fitting: Vec<_> = fitting.take(MOST_TRIED).collect();
        if fitting.is_empty() { Err(TokenProblem::Algorithm) } else { Ok(fitting) }
    }
}

impl Keys {
    fn new(keys: Arc<[VerifyingKey]>, text: Print) -> Self {
        Self { keys, text, known: Cache::new(REMEMBERED) }
    }
}

fn print_of(bytes: &[u8]) -> Print {
    let mut print = Print::default();
    print.copy_from_slice(digest(&SHA256, bytes).as_ref());
    print
}

fn problem(kind: &ErrorKind) -> TokenProblem {
    match kind {
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => TokenProblem::Algorithm,
        ErrorKind::InvalidSignature => TokenProblem::Signature,
        ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => TokenProblem::Issuer,
        ErrorKind::MissingRequiredClaim(name) if name != "exp" => TokenProblem::Issuer,
        ErrorKind::MissingRequiredClaim(_) => TokenProblem::Time,
        ErrorKind::ExpiredSignature | ErrorKind::ImmatureSignature => TokenProblem::Time,
        _ => TokenProblem::Malformed,
    }
}

/// All that a token says. One claim twice could be read in two ways, so it is refused (RFC 7519 section 4).
struct Payload(BTreeMap<String, Value>);

impl Payload {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A time in whole seconds since 1970.
    fn time(&self, name: &str) -> Option<u64> {
        let value = self.0.get(name)?;
        value.as_u64().or_else(|| {
            let text = value.as_f64().filter(|time| *time >= 0.0)?.trunc().to_string();
            text.parse().ok()
        })
    }

    /// A claim with its value, which is none where it is not a text.
    fn claim(&self, name: &str) -> Option<(Box<str>, Option<Box<str>>)> {
        let value = self.0.get(name)?;
        Some((name.into(), value.as_str().map(Into::into)))
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Payload;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object that has each claim once")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
                let mut claims = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    if claims.insert(name, value).is_some() {
                        return Err(A::Error::custom("a claim is there twice"));
                    }
                }
                Ok(Payload(claims))
            }
        }
        deserializer.deserialize_map(Once)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use rules::token::KeyUrl;
    use serde_json::json;

    use super::*;
    use crate::clock::now_unix;

    fn base64(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A verifier, and a token of its issuer that ends at this time.
    fn issued(until: u64) -> (Verifier, String) {
        super::super::signature::install();
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let public =
            json!({"kty": "OKP", "crv": "Ed25519", "x": base64(key.public_key().as_ref())});
        let issuer = Issuer {
            name: "login".parse().unwrap(),
            issuer: "login".into(),
            audiences: ["api".into()].into(),
            algorithms: [].into(),
            leeway: Duration::from_secs(10),
            keys: KeySource::Set(json!({"keys": [public]}).to_string().into()),
            claims: ["tenant".into(), "roles".into()].into(),
        };
        let claims = json!({
            "iss": "login", "aud": "api", "exp": until, "tenant": "acme", "roles": ["a"], "email": "x@example.org"
        });
        let signed = format!("{}.{}", base64("{\"alg\":\"EdDSA\"}"), base64(claims.to_string()));
        let token = format!("{signed}.{}", base64(key.sign(signed.as_bytes())));
        (Verifier::new(issuer), token)
    }

    #[test]
    fn a_token_ends_though_it_is_known() {
        let until = u64::try_from(now_unix()).unwrap() + 3_600;
        let (verifier, token) = issued(until);
        for (now, good) in [(until - 60, true), (until + 10, true), (until + 11, false)] {
            assert_eq!(verifier.judge(&token, now).is_ok(), good, "{now}");
        }
        assert_eq!(verifier.judge(&token, until + 11).unwrap_err(), TokenProblem::Time);
        let count =
            |wanted| verifier.counts.outcomes().find(|(name, _)| *name == wanted).unwrap().1;
        assert_eq!((count("verified"), count("remembered"), count("time")), (1, 1, 2));
    }

    #[test]
    fn another_definition_of_an_issuer_goes_on_with_its_keys() {
        let (verifier, token) = issued(u64::try_from(now_unix()).unwrap() + 3_600);
        verifier.judge(&token, 0).unwrap();
        let wanted = Issuer { claims: ["email".into()].into(), ..verifier.issuer.clone() };
        let next = Verifier::following(wanted, &verifier);
        let verified = next.judge(&token, 0).unwrap();
        let kept = Claims::new([("email".into(), Some("x@example.org".into()))]);
        assert_eq!((&verified.claims, next.key_count()), (&kept, 1), "what routes read now");
        let published = KeySource::Url(KeyUrl {
            address: "login.example:443".parse().unwrap(),
            tls: None,
            path: "/".into(),
            every: Duration::from_secs(60),
        });
        let elsewhere = Issuer { keys: published, ..verifier.issuer.clone() };
        let next = Verifier::following(elsewhere, &verifier);
        assert_eq!(next.judge(&token, 0).unwrap_err(), TokenProblem::NoKeys);
    }

    #[test]
    fn only_what_routes_read_is_remembered() {
        let (verifier, token) = issued(u64::try_from(now_unix()).unwrap() + 3_600);
        let verified = verifier.judge(&token, 0).unwrap();
        let kept = Claims::new([("tenant".into(), Some("acme".into())), ("roles".into(), None)]);
        assert_eq!(verified.claims, kept);
    }

    #[test]
    fn other_keys_forget_who_was_good() {
        let (verifier, token) = issued(u64::try_from(now_unix()).unwrap() + 3_600);
        verifier.judge(&token, 0).unwrap();
        let (other, _) = issued(0);
        let KeySource::Set(keys) = &other.issuer.keys else { panic!("it has a key set") };
        verifier.take_keys(keys.as_bytes()).unwrap();
        assert_eq!(verifier.judge(&token, 0).unwrap_err(), TokenProblem::Signature);
        assert!(verifier.take_keys(b"{}").is_err());
        assert_eq!(verifier.key_count(), 1);
    }
}
