//! Does undoing content codings end within its bounds, whatever a body holds?
#![no_main]

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, HeaderValue};
use libfuzzer_sys::fuzz_target;
use rules::compare::{Undecoded, decoded};

const CODINGS: [&str; 8] =
    ["gzip", "deflate", "br", "zstd", "gzip, br", "zstd, gzip", "identity", "compress"];

// The first byte chooses the coding; the rest is the body.
fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else { return };
    let coding = CODINGS[usize::from(*choice) % CODINGS.len()];
    let headers: HeaderMap =
        [(CONTENT_ENCODING, HeaderValue::from_static(coding))].into_iter().collect();
    match decoded(&headers, body) {
        Ok(plain) if coding == "identity" || body.is_empty() => assert_eq!(*plain, *body),
        Ok(plain) => assert!(plain.len() <= (8 << 20).min(100 * body.len())),
        Err(Undecoded::Corrupt | Undecoded::TooLarge) => assert!(!body.is_empty()),
    }
});
