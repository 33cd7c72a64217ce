//! How does another system know that Turnout posted it, and only now? By HMAC-SHA256 (RFC 2104) over time and body.

use config::document::secret::Secret;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use ring::{digest, hmac};

/// The same for each attempt at one message.
const DELIVERY: HeaderName = HeaderName::from_static("turnout-delivery");
/// Seconds since 1970.
const TIMESTAMP: HeaderName = HeaderName::from_static("turnout-timestamp");
/// `v1=`, and the HMAC in hexadecimal digits.
const SIGNATURE: HeaderName = HeaderName::from_static("turnout-signature");

/// The headers of a message; without a key it is not signed.
pub(super) fn signed(
    key: Option<&Secret>,
    delivery: &str,
    body: &[u8],
    now: Timestamp,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers =
        vec![(DELIVERY, delivery.to_owned()), (TIMESTAMP, now.as_second().to_string())];
    if let Some(key) = key {
        headers.push((SIGNATURE, signature(key.reveal(), now.as_second(), body)));
    }
    let value = |text: String| HeaderValue::try_from(text).ok();
    headers.into_iter().filter_map(|(name, text)| Some((name, value(text)?))).collect()
}

fn signature(key: &[u8], timestamp: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{timestamp}.").as_bytes());
    context.update(body);
    format!("v1={}", hexadecimal(context.sign().as_ref()))
}

/// What a message is known by: 32 hexadecimal digits, the same for the same parts.
pub(super) fn delivery(parts: &[&str]) -> String {
    let digest = digest::digest(&digest::SHA256, parts.join("\n").as_bytes());
    let (half, _) = digest.as_ref().split_at(16);
    hexadecimal(half)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `printf '1700000000.{"go":1}' | openssl dgst -sha256 -hmac secret`.
    #[test]
    fn it_is_what_others_make_of_the_same() {
        assert_eq!(
            signature(b"secret", 1_700_000_000, br#"{"go":1}"#),
            "v1=2018bbe981bbf8f434b9ca558c84ad7e3e8cb1c80f2f4ec8bed225dd3f025828"
        );
    }

    #[test]
    fn without_a_key_nothing_is_signed() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(signed(None, "x", b"", now).len(), 2);
        assert_eq!(signed(Some(&key()), "x", b"", now).len(), 3);
    }

    fn key() -> Secret {
        Secret::of(b"secret")
    }

    #[test]
    fn a_delivery_is_known_by_its_parts() {
        assert_eq!(delivery(&["a", "b"]), delivery(&["a", "b"]));
        assert_ne!(delivery(&["a", "b"]), delivery(&["a", "c"]));
        assert_eq!(delivery(&["a"]).len(), 32);
    }
}
