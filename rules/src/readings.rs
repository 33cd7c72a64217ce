//! What do others read in a path, who decode it once more than they should?

use crate::normal::Unclear;

/// Whether nobody who decodes a path in normal form, once or a few times, reads something else than a path without dot
/// segments.
///
/// # Errors
/// What somebody could read.
pub(crate) fn check(path: &str) -> Result<(), Unclear> {
    check_reading(path.bytes())?;
    if !path.as_bytes().contains(&b'%') {
        return Ok(());
    }
    check_reading(decoded(path.bytes()))?;
    if !path.contains("%25") {
        return Ok(());
    }
    let twice = || decoded(decoded(path.bytes()));
    check_reading(twice())?;
    check_reading(decoded(twice()))?;
    check_reading(decoded(decoded(twice())))?;
    if decoded(decoded(decoded(twice()))).count() < decoded(decoded(twice())).count() {
        return Err(Unclear::EscapedTooOften);
    }
    Ok(())
}

/// Whether a path reads like this nothing is hidden in.
fn check_reading(path: impl Iterator<Item = u8>) -> Result<(), Unclear> {
    let mut before = 0;
    // Of how many dots the segment is made up to here; none where it is of something else.
    let mut dots = None;
    for byte in path.chain([b'/']) {
        match (before, byte) {
            (_, 0..0x20 | 0x7f | b'\\') => return Err(Unclear::EscapedControl),
            (0xc0 | 0xc1, 0x80..=0xbf) | (0xe0, 0x80..=0x9f) | (0xf0, 0x80..=0x8f) => {
                return Err(Unclear::Overlong);
            }
            (_, b'/' | b';') if matches!(dots, Some(1 | 2)) => return Err(Unclear::HiddenDots),
            (_, b'/') => dots = Some(0_u8),
            (_, b'.') => dots = dots.map(|count| count.saturating_add(1)),
            _ => dots = None,
        }
        before = byte;
    }
    Ok(())
}

/// The bytes as they are after their escapes have been decoded once; what is no escape stays.
pub(crate) fn decoded<I: Iterator<Item = u8>>(bytes: I) -> Decoded<I> {
    Decoded { bytes, ahead: [None; 2] }
}

/// Bytes on their way through a decoder.
pub(crate) struct Decoded<I> {
    bytes: I,
    /// Read, but not an escape's digits.
    ahead: [Option<u8>; 2],
}

impl<I: Iterator<Item = u8>> Decoded<I> {
    fn take(&mut self) -> Option<u8> {
        let [first, second] = &mut self.ahead;
        first.take().or_else(|| second.take()).or_else(|| self.bytes.next())
    }
}

impl<I: Iterator<Item = u8>> Iterator for Decoded<I> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let first = self.take()?;
        if first != b'%' {
            return Some(first);
        }
        let digits = [self.take(), self.take()];
        let byte = match digits {
            [Some(high), Some(low)] => hexadecimal([high, low]),
            _ => None,
        };
        if byte.is_none() {
            self.ahead = digits;
        }
        Some(byte.unwrap_or(b'%'))
    }
}

/// The byte that two hexadecimal digits stand for.
pub(crate) fn hexadecimal([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}
