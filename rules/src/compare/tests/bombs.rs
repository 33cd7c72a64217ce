//! What is made to be expensive ends within the budget, with an outcome that says so.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Method};

use super::kit::{compare_json, of_json, typed};
use crate::compare::{
    Answer, ArrayRule, CompareRules, Comparison, Effect, Pair, PlaceRule, Undecoded, compare,
    decoded,
};
use crate::exchange::{NotComparable, Outcome};

const BUDGET: Outcome = Outcome::NotComparable(NotComparable::Budget);

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn coded(coding: &str) -> HeaderMap {
    let mut headers = typed("application/json");
    headers.insert(CONTENT_ENCODING, coding.parse().unwrap());
    headers
}

fn answers(left: (&HeaderMap, &[u8]), right: (&HeaderMap, &[u8])) -> Comparison {
    let (stable, candidate) =
        (Answer::new(200, left.0, left.1), Answer::new(200, right.0, right.1));
    compare(&CompareRules::default(), &Pair { method: &Method::GET, stable, candidate, twin: None })
}

fn outcome(left: &str, right: &str) -> Outcome {
    compare_json(&CompareRules::default(), left, right).outcome
}

#[test]
fn codings_are_undone_in_whatever_order_they_were_applied() {
    let text = br#"{"a":1,"b":[true,null]}"#;
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(text).unwrap();
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
    raw.write_all(text).unwrap();
    let zstd = zstd::encode_all(&text[..], 3).unwrap();
    let brotli = [&[0x0b, 0x0b, 0x80][..], text, &[0x03]].concat();
    for (coding, body) in [
        ("gzip", gzip(text)),
        ("X-GZip", gzip(text)),
        ("identity, gzip", gzip(text)),
        ("deflate", zlib.finish().unwrap()),
        ("deflate", raw.finish().unwrap()),
        ("zstd", zstd.clone()),
        ("br", brotli),
        ("zstd, gzip", gzip(&zstd)),
    ] {
        let headers = coded(coding);
        assert_eq!(decoded(&headers, &body).as_deref(), Ok(&text[..]), "{coding}");
        let plain = typed("application/json");
        let comparison = answers((&headers, &body), (&plain, text));
        assert_eq!(comparison.outcome, Outcome::Match, "{coding}");
        let cut = &body[..body.len() - 3];
        assert_eq!(decoded(&headers, cut), Err(Undecoded::Corrupt), "{coding} cut short");
    }
}

#[test]
fn what_cannot_be_decoded_is_told_from_what_differs() {
    let (plain, gz) = (typed("application/json"), coded("gzip"));
    let one_sided = Outcome::NotComparable(NotComparable::DecodeOneSided);
    assert_eq!(answers((&plain, b"{}"), (&gz, b"{}")).outcome, one_sided);
    assert_eq!(answers((&gz, b"{}"), (&gz, b"{}")).outcome, Outcome::Match);
    assert_eq!(answers((&gz, b"{}"), (&gz, b"[]")).outcome, Outcome::Mismatch);
    assert_eq!(answers((&gz, b"{}"), (&plain, b"")).outcome, one_sided);
    assert_eq!(answers((&gz, b""), (&plain, b"")).outcome, Outcome::Match);
    let other = coded("compress");
    assert_eq!(answers((&other, b"{}"), (&other, b"{}")).outcome, Outcome::Match);
    assert_eq!(answers((&other, b"{}"), (&gz, &gzip(b"{}"))).outcome, one_sided);
}

#[test]
fn bombs_of_codings_end_at_the_bounds() {
    let zeros = vec![b'0'; 20 << 20];
    let (gz, twice) = (coded("gzip"), coded("gzip, gzip"));
    let bomb = gzip(&zeros);
    assert!(bomb.len() * 900 < zeros.len());
    assert_eq!(decoded(&gz, &bomb), Err(Undecoded::TooLarge));
    assert_eq!(answers((&gz, &bomb), (&gz, &gzip(b"{}"))).outcome, BUDGET);
    let nested = gzip(&bomb);
    assert_eq!(decoded(&twice, &nested), Err(Undecoded::TooLarge));
    // As often as not the same bytes: whatever they are, they are the same.
    let comparison = answers((&gz, &bomb), (&gz, &bomb));
    assert_eq!((comparison.outcome, comparison.is_whole), (Outcome::Match, false));
    let many = coded("gzip, gzip, gzip, gzip, gzip");
    assert_eq!(decoded(&many, &gzip(b"{}")), Err(Undecoded::TooLarge));
    let (zstd, frame) = (coded("zstd"), zstd::encode_all(&zeros[..], 19).unwrap());
    assert_eq!(decoded(&zstd, &frame), Err(Undecoded::TooLarge));
    // A frame that asks for a window of 2 GiB, and holds nothing yet.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    assert_eq!(decoded(&zstd, &window), Err(Undecoded::Corrupt));
}

