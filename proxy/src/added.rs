//! Where do the fields go that the proxy adds to a request or an answer? Behind those that it came with, straight onto the
//! connection.
//!
//! Pingora keeps each field of a head twice, by its name and as it is written, at about 1,200 instructions and three
//! allocations (docs/hot-path.md). What nobody on the way looks at again is not worth that.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pingora::prelude::{Error, ErrorType, Result};
use pingora::proxy::Session;

use crate::connection::rider;
use crate::field::{Field, NO_VALUE};

/// The empty line that a head ends with.
const END: &[u8] = b"\r\n";
/// More memory than this is given back with the next request.
const KEPT_BYTES: usize = 4 * 1024;

/// Lines for the next head on a connection: the phase that makes the head writes them, and the connection takes them.
#[derive(Debug, Default)]
pub(crate) struct AddedLines(Mutex<Vec<u8>>);

impl AddedLines {
    /// Those of a client's connection; none in HTTP/2.
    pub(crate) fn of_client(session: &Session) -> Option<&Self> {
        let connection = session.digest().filter(|_| !session.is_http2())?;
        Some(&rider(connection)?.lines)
    }

    /// Forgets what was meant for a head that never came.
    pub(crate) fn clear(&self) {
        self.bytes().clear();
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn writer(&self) -> Writer<'_> {
        Writer(self.bytes())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Writes a head into `whole`, with all lines behind its own.
    pub(crate) fn complete(&self, head: &[u8], whole: &mut Vec<u8>) {
        let (own, end) = head.split_at(head.len().saturating_sub(END.len()));
        let mut bytes = self.bytes();
        whole.reserve(head.len() + bytes.len());
        whole.extend_from_slice(own);
        whole.append(&mut bytes);
        whole.extend_from_slice(end);
        bytes.shrink_to(KEPT_BYTES);
    }
}

/// Writes lines, as long as nobody takes them.
pub(crate) struct Writer<'l>(MutexGuard<'l, Vec<u8>>);

impl Writer<'_> {
    /// Adds a field.
    ///
    /// # Errors
    /// When the value is none: here are the same ones as `HeaderValue::from_str` takes.
    pub(crate) fn add(&mut self, field: &Field, value: &str) -> Result<()> {
        // Without an early end, for all bytes are looked at together then.
        let is_bad = |byte: u8| !matches!(byte, b'\t' | b' '..=b'~');
        if value.bytes().fold(false, |bad, byte| bad | is_bad(byte)) {
            return Error::e_explain(ErrorType::InternalError, NO_VALUE);
        }
        for part in [field.written, ": ", value, "\r\n"] {
            self.0.extend_from_slice(part.as_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Field = Field::new("x-name", "X-Name");

    #[test]
    fn a_value_never_ends_its_line() {
        let lines = AddedLines::default();
        for bad in ["a\r\nX-Forged: 1", "a\nb", "a\rb", "\0", "\u{7f}", "é"] {
            assert!(lines.writer().add(&NAME, bad).is_err(), "{bad:?}");
        }
        assert!(lines.is_empty());
        lines.writer().add(&NAME, "a\tb").unwrap();
        lines.writer().add(&NAME, "").unwrap();
        let mut whole = Vec::new();
        lines.complete(b"Host: h\r\n\r\n", &mut whole);
        assert_eq!(whole, b"Host: h\r\nX-Name: a\tb\r\nX-Name: \r\n\r\n");
        assert!(lines.is_empty(), "they are taken once");
    }
}
