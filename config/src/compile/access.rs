//! Who may command? The control API is open to nobody by accident.

use std::net::SocketAddr;

use jiff::Timestamp;

use super::findings::{Findings, Pointer};
use crate::document::{AccessScope, Document, SubjectSpec, TokenSpec};

/// What every token's hash begins with.
pub(crate) const SHA256: &str = "sha256:";

pub(super) fn access(
    document: &Document,
    address: Option<SocketAddr>,
    findings: &mut Findings<'_>,
) {
    let at = Pointer::root().key("control");
    let spec = &document.control;
    let is_open = !document.insecure_control && spec.knows_nobody();
    let is_lost =
        findings.lost_below(&at.key("tokens")) || findings.lost_below(&at.key("subjects"));
    if let Some(address) = address.filter(|address| !address.ip().to_canonical().is_loopback())
        && is_open
        && !is_lost
    {
        let message = format!(
            "without tokens or subjects the control API listens on a loopback address only, not on {address}: whoever reaches it could move traffic"
        );
        let hint = format!(
            "write `127.0.0.1:{}`, or add `tokens:` (`turnout token hash` makes one) or `subjects:`, or say `insecure_control: true`",
            address.port()
        );
        findings.error_with_hint(&at.key("address"), "control_beyond_loopback", message, hint);
    }
    if document.store.redis.is_some() && is_open && !is_lost {
        let message = "a fleet shares who may command: without tokens or subjects whoever reaches one node moves all of them";
        let hint = "add `tokens:` (`turnout token hash` makes one) or `subjects:`, or say `insecure_control: true`";
        findings.error_with_hint(&at, "fleet_without_tokens", message, hint.to_owned());
    }
    if spec.approvals > 0 && spec.knows_nobody() && !is_lost {
        let message = "without tokens or subjects nobody is told from anybody else, so that nobody can approve";
        let hint = "add `tokens:` or `subjects:`, two of them with the scope `approve`".to_owned();
        findings.error_with_hint(&at.key("approvals"), "approvals_without_tokens", message, hint);
    }
    for (name, token) in &spec.tokens {
        look_at_token(document, token, &at.key("tokens").key(name), findings);
    }
    look_at_subjects(document, &at, findings);
}

/// Whom certificates make known: each by a name of its own, and only where certificates are shown.
fn look_at_subjects(document: &Document, control: &Pointer, findings: &mut Findings<'_>) {
    let (spec, at) = (&document.control, control.key("subjects"));
    let shows = spec.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    if !spec.subjects.is_empty() && !shows && !findings.lost_below(&control.key("tls")) {
        let message = "subjects are known by their certificates, and nobody is asked for one";
        let hint = "add `tls: {certificates: [..], clients: {ca: {file: operators.pem}, required: false}}` to `control:`";
        findings.error_with_hint(&at, "subjects_without_certificates", message, hint.to_owned());
    }
    for (i, (name, subject)) in spec.subjects.iter().enumerate() {
        let at = at.key(name);
        let SubjectSpec { certificate, scopes, routes, .. } = subject;
        if certificate.as_str().is_empty() {
            let hint = "write for example `{email: ann@example.org}`".to_owned();
            let message = "nobody is known by an empty name";
            findings.error_with_hint(&at.key("certificate"), "empty_name", message, hint);
        }
        let before = spec.subjects.iter().take(i).find(|(_, one)| one.certificate == *certificate);
        if let Some((before, _)) = before {
            let message = format!("subject {before:?} is known by the same name");
            findings.error(&at.key("certificate"), "same_certificate", message);
        }
        look_at_rights(document, scopes, routes.as_deref(), &at, findings);
    }
}

/// What somebody may do, and where.
fn look_at_rights(
    document: &Document,
    scopes: &[AccessScope],
    routes: Option<&[String]>,
    at: &Pointer,
    findings: &mut Findings<'_>,
) {
    if scopes.is_empty() {
        let hint = "write for example `[read, rollback]`".to_owned();
        findings.error_with_hint(&at.key("scopes"), "no_scopes", "it is good for nothing", hint);
    }
    for (i, route) in routes.into_iter().flatten().enumerate() {
        if !document.routes.contains_key(route) {
            let hint = crate::closest(route, document.routes.keys().map(String::as_str));
            let hint = hint.map(|name| format!("did you mean {name:?}?"));
            let message = format!("there is no route {route:?}");
            findings.error_with_hint(&at.key("routes").item(i), "unknown_route", message, hint);
        }
    }
}

fn look_at_token(
    document: &Document,
    token: &TokenSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) {
    look_at_credential(&token.hash, token.expires.as_deref(), at, findings);
    look_at_rights(document, &token.scopes, token.routes.as_deref(), at, findings);
}

/// What is kept of a token, and until when it is good.
pub(super) fn look_at_credential(
    hash: &str,
    expires: Option<&str>,
    at: &Pointer,
    findings: &mut Findings<'_>,
) {
    if !is_hash(hash) {
        let message = "this is no hash of a token";
        let hint = "write what `turnout token hash` prints: `sha256:` and 64 hexadecimal digits";
        findings.error_with_hint(&at.key("hash"), "bad_hash", message, hint.to_owned());
    }
    if let Some(expires) = expires.filter(|text| !is_moment(text)) {
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