#[test]
fn deep_wide_and_long_documents_end_within_the_budget() {
    let nested =
        |depth: usize, leaf: &str| format!("{}{leaf}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(outcome(&nested(129, "1"), &nested(129, "2")), BUDGET);
    assert_eq!(outcome(&nested(128, "1"), &nested(128, "2")), Outcome::Mismatch);
    assert_eq!(outcome(&nested(100_000, "1"), &nested(100_000, "2")), BUDGET);
    let same = compare_json(&CompareRules::default(), &nested(129, "1"), &nested(129, "1"));
    assert_eq!((same.outcome, same.is_whole), (Outcome::Match, false));
    let wide = |value: u8| {
        let member = |n: usize| format!("\"k{n}\":{value}");
        format!("{{{}}}", (0..1_000_000).map(member).collect::<Vec<_>>().join(","))
    };
    assert_eq!(outcome(&wide(1), &wide(2)), BUDGET);
    let long = |bytes: usize, end: &str| format!("\"{}{end}\"", "x".repeat(bytes));
    assert_eq!(outcome(&long(10 << 20, "a"), &long(10 << 20, "b")), BUDGET);
    assert_eq!(outcome(&long(1 << 20, "a"), &long(1 << 20, "b")), Outcome::Mismatch);
    assert_eq!(outcome("1e99999999999999999999", "1e99999999999999999998"), Outcome::Mismatch);
    assert_eq!(outcome(&"1".repeat(100_000), &"2".repeat(100_000)), BUDGET);
}

#[test]
fn lists_that_are_hard_to_align_end_within_the_budget() {
    let list =
        |from: usize| (from..from + 1_900).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let many = |from: usize| format!("[{}]", vec![format!("[[{}]]", list(from)); 20].join(","));
    let comparison = compare_json(&CompareRules::default(), &many(0), &many(1));
    assert_eq!((comparison.outcome, comparison.is_whole), (Outcome::Mismatch, false));
    // Lists in lists, all the same but for the very last leaf: each level asks whether all below it is the same.
    let nested = |leaf: u8| {
        let inner = format!("[{}{leaf}]", "0,".repeat(20_000));
        format!("{}{inner}{}", "[".repeat(120), "]".repeat(120))
    };
    assert_eq!(outcome(&nested(1), &nested(2)), BUDGET);
    let everywhere = "/**".parse().unwrap();
    let sets = CompareRules {
        places: [PlaceRule::always(everywhere, Effect::Array(ArrayRule::Set))].into(),
        ..CompareRules::default()
    };
    let comparison = compare_json(&sets, &nested(1), &nested(2));
    assert_eq!((comparison.outcome, comparison.is_whole), (Outcome::Mismatch, true));
}

#[test]
fn what_is_no_text_is_compared_all_the_same() {
    let of = |left: &[u8], right: &[u8]| {
        of_json(left, right, |pair| compare(&CompareRules::default(), pair)).outcome
    };
    assert_eq!(of(b"{\"a\":\"\xff\"}", b"{\"a\":\"\xfe\"}"), Outcome::Mismatch);
    assert_eq!(of(b"{\"a\":\"\xff\"}", b"{\"a\":\"\"}"), Outcome::Mismatch);
    assert_eq!(of(b"\xff\xfe", b"\xff\xfe"), Outcome::Match);
    let blanks = vec![b' '; 8 << 20];
    let plain = typed("text/plain");
    let mut other = blanks.clone();
    other[7 << 20] = b'\n';
    assert_eq!(answers((&plain, &blanks), (&plain, &other)).outcome, Outcome::Mismatch);
}
