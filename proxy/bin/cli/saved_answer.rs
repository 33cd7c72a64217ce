//! What does a file with an answer say? A body alone, or a whole HTTP message as `curl -i` saves it.

use std::io::Read;
use std::path::Path;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};

use super::exit::Failure;

/// Longer files are refused: no answer is kept of which so much could be compared.
const MOST_BYTES: u64 = 64 << 20;
/// Header fields of one message.
const MOST_FIELDS: usize = 256;

/// An answer read from a file.
#[derive(Debug)]
pub(crate) struct SavedAnswer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl SavedAnswer {
    /// Reads a file, or standard input where the name is `-`. `media` is the type of a body alone; it is told from the
    /// file's name where none is given, and else from how it begins.
    ///
    /// # Errors
    /// When it cannot be read, is too long, or begins like an HTTP message and is none.
    pub(crate) fn read(file: &Path, media: Option<&HeaderValue>) -> Result<Self, Failure> {
        let unreadable = |cause: &dyn std::fmt::Display| {
            Failure::Unreadable(format!("cannot read {}: {cause}", file.display()))
        };
        let bytes = bytes(file).map_err(|error| unreadable(&error))?;
        if bytes.starts_with(b"HTTP/") {
            return message(&bytes).map_err(|cause| unreadable(&cause));
        }
        let known = media.cloned().or_else(|| by_name(file));
        let headers = known.map(|media| (CONTENT_TYPE, media)).into_iter().collect();
        Ok(Self { status: StatusCode::OK.as_u16(), headers, body: bytes })
    }
}

fn bytes(file: &Path) -> std::io::Result<Vec<u8>> {
    let source: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file)?)
    };
    let mut bytes = Vec::new();
    source.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MOST_BYTES) {
        return Err(std::io::Error::other("it is longer than 64 MiB"));
    }
    Ok(bytes)
}

fn by_name(file: &Path) -> Option<HeaderValue> {
    let media = match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "json" => "application/json",
        "ndjson" | "jsonl" => "application/x-ndjson",
        "xml" => "application/xml",
        "form" => "application/x-www-form-urlencoded",
        "html" | "htm" => "text/html",
        "txt" | "text" => "text/plain",
        _ => return None,
    };
    Some(HeaderValue::from_static(media))
}

/// Reads a whole message. Interim answers before it are passed over.
fn message(bytes: &[u8]) -> Result<SavedAnswer, String> {
    let mut rest = bytes.to_vec();
    loop {
        as_http1(&mut rest);
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let length = match response.parse(&rest) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => {
                return Err("its head has no end: an empty line is missing".to_owned());
            }
            Err(error) => return Err(format!("it begins like an HTTP message, but: {error}")),
        };
        let status = response.code.unwrap_or_default();
        let mut headers = HeaderMap::new();
        for field in response.headers.iter() {
            let name = HeaderName::from_bytes(field.name.as_bytes());
            let value = HeaderValue::from_bytes(field.value);
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(format!("{:?} is no header field", field.name));
            };
            headers.append(name, value);
        }
        let body = rest.split_off(length);
        if !(100..200).contains(&status) || status == 101 || !body.starts_with(b"HTTP/") {
            let is_chunked = headers.contains_key(TRANSFER_ENCODING);
            // Most tools have undone the chunks already, and left the header.
            let whole = is_chunked.then(|| unchunked(&body)).flatten();
            return Ok(SavedAnswer { status, headers, body: whole.unwrap_or(body) });
        }
        rest = body;
    }
}

/// `HTTP/2 200` as tools write it for later versions, in the form of HTTP/1.1, which is the only one with a text form.
fn as_http1(message: &mut Vec<u8>) {
    for version in ["HTTP/2.0 ", "HTTP/2 ", "HTTP/3 "] {
        if message.starts_with(version.as_bytes()) {
            message.splice(..version.len(), *b"HTTP/1.1 ");
        }
    }
}

fn unchunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((head, length))) = httparse::parse_chunk_size(body)
        else {
            return None;
        };
        if length == 0 {
            return Some(whole);
        }
        let end = head.checked_add(usize::try_from(length).ok()?)?;
        whole.extend_from_slice(body.get(head..end)?);
        body = body.get(end..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_tools_save_them() {
        for text in [
            "HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n{}",
            "HTTP/2 200 \r\nx-a: 1\r\n\r\n{}",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\nX-A: 1\n\n{}",
            "HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        ] {
            let read = message(text.as_bytes()).unwrap();
            assert_eq!((read.status, &*read.body), (200, &b"{}"[..]), "{text}");
            assert_eq!(read.headers["x-a"], "1");
        }
        for text in
            ["HTTP/1.1 200 OK\r\nX-A: 1\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200\r\nx y\r\n\r\n"]
        {
            assert!(message(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bodys_type_is_told_from_its_name() {
        assert_eq!(by_name(Path::new("a/b.JSON")).unwrap(), "application/json");
        assert_eq!(by_name(Path::new("a/b.bin")), None);
        assert_eq!(by_name(Path::new("-")), None);
    }
}
