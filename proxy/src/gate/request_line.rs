//! What does a request line ask for? Method, target and version, in one form only.

use std::ops::Range;

use memchr::memchr;

use super::classes::{has_control, is_target, is_token};
use super::policy::Policy;
use super::refusal::Refusal;

/// The longest method that is looked at.
const LONGEST_METHOD: usize = 32;
/// What a request line holds besides method and target: two blanks, the version and the line's end.
const AROUND: usize = 12;

/// The methods that the gate tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Delete,
    Options,
    Other,
}

/// A request line that may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) old: bool,
    /// Where the scheme and the authority stand that the target begins with, if it does, counted from the line's start.
    pub(super) origin: Option<Origin>,
}

/// The part of a target in absolute form that does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// Scheme and authority.
    pub(super) whole: Range<usize>,
    pub(super) authority: Range<usize>,
    /// What takes its place where no path follows.
    pub(super) instead: Option<u8>,
}

/// Refuses what cannot become a request line any more, whatever follows.
///
/// Whether bytes come at once or one by one, the same is refused: all that is looked at is before the limit.
pub(super) fn judge_beginning(bytes: &[u8], policy: &Policy) -> Result<(), Refusal> {
    let longest = LONGEST_METHOD + policy.limits.head.target_bytes + AROUND;
    let window = bytes.get(..longest).unwrap_or(bytes);
    let text = window.strip_suffix(b"\n").unwrap_or(window);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if has_control(text) {
        return Err(Refusal::RequestLine);
    }
    if bytes.len() > longest { Err(Refusal::TargetTooLong) } else { Ok(()) }
}

/// Reads a whole line, its end included.
pub(super) fn judge(line: &[u8], policy: &Policy) -> Result<RequestLine, Refusal> {
    judge_beginning(line, policy)?;
    let text = line.strip_suffix(b"\r\n").ok_or(Refusal::RequestLine)?;
    let (method, rest) = split(text)?;
    let (target, version) = split(rest)?;
    if !is_token(method) || target.is_empty() {
        return Err(Refusal::RequestLine);
    }
    let old = judge_version(version)?;
    if target.len() > policy.limits.head.target_bytes {
        return Err(Refusal::TargetTooLong);
    }
    let kind = judge_method(method, policy)?;
    let origin = judge_target(target, method.len() + 1, kind)?;
    Ok(RequestLine { method: kind, old, origin })
}

fn split(text: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let (before, after) =
        memchr(b' ', text).and_then(|at| text.split_at_checked(at)).ok_or(Refusal::RequestLine)?;
    Ok((before, after.get(1..).unwrap_or_default()))
}

/// Whether it is HTTP/1.0.
fn judge_version(version: &[u8]) -> Result<bool, Refusal> {
    match version {
        b"HTTP/1.1" => Ok(false),
        b"HTTP/1.0" => Ok(true),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refusal::Version)
        }
        _ => Err(Refusal::RequestLine),
    }
}

fn judge_method(method: &[u8], policy: &Policy) -> Result<Method, Refusal> {
    match method {
        b"GET" => Ok(Method::Get),
        b"HEAD" => Ok(Method::Head),
        b"DELETE" => Ok(Method::Delete),
        b"OPTIONS" => Ok(Method::Options),
        b"POST" | b"PUT" | b"PATCH" => Ok(Method::Other),
        b"CONNECT" | b"TRACE" => Err(Refusal::Method),
        other if policy.methods.iter().any(|known| known.as_bytes() == other) => Ok(Method::Other),
        _ => Err(Refusal::Method),
    }
}

fn judge_target(target: &[u8], at: usize, method: Method) -> Result<Option<Origin>, Refusal> {
    if !is_target(target) {
        return Err(Refusal::Target);
    }
    match target {
        [b'/', ..] => Ok(None),
        b"*" if method == Method::Options => Ok(None),
        _ => absolute(target, at, method).map(Some),
    }
}

/// `scheme://authority`, and then a path, a query or nothing. (RFC 9112, section 3.2.2)
fn absolute(target: &[u8], at: usize, method: Method) -> Result<Origin, Refusal> {
    let scheme = ["http://", "https://"].into_iter().find(|scheme| {
        let begin = target.get(..scheme.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(scheme.as_bytes()))
    });
    let begin = scheme.ok_or(Refusal::Target)?.len();
    let rest = target.get(begin..).unwrap_or_default();
    let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let instead = match rest.get(length) {
        Some(b'/') => None,
        // The server as a whole is asked. (RFC 9112, section 3.2.4)
        None if method == Method::Options => Some(b'*'),
        Some(_) | None => Some(b'/'),
    };
    let authority = at + begin..at + begin + length;
    Ok(Origin { whole: at..authority.end, authority, instead })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_judged_by_form_version_method_and_target_in_this_order() {
        let policy = Policy { methods: ["REPORT".into()].into(), ..Policy::default() };
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(8_192));
        let longest = format!("GET /{} HTTP/1.1\r\n", "a".repeat(8_191));
        let endless = "G".repeat(9_000);
        for (line, refusal) in [
            ("GET / HTTP/1.1\n", Refusal::RequestLine),
            ("GET  / HTTP/1.1\r\n", Refusal::RequestLine),
            ("GET /\r\n", Refusal::RequestLine),
            ("GET / HTTP/1.1 \r\n", Refusal::RequestLine),
            ("GET\t/ HTTP/1.1\r\n", Refusal::RequestLine),
            ("GET / http/1.1\r\n", Refusal::RequestLine),
            ("GET / HTTP/11\r\n", Refusal::RequestLine),
            ("G{T / HTTP/1.1\r\n", Refusal::RequestLine),
            (" GET / HTTP/1.1\r\n", Refusal::RequestLine),
            ("GET / HTTP/1.1\r\r\n", Refusal::RequestLine),
            ("GET /a b HTTP/1.1\r\n", Refusal::RequestLine),
            ("PRI * HTTP/2.0\r\n", Refusal::Version),
            ("GET / HTTP/1.2\r\n", Refusal::Version),
            ("GET / HTTP/0.9\r\n", Refusal::Version),
            ("get / HTTP/1.1\r\n", Refusal::Method),
            ("TRACE / HTTP/1.1\r\n", Refusal::Method),
            ("CONNECT h:443 HTTP/1.1\r\n", Refusal::Method),
            ("MKCOL / HTTP/1.1\r\n", Refusal::Method),
            ("GET * HTTP/1.1\r\n", Refusal::Target),
            ("GET a HTTP/1.1\r\n", Refusal::Target),
            ("GET h:80 HTTP/1.1\r\n", Refusal::Target),
            ("GET ftp://h/ HTTP/1.1\r\n", Refusal::Target),
            ("GET /a#b HTTP/1.1\r\n", Refusal::Target),
            ("GET /a\\b HTTP/1.1\r\n", Refusal::Target),
            ("GET /é HTTP/1.1\r\n", Refusal::Target),
            (&long, Refusal::TargetTooLong),
            (&endless, Refusal::TargetTooLong),
        ] {
            assert_eq!(judge(line.as_bytes(), &policy), Err(refusal), "{line:?}");
        }
        for line in [
            "GET / HTTP/1.0\r\n",
            "OPTIONS * HTTP/1.1\r\n",
            "REPORT /a?b=/?[] HTTP/1.1\r\n",
            "GET HTTPS://h?x HTTP/1.1\r\n",
            &longest,
        ] {
            assert!(judge(line.as_bytes(), &policy).is_ok(), "{line:?}");
        }
    }
}
