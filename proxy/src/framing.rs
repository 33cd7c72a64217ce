//! Where does a message end? What the fields may say of it, so that everybody reads the same. (RFC 9112, section 6.3)

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Method, StatusCode, Version};
use pingora::http::ResponseHeader;

/// The most digits of a Content-Length.
const LENGTH_DIGITS: usize = 15;

/// A Content-Length: a number without sign, blanks, or zeros before it, which some readers take for octal.
pub(crate) fn plain_number(text: &[u8]) -> Option<u64> {
    let led_by_zero = text.len() > 1 && text.first() == Some(&b'0');
    if text.is_empty() || text.len() > LENGTH_DIGITS || led_by_zero {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0'))
    })
}

/// Why readers could differ about where an answer ends; none where they agree.
///
/// A Content-Length beside a Transfer-Encoding is not seen here, for Pingora has removed it: `outgoing/two_ends.rs` sees it.
pub(crate) fn unclear(answer: &ResponseHeader) -> Option<&'static str> {
    let mut lengths = answer.headers.get_all(CONTENT_LENGTH).iter();
    let length = match (lengths.next(), lengths.next()) {
        (None, _) => None,
        (Some(length), None) => match plain_number(length.as_bytes()) {
            None => return Some("its length is not a number"),
            number => number,
        },
        (Some(_), Some(_)) => return Some("it has more than one length"),
    };
    let mut codings = answer.headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => true,
        (Some(_), _) => return Some("its transfer encoding is not chunks alone"),
    };
    if chunked && answer.version == Version::HTTP_10 {
        return Some("its version knows no chunks");
    }
    let has_length = length.is_some_and(|length| length > 0);
    let has_body = match answer.status {
        // It may say in chunks that there is nothing. (RFC 9110, section 15.3.6)
        StatusCode::RESET_CONTENT => has_length,
        status => is_bodiless(status) && (has_length || chunked),
    };
    has_body.then_some("it has a body where none may be")
}

/// Whether an answer ends with its head, whatever was asked for. (RFC 9112, section 6.3)
pub(crate) fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT
}

/// Whether an answer to a request with this method has no body. (RFC 9112, section 6.3)
pub(crate) fn ends_with_head(asked: &Method, answer: &ResponseHeader) -> bool {
    // Another zero is none: `unclear` has refused it.
    let is_empty = || answer.headers.get(CONTENT_LENGTH).is_some_and(|length| length == "0");
    let status = answer.status;
    *asked == Method::HEAD
        || is_bodiless(status)
        || status == StatusCode::NOT_MODIFIED
        || is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(version: Version, status: u16, fields: &[(&'static str, &str)]) -> ResponseHeader {
        let mut answer = ResponseHeader::build(status, None).unwrap();
        answer.set_version(version);
        for (name, value) in fields {
            answer.append_header(*name, *value).unwrap();
        }
        answer
    }

    #[test]
    fn answers_end_where_everybody_thinks_they_do() {
        let (length, coding) = ("content-length", "transfer-encoding");
        for (version, status, fields, clear) in [
            (Version::HTTP_11, 200, &[][..], true),
            (Version::HTTP_11, 200, &[(length, "0")], true),
            (Version::HTTP_11, 200, &[(length, "999999999999999")], true),
            (Version::HTTP_11, 200, &[(coding, "Chunked")], true),
            (Version::HTTP_10, 200, &[(length, "5")], true),
            (Version::HTTP_2, 200, &[(length, "5")], true),
            (Version::HTTP_11, 304, &[(length, "5")], true),
            (Version::HTTP_11, 204, &[(length, "0")], true),
            (Version::HTTP_11, 204, &[(length, "5")], false),
            (Version::HTTP_11, 204, &[(coding, "chunked")], false),
            (Version::HTTP_11, 205, &[(coding, "chunked")], true),
            (Version::HTTP_11, 205, &[(length, "5")], false),
            (Version::HTTP_11, 103, &[(length, "5")], false),
            (Version::HTTP_11, 101, &[(coding, "chunked")], false),
            (Version::HTTP_11, 200, &[(length, "5"), (length, "5")], false),
            (Version::HTTP_11, 200, &[(length, "5, 5")], false),
            (Version::HTTP_11, 200, &[(length, "+5")], false),
            (Version::HTTP_11, 200, &[(length, "05")], false),
            (Version::HTTP_11, 200, &[(length, "")], false),
            (Version::HTTP_11, 200, &[(length, "1234567890123456")], false),
            (Version::HTTP_11, 200, &[(coding, "chunked"), (coding, "chunked")], false),
            (Version::HTTP_11, 200, &[(coding, "gzip, chunked")], false),
            (Version::HTTP_11, 200, &[(coding, "identity")], false),
            (Version::HTTP_10, 200, &[(coding, "chunked")], false),
        ] {
            let answer = answer(version, status, fields);
            assert_eq!(unclear(&answer).is_none(), clear, "{version:?} {status} {fields:?}");
        }
    }
}
