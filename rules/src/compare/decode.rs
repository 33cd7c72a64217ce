//! What does a body say once its content codings (RFC 9110 section 8.4) are undone? Within bounds, whatever it holds.

use std::borrow::Cow;
use std::io::Read;

use brotli_decompressor::Decompressor;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::findings::Steps;

/// Bytes that a body may have, decoded and on the way there.
const MOST_BYTES: usize = 8 << 20;
/// How many times its size on the wire it may have.
const MOST_EXPANSION: usize = 100;
/// Codings that may be applied one after the other.
const MOST_CODINGS: usize = 4;
/// Decoded bytes that take as long as one step; Brotli's are the dearest.
const BYTES_PER_STEP: usize = 5;
/// Zstandard's window, as a power of two: what RFC 9659 allows in HTTP.
const ZSTD_WINDOW_LOG: u32 = 23;
/// What Brotli's reader takes at a time.
const BROTLI_BUFFER_BYTES: usize = 4_096;

/// Why a body cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undecoded {
    /// It is not what its coding says, it ends early, or the coding is not known.
    Corrupt,
    /// It, or the work on it, is beyond the bounds.
    TooLarge,
}

/// The content codings in the order they were applied, in lower case; empty for none.
pub(super) fn codings(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings = values.flat_map(|value| value.split(',')).map(str::trim);
    let codings =
        codings.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"));
    codings.map(|coding| coding.to_ascii_lowercase().trim_start_matches("x-").to_owned()).collect()
}

/// Undoes the codings that `headers` name: at most 8 MiB come out, and at most 100 times what went in.
///
/// ```
/// use http::HeaderMap;
/// use rules::compare::{Undecoded, decoded};
/// let mut headers = HeaderMap::new();
/// assert_eq!(*decoded(&headers, b"{}").unwrap(), *b"{}");
/// headers.insert("content-encoding", "gzip".parse().unwrap());
/// assert_eq!(decoded(&headers, b"{}"), Err(Undecoded::Corrupt));
/// ```
///
/// # Errors
/// When a body is not what its codings say, or is over the bounds.
pub fn decoded<'b>(headers: &HeaderMap, body: &'b [u8]) -> Result<Cow<'b, [u8]>, Undecoded> {
    undone(&codings(headers), body, &mut Steps::default())
}

/// Undoes codings, the last one first. Nothing needs no decoding.
pub(super) fn undone<'b>(
    codings: &[String],
    body: &'b [u8],
    steps: &mut Steps,
) -> Result<Cow<'b, [u8]>, Undecoded> {
    let mut content = Cow::Borrowed(body);
    if body.is_empty() {
        return Ok(content);
    }
    if codings.len() > MOST_CODINGS {
        return Err(Undecoded::TooLarge);
    }
    let most = MOST_BYTES.min(body.len().saturating_mul(MOST_EXPANSION));
    for coding in codings.iter().rev() {
        let affordable = steps.left().saturating_mul(BYTES_PER_STEP);
        let plain = one(coding, &content, most.min(affordable))?;
        steps.spend(plain.len() / BYTES_PER_STEP).map_err(|_over| Undecoded::TooLarge)?;
        content = Cow::Owned(plain);
    }
    Ok(content)
}

fn one(coding: &str, body: &[u8], most: usize) -> Result<Vec<u8>, Undecoded> {
    match coding {
        "gzip" => bounded(MultiGzDecoder::new(body), most),
        "deflate" if is_zlib(body) => bounded(ZlibDecoder::new(body), most),
        "deflate" => bounded(DeflateDecoder::new(body), most),
        "br" => bounded(Decompressor::new(body, BROTLI_BUFFER_BYTES), most),
        "zstd" => {
            let decoder = ZstdDecoder::with_buffer(body).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Ok(decoder)
            });
            bounded(decoder.map_err(|_unusable| Undecoded::Corrupt)?, most)
        }
        _ => Err(Undecoded::Corrupt),
    }
}

/// `deflate` is a zlib stream (RFC 9110 section 8.4.1.2), but many have sent it without zlib's two bytes ahead.
fn is_zlib(body: &[u8]) -> bool {
    let [first, second, ..] = body else { return false };
    first & 0x0f == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31)
}

fn bounded(decoder: impl Read, most: usize) -> Result<Vec<u8>, Undecoded> {
    let mut plain = Vec::new();
    let one_more = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(one_more).read_to_end(&mut plain).map_err(|_not_so| Undecoded::Corrupt)?;
    if plain.len() > most { Err(Undecoded::TooLarge) } else { Ok(plain) }
}
