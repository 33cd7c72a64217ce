//! Has every path one spelling, or none? N(N(p)) = N(p), each spelling of N(p) leads to it, and nothing hides in it.
#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use rules::normal::{holds_encoded_slash, normal};

/// More often than anybody on the way would decode.
const READERS: usize = 6;

fuzz_target!(|path: &str| {
    let Ok(form) = normal(path) else { return };
    assert!(form.starts_with('/') && form.is_ascii());
    assert!(matches!(normal(&form), Ok(Cow::Borrowed(again)) if again == form));
    assert_eq!(normal(&spelled(&form)).as_deref(), Ok(&*form));

    let mut read = form.as_bytes().to_vec();
    for _ in 0..READERS {
        let segments = read.split(|byte| *byte == b'/');
        for segment in segments {
            let name = segment.split(|byte| *byte == b';').next();
            assert!(!matches!(name, Some(b"." | b"..")), "{form}");
        }
        assert!(!read.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\'), "{form}");
        read = decoded(&read);
    }
    let slashes = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'/').count();
    assert_eq!(holds_encoded_slash(&form), slashes(form.as_bytes()) < slashes(&read), "{form}");
});

/// The path with two of three characters escaped that need no escape.
fn spelled(form: &str) -> String {
    let spell = |(at, byte): (usize, u8)| {
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        // The digits of an escape are no characters of their own.
        let in_escape = form.as_bytes()[at.saturating_sub(2)..at].contains(&b'%');
        match (unreserved && !in_escape, at % 3) {
            (true, 0) => format!("%{byte:02x}"),
            (true, 1) => format!("%{byte:02X}"),
            _ => char::from(byte).to_string(),
        }
    };
    form.bytes().enumerate().map(spell).collect()
}

/// What a reader sees who decodes once.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (mut read, mut rest) = (Vec::new(), bytes);
    while let [byte, after @ ..] = rest {
        let escape = match (byte, after) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        read.push(escape.map_or(*byte, |(high, low)| high * 16 + low));
        rest = &rest[if escape.is_some() { 3 } else { 1 }..];
    }
    read
}
