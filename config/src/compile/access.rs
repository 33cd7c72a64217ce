//! Who may command? The control API is open to nobody by accident.

use std::net::SocketAddr;

use jiff::Timestamp;

use super::findings::{Findings, Pointer};
use crate::document::{Document, TokenSpec};

/// What every token's hash begins with.
pub(crate) const SHA256: &str = "sha256:";

pub(super) fn access(
    document: &Document,
    address: Option<SocketAddr>,
    findings: &mut Findings<'_>,
) {
    let at = Pointer::root().key("control");
    let spec = &document.control;
    let is_open = !document.insecure_control && spec.tokens.is_empty();
    if let Some(address) = address.filter(|address| !address.ip().to_canonical().is_loopback())
        && is_open
        && !findings.lost_below(&at.key("tokens"))
    {
        let message = format!(
            "without tokens the control API listens on a loopback address only, not on {address}: whoever reaches it could move traffic"
        );
        let hint = format!(
            "write `127.0.0.1:{}`, or add `tokens:` (`turnout token hash` makes one), or say `insecure_control: true`",
            address.port()
        );
        findings.error_with_hint(&at.key("address"), "control_beyond_loopback", message, hint);
    }
    if document.store.redis.is_some() && is_open && !findings.lost_below(&at.key("tokens")) {
        let message = "a fleet shares who may command: without tokens whoever reaches one node moves all of them";
        let hint =
            "add `tokens:` (`turnout token hash` makes one), or say `insecure_control: true`";
        findings.error_with_hint(&at, "fleet_without_tokens", message, hint.to_owned());
    }
    if spec.approvals > 0 && spec.tokens.is_empty() {
        let message = "without tokens nobody is told from anybody else, so that nobody can approve";
        let hint = "add `tokens:`, two of them with the scope `approve`".to_owned();
        findings.error_with_hint(&at.key("approvals"), "approvals_without_tokens", message, hint);
    }
    for (name, token) in &spec.tokens {
        look_at_token(document, token, &at.key("tokens").key(name), findings);
    }
}

fn look_at_token(
    document: &Document,
    token: &TokenSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) {
    if !is_hash(&token.hash) {
        let message = "this is no hash of a token";
        let hint = "write what `turnout token hash` prints: `sha256:` and 64 hexadecimal digits";
        findings.error_with_hint(&at.key("hash"), "bad_hash", message, hint.to_owned());
    }
    if token.scopes.is_empty() {
        let hint = "write for example `[read, rollback]`".to_owned();
        findings.error_with_hint(&at.key("scopes"), "no_scopes", "it is good for nothing", hint);
    }
    for (i, route) in token.routes.iter().flatten().enumerate() {
        if !document.routes.contains_key(route) {
            let hint = crate::closest(route, document.routes.keys().map(String::as_str));
            let hint = hint.map(|name| format!("did you mean {name:?}?"));
            let message = format!("there is no route {route:?}");
            findings.error_with_hint(&at.key("routes").item(i), "unknown_route", message, hint);
        }
    }
    if let Some(expires) = token.expires.as_deref().filter(|text| !is_moment(text)) {
        let message = format!("{expires:?} is no moment");
        let hint = "write for example `2027-01-31T00:00:00Z`".to_owned();
        findings.error_with_hint(&at.key("expires"), "bad_moment", message, hint);
    }
}

/// Whether a text is the hash of a token.
pub(crate) fn is_hash(text: &str) -> bool {
    let digits = text.strip_prefix(SHA256).unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_moment(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok()
}
