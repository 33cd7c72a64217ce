//! What holds for any bytes, however they are cut?

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::oracle::assert_canonical;
use super::{at_once, byte_by_byte, pass};

/// Pieces that requests, good ones and bad ones, are made of.
const PIECES: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "POST /a?b=c HTTP/1.1\r\n",
    "POST http://h/a HTTP/1.1\r\n",
    "OPTIONS * HTTP/1.1\r\n",
    "PUT / HTTP/1.0\r\n",
    "REPORT / HTTP/1.1\r\n",
    "GET http://h HTTP/1.1\r\n",
    "HEAD / HTTP/1.1\n",
    "GET  / HTTP/1.1\r\n",
    "TRACE / HTTP/1.1\r\n",
    "PRI * HTTP/2.0\r\n",
    "Host: h\r\n",
    "Host: h\r\n",
    "host:h \r\n",
    "Host: a, b\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 5\r\n",
    "content-length:\t0\r\n",
    "Content-Length: 5, 5\r\n",
    "Content_Length: 7\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: Chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer.Encoding: chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Expect: 100-continue\r\n",
    "Connection: close\r\n",
    "Connection: x-tenant-id\r\n",
    "X_Tenant_Id: a\r\n",
    "Upgrade: websocket\r\n",
    "Connection: Upgrade\r\n",
    "Upgrade: h2c\r\n",
    "A: \u{e9}\t\r\n",
    "A: b\n",
    " folded\r\n",
    "A:\0\r\n",
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "\r",
    "5\r\nhello\r\n",
    "5;x=\"y\"\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\n",
    "0;x\r\nDigest: d\r\n\r\n",
    "00\r\n",
    "5\r\nhello",
    "hello",
    "a\r\n0123456789\r\n",
    "F\n",
];

/// Whole requests, so that connections get anywhere.
const REQUESTS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "\r\nGET http://h/?x HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\n\r\n5;a\r\nhello\r\n0\r\nA: b\r\n\r\n",
];

prop_compose! {
    /// A connection's bytes, with a few of them changed.
    fn connection()(
        whole in vec(select(REQUESTS), 0..4),
        pieces in vec(select(PIECES), 0..12),
        changes in vec((any::<prop::sample::Index>(), select(b"\r\n\0 \t:;,0a_\x80".as_slice())), 0..3),
    ) -> Vec<u8> {
        let mut bytes = whole.concat().into_bytes();
        bytes.extend_from_slice(pieces.concat().as_bytes());
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes
    }
}

fn cut<'b>(bytes: &'b [u8], lengths: &[usize]) -> Vec<&'b [u8]> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for &length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_passes_is_canonical_however_it_comes(
        bytes in connection(),
        lengths in vec(1_usize..40, 1..6),
        at_most in 1_usize..50,
    ) {
        let passed = at_once(&bytes);
        assert_canonical(&passed.bytes);
        prop_assert_eq!(&pass(cut(&bytes, &lengths), at_most), &passed);
        prop_assert_eq!(&byte_by_byte(&bytes), &passed);
        prop_assert!(passed.bytes.len() <= bytes.len());
    }

    #[test]
    fn any_bytes_are_judged_alike_however_they_come(
        bytes in vec(any::<u8>(), 0..200),
        lengths in vec(1_usize..40, 1..6),
    ) {
        let passed = at_once(&bytes);
        assert_canonical(&passed.bytes);
        prop_assert_eq!(pass(cut(&bytes, &lengths), usize::MAX), passed);
    }

    /// What has passed once passes again as it is.
    #[test]
    fn the_gate_is_idempotent(bytes in connection()) {
        let passed = at_once(&bytes).bytes;
        let again = at_once(&passed);
        prop_assert_eq!(again.bytes, passed);
        prop_assert_eq!(again.verdict, Ok(()));
    }
}
