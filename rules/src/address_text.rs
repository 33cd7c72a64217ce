//! How is an address written, as buckets hash it, with nothing allocated?

use std::fmt::{self, Write};
use std::net::IpAddr;

/// An address as text, without a place on the heap.
pub(crate) struct AddressText {
    bytes: [u8; 45],
    len: usize,
}

impl AddressText {
    pub(crate) fn of(address: IpAddr) -> Self {
        let mut text = Self { bytes: [0; 45], len: 0 };
        // The longest IPv6 text has 45 characters, so it fits.
        let _ok = write!(text, "{}", address.to_canonical());
        text
    }

    pub(crate) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Write for AddressText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
