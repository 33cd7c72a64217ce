//! Are decoded fields judged as bytes are? The head of HTTP/2 is written out as HTTP/1 would have it, and goes through the
//! same gate.
//!
//! What no HTTP/2 reader may take for a head never comes here (RFC 9113, section 8.1.1): upper case in a name, a
//! pseudo-header that is unknown, twice there or too late, fields of a connection, a length that the body does not keep.
//! The library that reads frames ends such a stream with RST_STREAM and no answer, hence without a problem's code, and
//! without a count or a line in the log; what breaks the connection's own rules ends it with GOAWAY. Nothing of either
//! reaches an upstream.

use http::Method;
use http::header::{HOST, TE, TRANSFER_ENCODING};
use pingora::http::RequestHeader;
use rules::route::UnusualBodies;

use super::head::{Framing, Head};
use super::policy::Policy;
use super::refusal::Refusal;

/// Judges a head whose body, if it has one, is framed by the protocol.
///
/// # Errors
/// What the gate would say of the same head in HTTP/1.
pub(crate) fn judge(head: &RequestHeader, has_body: bool, policy: &Policy) -> Result<(), Refusal> {
    let text = written(head)?;
    let mut judged = Head::default();
    judged.scan(&text, policy)?.ok_or(Refusal::Field)?;
    let framing = judged.framing(policy)?;
    let unusual = matches!(head.method, Method::GET | Method::HEAD | Method::DELETE);
    if unusual && has_body && policy.unusual_bodies == UnusualBodies::Refuse {
        return Err(Refusal::Body);
    }
    match framing {
        // Only the end of the stream may say that there is no body.
        Framing::Length(_) if !has_body => Err(Refusal::ContentLength),
        Framing::Length(_) | Framing::Nothing => Ok(()),
        Framing::Chunked | Framing::Upgrade => Err(Refusal::TransferEncoding),
    }
}

fn written(head: &RequestHeader) -> Result<Vec<u8>, Refusal> {
    let mut text = Vec::with_capacity(512);
    text.extend_from_slice(head.method.as_str().as_bytes());
    text.push(b' ');
    text.extend_from_slice(head.raw_path());
    text.extend_from_slice(b" HTTP/1.1\r\n");
    let authority = head.uri.authority();
    if let Some(authority) = authority {
        push(&mut text, HOST.as_str(), authority.as_str().as_bytes());
    }
    for (name, value) in &head.headers {
        match *name {
            HOST if authority.is_some() => {}
            // They belong to connections of HTTP/1, and TE may only say one thing. (RFC 9113, section 8.2.2)
            TRANSFER_ENCODING => return Err(Refusal::TransferEncoding),
            TE if value != "trailers" => return Err(Refusal::Connection),
            _ if is_of_http1(name.as_str()) => return Err(Refusal::Connection),
            _ => push(&mut text, name.as_str(), value.as_bytes()),
        }
    }
    text.extend_from_slice(b"\r\n");
    Ok(text)
}

fn is_of_http1(name: &str) -> bool {
    matches!(name, "connection" | "upgrade" | "keep-alive" | "proxy-connection" | "http2-settings")
}

fn push(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
    text.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(method: &str, path: &str, fields: &[(&str, &str)], body: bool) -> Option<Refusal> {
        let mut head = RequestHeader::build(method, path.as_bytes(), None).unwrap();
        head.insert_header("host", "h").unwrap();
        for (name, value) in fields {
            head.append_header((*name).to_owned(), *value).unwrap();
        }
        let policy =
            Policy { identity: ["x-tenant-id"].into_iter().collect(), ..Policy::default() };
        judge(&head, body, &policy).err()
    }

    #[test]
    fn what_the_gate_refuses_is_refused_here() {
        for (method, fields, body, refusal) in [
            ("GET", &[("transfer_encoding", "chunked")][..], false, Refusal::LookAlike),
            ("GET", &[("x_tenant_id", "a")], false, Refusal::LookAlike),
            ("GET", &[("transfer-encoding", "chunked")], false, Refusal::TransferEncoding),
            ("GET", &[("connection", "close")], false, Refusal::Connection),
            ("GET", &[("te", "gzip")], false, Refusal::Connection),
            ("GET", &[("upgrade", "h2c")], false, Refusal::Connection),
            ("POST", &[("content-length", "5,5")], true, Refusal::ContentLength),
            ("POST", &[("content-length", "5")], false, Refusal::ContentLength),
            ("POST", &[("expect", "miracles")], true, Refusal::Expectation),
            ("GET", &[], true, Refusal::Body),
            ("TRACE", &[], false, Refusal::Method),
            ("BREW", &[], false, Refusal::Method),
            ("GET", &[("host", "other")], false, Refusal::Host),
        ] {
            assert_eq!(judged(method, "/", fields, body), Some(refusal), "{method} {fields:?}");
        }
        assert_eq!(judged("GET", "/a|b", &[], false), Some(Refusal::Target));
        assert_eq!(
            judged("GET", &format!("/{}", "a".repeat(9_000)), &[], false),
            Some(Refusal::TargetTooLong)
        );
        let many: Vec<(&str, &str)> = vec![("a", "b"); 100];
        assert_eq!(judged("GET", "/", &many, false), Some(Refusal::FieldsTooLarge));
    }

    #[test]
    fn what_is_well_formed_passes() {
        let fields =
            [("te", "trailers"), ("cookie", "a=b"), ("cookie", "c=d"), ("x-tenant-id", "a")];
        assert_eq!(judged("POST", "/a?b=c", &fields, true), None);
        assert_eq!(judged("GET", "/", &[("content-length", "0")], false), None);
    }
}
