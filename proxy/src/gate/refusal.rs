//! Why is a request refused? Each reason has a code, which is its label in the metrics as well.

use std::error::Error;
use std::{fmt, io};

/// Why bytes of a client were not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The request line is not `method SP target SP version CRLF`.
    RequestLine,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    Version,
    /// A method that nothing here serves.
    Method,
    /// A target that is not of a form and of characters that are served.
    Target,
    /// A target longer than its limit.
    TargetTooLong,
    /// A field line that is not `name ":" value CRLF`, or holds control characters.
    Field,
    /// A field whose name another reader could take for a protected one.
    LookAlike,
    /// Too many fields, or too many bytes of them.
    FieldsTooLarge,
    /// Not exactly one Host, or one that names no host.
    Host,
    /// More than one Content-Length, or one that is not a plain number.
    ContentLength,
    /// A Transfer-Encoding that is not `chunked` alone, or has no place here.
    TransferEncoding,
    /// An expectation other than `100-continue`.
    Expectation,
    /// A Connection field that would have a protected field removed.
    Connection,
    /// More than one Upgrade field.
    Upgrade,
    /// A WebSocket on a route that serves none.
    WebSocket,
    /// A body where the method gives it no meaning.
    Body,
    /// Chunked framing that is not exact.
    Chunk,
    /// A trailer field that is malformed or may not come as one.
    Trailer,
    /// More bytes of trailers than their limit.
    TrailersTooLarge,
    /// A head that took too long.
    HeadTimeout,
    /// A body that comes too slowly.
    SlowBody,
    /// Frames of HTTP/2 that ask for nothing, without end.
    Flood,
}

impl Refusal {
    /// Every reason there is, in the order of [`Refusal::index`].
    pub const ALL: [Self; 22] = [
        Self::RequestLine,
        Self::Version,
        Self::Method,
        Self::Target,
        Self::TargetTooLong,
        Self::Field,
        Self::LookAlike,
        Self::FieldsTooLarge,
        Self::Host,
        Self::ContentLength,
        Self::TransferEncoding,
        Self::Expectation,
        Self::Connection,
        Self::Upgrade,
        Self::WebSocket,
        Self::Body,
        Self::Chunk,
        Self::Trailer,
        Self::TrailersTooLarge,
        Self::HeadTimeout,
        Self::SlowBody,
        Self::Flood,
    ];

    /// Its place among all reasons.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its stable code, as problems and metrics tell it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::RequestLine => "bad_request_line",
            Self::Version => "version_not_served",
            Self::Method => "method_not_served",
            Self::Target => "bad_target",
            Self::TargetTooLong => "target_too_long",
            Self::Field => "bad_field",
            Self::LookAlike => "look_alike_field",
            Self::FieldsTooLarge => "fields_too_large",
            Self::Host => "bad_host",
            Self::ContentLength => "bad_content_length",
            Self::TransferEncoding => "bad_transfer_encoding",
            Self::Expectation => "bad_expectation",
            Self::Connection => "bad_connection",
            Self::Upgrade => "bad_upgrade",
            Self::WebSocket => "websocket_not_served",
            Self::Body => "body_not_allowed",
            Self::Chunk => "bad_chunk",
            Self::Trailer => "bad_trailer",
            Self::TrailersTooLarge => "trailers_too_large",
            Self::HeadTimeout => "head_timeout",
            Self::SlowBody => "slow_body",
            Self::Flood => "frame_flood",
        }
    }

    /// What was refused midway, where that is why reading a body failed.
    pub(crate) fn behind(cause: &(dyn Error + 'static)) -> Option<Self> {
        cause.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref().copied()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_at_their_index_under_codes_of_their_own() {
        let mut codes = std::collections::BTreeSet::new();
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal.index(), index);
            assert!(codes.insert(refusal.code()), "{}", refusal.code());
        }
    }
}
