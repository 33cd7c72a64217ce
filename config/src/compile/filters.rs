//! How are heads changed? Headers that are set, added and removed, and the Host that arms are asked for.

use http::{HeaderName, HeaderValue};
use indexmap::IndexMap;
use rules::route::HeaderEdits;

use super::conditions::header_name;
use super::findings::{Findings, Pointer};
use crate::document::Document;
use crate::document::forms::HeaderText;
use crate::document::route::HeaderEditsSpec;

/// Fields that say how a message is framed or passed on (RFC 9110 section 7.6.1): the proxy's own business.
const FRAMING: [HeaderName; 7] = [
    http::header::CONNECTION,
    http::header::CONTENT_LENGTH,
    http::header::PROXY_AUTHENTICATE,
    http::header::TE,
    http::header::TRAILER,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
];

pub(super) fn edits(
    document: &Document,
    spec: &HeaderEditsSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> HeaderEdits {
    let names = spec.remove.iter().enumerate();
    let remove = names.filter_map(|(i, name)| editable(name, &at.key("remove").item(i), findings));
    HeaderEdits {
        remove: remove.collect(),
        set: fields(document, &spec.set, &at.key("set"), findings).into(),
        add: fields(document, &spec.add, &at.key("add"), findings).into(),
    }
}

fn fields(
    document: &Document,
    written: &IndexMap<String, HeaderText>,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (name, text) in written {
        let at = at.key(name);
        let value = value(document, text, &at, findings);
        let Some(name) = editable(name, &at, findings) else { continue };
        if fields.iter().any(|(other, _)| *other == name) {
            findings.error(&at, "duplicate_header", format!("header `{name}` is written twice"));
        }
        fields.extend(value.map(|value| (name, value)));
    }
    fields
}

/// The value, never shown: it may be a secret even where it stands in the file.
pub(super) fn value(
    document: &Document,
    text: &HeaderText,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<HeaderValue> {
    let (bytes, secret) = match text {
        HeaderText::Text(text) => (text.as_bytes(), false),
        // Where it could not be fetched, that was told while reading.
        HeaderText::Secret(reference) => (document.origin.secrets.get(reference)?.reveal(), true),
    };
    match HeaderValue::from_bytes(bytes) {
        Ok(mut value) => {
            value.set_sensitive(secret);
            Some(value)
        }
        Err(_) => {
            let hint = "no line breaks and no control characters".to_owned();
            findings.error_with_hint(
                at,
                "bad_header_value",
                "this cannot be a header's value",
                hint,
            );
            None
        }
    }
}

fn editable(name: &str, at: &Pointer, findings: &mut Findings<'_>) -> Option<HeaderName> {
    let name = header_name(name, at, findings)?;
    let text = name.as_str();
    let (message, hint) = if name == http::header::HOST {
        ("the Host is not a header like the others", "write `host: ..` on the route")
    } else if FRAMING.contains(&name) || matches!(text, "keep-alive" | "proxy-connection") {
        (
            "this header says how the message is framed or passed on, which the proxy does itself",
            "leave it out",
        )
    } else if text.starts_with("x-turnout-") {
        ("headers that begin with `X-Turnout-` are the proxy's own", "give it another name")
    } else {
        return Some(name);
    };
    findings.error_with_hint(
        at,
        "protected_header",
        format!("`{name}`: {message}"),
        hint.to_owned(),
    );
    None
}

/// A host, perhaps with a port.
pub(super) fn authority(
    text: &str,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<HeaderValue> {
    let parsed = text.parse::<http::uri::Authority>().ok();
    let good = parsed.filter(|parsed| {
        let port = parsed.as_str().strip_prefix(parsed.host()).unwrap_or_default();
        let has_port = port.is_empty() || parsed.port_u16().is_some_and(|port| port > 0);
        has_port
            && parsed.host().parse::<rules::matching::HostMatch>().is_ok()
            && !text.contains(['@', '*'])
    });
    if good.is_none() {
        let message = format!("{text:?} is not a host");
        let hint = "write `internal.example.org` or `internal.example.org:8080`, without a scheme"
            .to_owned();
        findings.error_with_hint(at, "bad_host", message, hint);
    }
    HeaderValue::from_str(good?.as_str()).ok()
}
