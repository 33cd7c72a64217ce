//! Whole connections as tables: what comes in, what goes on.

use super::{Refusal, at_once, byte_by_byte};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn what_is_canonical_passes_as_it_is() {
    let long = format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "x".repeat(30_000));
    for connection in [
        String::new(),
        GET.to_owned(),
        GET.repeat(5),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "REPORT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n\r\n".to_owned(),
        "DELETE / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".to_owned(),
        format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n\0\n\r{GET}"),
        format!("{CHUNKED}5\r\n\0\r\n\r\n\r\n00A\r\n0123456789\r\n0\r\n\r\n{GET}"),
        long,
    ] {
        let passed = at_once(connection.as_bytes());
        assert_eq!(passed.verdict, Ok(()), "{connection:?}");
        assert_eq!(String::from_utf8_lossy(&passed.bytes), connection);
        assert_eq!(byte_by_byte(connection.as_bytes()), passed, "{connection:?}");
    }
}

#[test]
fn what_is_not_canonical_is_changed_on_the_way() {
    for (comes, passes) in [
        (format!("\r\n{GET}"), GET.to_owned()),
        (
            "GET http://H:80/a?b HTTP/1.1\r\nHost: h:80\r\n\r\n".to_owned(),
            "GET /a?b HTTP/1.1\r\nHost: h:80\r\n\r\n".to_owned(),
        ),
        ("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), GET.to_owned()),
        (
            "\r\nGET HTTPS://h?b HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
            "GET /?b HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        ),
        (
            "OPTIONS http://h HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
            "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        ),
        (
            "GET http://h/ HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHost: h\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nHost: h\r\n\r\n".to_owned(),
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\n\r\n5;a=\"b\"\r\nhello\r\n000;x\r\nDigest: d\r\n\r\n".to_owned() + GET,
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned() + GET,
        ),
    ] {
        let passed = at_once(comes.as_bytes());
        assert_eq!(passed.verdict, Ok(()), "{comes:?}");
        assert_eq!(String::from_utf8_lossy(&passed.bytes), passes);
        assert_eq!(byte_by_byte(comes.as_bytes()), passed, "{comes:?}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused_where_it_begins() {
    let head = |fields: &str| format!("POST / HTTP/1.1\r\n{fields}\r\n");
    for (before, refused, refusal) in [
        ("", "GET / HTTP/1.1\nHost: h\n\n".to_owned(), Refusal::RequestLine),
        (GET, "\r\n\r\n".to_owned(), Refusal::RequestLine),
        (GET, "\x16\x03\x01".to_owned(), Refusal::RequestLine),
        ("", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), Refusal::Version),
        ("", "GET / HTTP/1.1\r\n\r\n".to_owned(), Refusal::Host),
        ("", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n".to_owned(), Refusal::Target),
        ("", "GET http://a/ HTTP/1.0\r\n\r\n".to_owned(), Refusal::Target),
        (
            "",
            head("Host: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
            Refusal::TransferEncoding,
        ),
        (
            "",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            Refusal::TransferEncoding,
        ),
        (GET, "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n".to_owned(), Refusal::Body),
        (
            "",
            "DELETE / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            Refusal::Body,
        ),
        ("", head(&format!("Host: h\r\nA: {}\r\n", "x".repeat(32_768))), Refusal::FieldsTooLarge),
        (CHUNKED, "5 \r\nhello\r\n".to_owned(), Refusal::Chunk),
        (CHUNKED, "5;\nhello\r\n".to_owned(), Refusal::Chunk),
        (CHUNKED, "0\r\nHost: h\r\n\r\n".to_owned(), Refusal::Trailer),
        (CHUNKED, "0\r\n\n".to_owned(), Refusal::Trailer),
    ] {
        let connection = format!("{before}{refused}");
        let passed = at_once(connection.as_bytes());
        assert_eq!(passed.verdict, Err(refusal), "{connection:?}");
        assert_eq!(String::from_utf8_lossy(&passed.bytes), before);
        assert_eq!(byte_by_byte(connection.as_bytes()), passed, "{connection:?}");
    }
}

#[test]
fn a_chunk_that_is_longer_than_it_says_ends_the_body_where_it_should_have_ended() {
    let passed = at_once(format!("{CHUNKED}2\r\nabc\r\n0\r\n\r\n").as_bytes());
    assert_eq!(passed.verdict, Err(Refusal::Chunk));
    assert_eq!(String::from_utf8_lossy(&passed.bytes), format!("{CHUNKED}2\r\nab"));
}

/// Nothing is said of the request after it before somebody asks for it.
#[test]
fn a_request_passes_though_the_next_is_refused() {
    let mut gate = super::ByteGate::new(std::sync::Arc::new(super::policy()));
    let mut bytes = format!("{GET}nonsense\r\n\r\n").into_bytes();
    assert_eq!(gate.push(&mut bytes), Ok(GET.len()));
    assert_eq!((gate.refused(), gate.is_between(), gate.waits()), (None, true, true));
    assert_eq!(gate.pull(10), Err(Refusal::RequestLine));
    assert!(!gate.refused().unwrap().midway);
}
