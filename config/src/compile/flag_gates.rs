//! What does a route have to do with flags? The one that it asks for, and those that its arms are told.

use http::{HeaderName, StatusCode};
use rules::flag::FlagId;
use rules::route::{FlagGate, FlagHeader};

use super::findings::{Findings, Pointer};
use super::flags::{no_such_flag, no_such_variant, place};
use crate::document::{Document, FlagSpec, RouteSpec};

/// The flag that a route asks for.
pub(super) fn flag_gate(
    document: &Document,
    spec: &RouteSpec,
    route_at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<FlagGate> {
    let gate = spec.requires_flag.as_ref()?;
    let whole = route_at.key("requires_flag");
    // Where it is written as a text, there is nothing below.
    let is_text = gate.variant.is_none() && gate.status.is_none() && gate.code.is_none();
    let at = |key: &str| if is_text { whole.clone() } else { whole.key(key) };
    let status = gate.status.unwrap_or(403);
    if !(400..=599).contains(&status) || StatusCode::from_u16(status).is_err() {
        let message = format!("{status} is not the status of a refusal");
        let hint = "write 400 to 599, for example 404 where nobody should learn of it".to_owned();
        findings.error_with_hint(&at("status"), "bad_status", message, hint);
    }
    let code = gate.code.as_deref().unwrap_or("flag_required");
    if !is_code(code) {
        let hint = "use 1 to 64 of a-z 0-9 _, for example `reporting_not_enabled`".to_owned();
        let message = format!("{code:?} is not the code of a problem");
        findings.error_with_hint(&at("code"), "bad_code", message, hint);
    }
    let (flag, known) = flag(document, &gate.flag, &at("flag"), findings)?;
    let name = gate.variant.as_deref().or_else(|| known.served_name())?;
    let Some(variant) = place(known, name) else {
        no_such_variant(known, name, &at("variant"), findings);
        return None;
    };
    if known.off_name() == Some(name) && known.requires.is_empty() {
        let message = "this is the off variant: whoever has the flag is kept out";
        findings.warning(&at("variant"), "off_variant", message, None);
    }
    Some(FlagGate { flag, variant, status, code: code.into() })
}

fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The headers by which a route's arms are told variants.
pub(super) fn flag_headers(
    document: &Document,
    spec: &RouteSpec,
    route_at: &Pointer,
    findings: &mut Findings<'_>,
) -> Box<[FlagHeader]> {
    let at = route_at.key("flag_headers");
    let mut headers: Vec<FlagHeader> = Vec::new();
    for (place, name) in spec.flag_headers.iter().enumerate() {
        let at = at.item(place);
        let Some((flag, _)) = flag(document, name, &at, findings) else { continue };
        // A name that cannot be a header's is told where the flag is declared.
        // Other signs than `-` are refused of clients, because some readers take them for it.
        let sent = name.to_ascii_lowercase().replace(['.', '_'], "-");
        let field = format!("x-turnout-flag-{sent}");
        let Ok(name) = HeaderName::try_from(field) else { continue };
        if headers.iter().any(|known| known.name == name) {
            findings.error(&at, "duplicate", "a header of this name is sent already");
            continue;
        }
        headers.push(FlagHeader { flag, name });
    }
    headers.into()
}

/// A flag that is there, and may be evaluated.
fn flag<'d>(
    document: &'d Document,
    name: &str,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<(FlagId, &'d FlagSpec)> {
    let Some((place, _, flag)) = document.flags.get_full(name) else {
        no_such_flag(document, name, at, findings);
        return None;
    };
    if flag.archived {
        let message = format!("flag `{name}` is archived: nobody gets a value of it");
        findings.error(at, "archived_flag", message);
    }
    u32::try_from(place).ok().map(|place| (FlagId(place), flag))
}
