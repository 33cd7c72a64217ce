//! How does a chunked body go on? The line before a chunk, and the section after the last.

use memchr::memchr;

use super::classes::is_field_value;
use super::fields;
use super::policy::Policy;
use super::protected::{is_of_a_connection, is_protected};
use super::refusal::Refusal;

/// The most digits of a chunk's size.
const SIZE_DIGITS: usize = 15;

/// The line before a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkLine {
    /// How many bytes the chunk has.
    pub(super) size: u64,
    /// How many digits the line begins with, which pass.
    pub(super) digits: usize,
    /// How long the line is, its end included.
    pub(super) length: usize,
}

/// Reads the line that `bytes` begin with; none as long as it is not complete.
pub(super) fn read_line(bytes: &[u8], policy: &Policy) -> Result<Option<ChunkLine>, Refusal> {
    let longest = SIZE_DIGITS + policy.limits.head.extension_bytes + 2;
    let window = bytes.get(..longest).unwrap_or(bytes);
    let Some(end) = memchr(b'\n', window) else {
        return if bytes.len() >= longest { Err(Refusal::Chunk) } else { Ok(None) };
    };
    let line = window.get(..=end).and_then(|line| line.strip_suffix(b"\r\n"));
    let line = line.ok_or(Refusal::Chunk)?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extension) = line.split_at_checked(digits).ok_or(Refusal::Chunk)?;
    let bare = matches!(extension, [] | [b';', _, ..]);
    let fits = extension.len() <= policy.limits.head.extension_bytes && is_field_value(extension);
    if !bare || !fits {
        return Err(Refusal::Chunk);
    }
    let size = size_of(size).ok_or(Refusal::Chunk)?;
    Ok(Some(ChunkLine { size, digits, length: end + 1 }))
}

fn size_of(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > SIZE_DIGITS {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The trailer section after the last chunk. Places are counted from the first byte of the last chunk's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trailers {
    from: usize,
    line: usize,
    scanned: usize,
}

impl Trailers {
    /// A section that begins here.
    pub(super) const fn at(from: usize) -> Self {
        Self { from, line: from, scanned: from }
    }

    /// Goes on to the end of what has come, which begins with the last chunk's line. Tells where the section ends.
    pub(super) fn scan(&mut self, bytes: &[u8], policy: &Policy) -> Result<Option<usize>, Refusal> {
        loop {
            let rest = bytes.get(self.scanned..).unwrap_or_default();
            let found = memchr(b'\n', rest);
            self.scanned += found.map_or(rest.len(), |at| at + 1);
            let length = self.scanned - self.from;
            let line = bytes.get(self.line..self.scanned).unwrap_or_default();
            if found.is_none() {
                let more_than_fits = length >= policy.limits.head.trailer_bytes;
                return if more_than_fits { Err(Refusal::TrailersTooLarge) } else { Ok(None) };
            }
            if length > policy.limits.head.trailer_bytes {
                return Err(Refusal::TrailersTooLarge);
            }
            if line == b"\r\n" {
                return Ok(Some(self.scanned));
            }
            judge(line, policy)?;
            self.line = self.scanned;
        }
    }
}

/// A trailer never frames, names the host, or says who asks: it comes after all of that was decided.
fn judge(line: &[u8], policy: &Policy) -> Result<(), Refusal> {
    let field = fields::read(line, policy).map_err(|refusal| match refusal {
        Refusal::LookAlike => Refusal::LookAlike,
        _ => Refusal::Trailer,
    })?;
    let refused = is_protected(field.name, policy) || is_of_a_connection(field.name);
    if refused { Err(Refusal::Trailer) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_begins_with_a_size_and_perhaps_an_extension() {
        let policy = Policy::default();
        let long = format!("5;{}\r\n", "x".repeat(256));
        for line in [
            "\r\n",
            ";a\r\n",
            "5\n",
            "5 \r\n",
            " 5\r\n",
            "0x5\r\n",
            "-5\r\n",
            "5\r",
            "5;\r\n",
            "5;a\nb\r\n",
            "5;a\rb\r\n",
            "5;\0\r\n",
            "1234567890123456\r\n",
            "5,5\r\n",
            "5\t;a\r\n",
            &long,
        ] {
            let judged = read_line(line.as_bytes(), &policy);
            let refused =
                matches!(judged, Err(Refusal::Chunk)) || (line == "5\r" && judged == Ok(None));
            assert!(refused, "{line:?}: {judged:?}");
        }
        for (line, size, digits) in
            [("5\r\n", 5, 1), ("00Ff;a=\"b;\"\t\r\nxx", 255, 4), ("0\r\n", 0, 1)]
        {
            let read = read_line(line.as_bytes(), &policy).unwrap().unwrap();
            assert_eq!((read.size, read.digits), (size, digits), "{line:?}");
        }
    }

    #[test]
    fn trailers_are_fields_without_a_say() {
        let policy =
            Policy { identity: ["x-tenant-id"].into_iter().collect(), ..Policy::default() };
        let judge = |section: &str| Trailers::at(0).scan(section.as_bytes(), &policy);
        assert_eq!(judge("\r\n"), Ok(Some(2)));
        assert_eq!(judge("Digest: x\r\nA: b\r\n\r\nGET"), Ok(Some(19)));
        assert_eq!(judge("Digest: x\r\n"), Ok(None));
        for section in [
            "\n",
            "A: b\n\r\n",
            "Host: h\r\n\r\n",
            "Content-Length: 1\r\n\r\n",
            "X-Tenant-Id: a\r\n",
            "Authorization: x\r\n",
            "X-Forwarded-For: x\r\n",
            "Connection: close\r\n",
            "a b: c\r\n",
        ] {
            assert_eq!(judge(section), Err(Refusal::Trailer), "{section:?}");
        }
        assert_eq!(judge("X_Tenant_Id: a\r\n"), Err(Refusal::LookAlike));
        let full = format!("A: {}\r\n\r\n", "x".repeat(4_096 - 7));
        assert_eq!(judge(&full), Ok(Some(4_096)));
        let long = format!("A: {}\r\n\r\n", "x".repeat(4_096 - 6));
        assert_eq!(judge(&long), Err(Refusal::TrailersTooLarge));
        assert_eq!(judge(&"x".repeat(4_096)), Err(Refusal::TrailersTooLarge));
    }
}
