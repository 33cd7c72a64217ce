//! Who may ask for flags? The listener for services is open to nobody by accident.

use std::net::SocketAddr;

use super::access::look_at_credential;
use super::findings::{Findings, Pointer};
use super::listeners::Sockets;
use crate::document::Document;
use crate::document::ofrep::{FlagTokenSpec, OfrepSpec};

/// Where services ask for flags; nothing where they do so at the control API only, or where the address is wrong.
pub(super) fn ofrep(
    document: &Document,
    sockets: &mut Sockets,
    findings: &mut Findings<'_>,
) -> Option<SocketAddr> {
    let at = Pointer::root().key("ofrep");
    let spec = document.ofrep.as_ref()?;
    let address = sockets.add(&spec.address, &at, findings);
    if let Some(address) = address {
        look_at_address(spec, address, &at, findings);
    }
    for (name, token) in &spec.tokens {
        let at = at.key("tokens").key(name);
        look_at_credential(&token.hash, token.expires.as_deref(), &at, findings);
        look_at_flags(document, token, &at.key("flags"), findings);
    }
    address
}

fn look_at_address(
    spec: &OfrepSpec,
    address: SocketAddr,
    at: &Pointer,
    findings: &mut Findings<'_>,
) {
    let is_lost = findings.lost_below(&at.key("tokens"));
    if address.ip().to_canonical().is_loopback() || !spec.tokens.is_empty() || is_lost {
        return;
    }
    let message = format!(
        "without tokens flags are told on a loopback address only, not on {address}: whoever reaches it could ask what each tenant has"
    );
    let hint = format!(
        "write `127.0.0.1:{}`, or add `tokens: {{billing: {{hash: ..}}}}` (`turnout token hash` makes one)",
        address.port()
    );
    findings.error_with_hint(&at.key("address"), "flags_beyond_loopback", message, hint);
}

fn look_at_flags(
    document: &Document,
    token: &FlagTokenSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) {
    if token.flags.as_ref().is_some_and(Vec::is_empty) && !findings.lost_below(at) {
        let hint = "write for example `[reports, billing.*]`, or leave it out for all".to_owned();
        findings.error_with_hint(at, "no_flags", "it is good for nothing", hint);
    }
    let known = || document.flags.keys().map(String::as_str);
    for (i, limit) in token.flags.iter().flatten().enumerate() {
        let at = at.item(i);
        match limit.strip_suffix('*') {
            Some(begin) if begin.is_empty() || begin.contains('*') => {
                let message = format!("{limit:?} is neither a flag nor how some of them begin");
                let hint = "write `billing.*`, or leave `flags` out for all".to_owned();
                findings.error_with_hint(&at, "bad_limit", message, hint);
            }
            // Flags of a team may come later.
            Some(_) => {}
            None if document.flags.contains_key(limit) => {}
            None => {
                let hint = crate::closest(limit, known());
                let hint = hint.map(|name| format!("did you mean {name:?}?"));
                findings.error_with_hint(
                    &at,
                    "unknown_flag",
                    format!("there is no flag {limit:?}"),
                    hint,
                );
            }
        }
    }
}
