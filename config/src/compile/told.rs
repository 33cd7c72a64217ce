//! Which cohorts does a request's header tell, and what must it say?

use http::header;
use rules::cohort::{CohortId, Says, Told};

use super::conditions::header_name;
use super::findings::{Findings, Pointer};
use super::tenancy::believed;
use crate::document::{CohortSpec, Document};

/// What a cohort asks of each request's headers; nothing where it is a set of tenants.
pub(super) fn told(
    document: &Document,
    spec: &CohortSpec,
    cohort: CohortId,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<Told> {
    let Some(name) = &spec.header else {
        let stray = [("has", &spec.has), ("is", &spec.is)];
        for (key, _) in stray.iter().filter(|(_, value)| value.is_some()) {
            let message = format!("`{key}` is what a header must say, and no header is named");
            let hint = format!("write `header: X-Consumer-Groups` beside `{key}`");
            findings.error_with_hint(&at.key(key), "cohort_header", message, hint);
        }
        return None;
    };
    let name_at = at.key("header");
    believed(document, "this header", &name_at, findings);
    let header = header_name(name, &name_at, findings);
    let (key, value) = match (&spec.has, &spec.is) {
        (Some(value), None) => ("has", value),
        (None, Some(value)) => ("is", value),
        (None, None) if findings.lost_below(at) => return None,
        (None, None) | (Some(_), Some(_)) => {
            let message = "what the header must say is not clear";
            let hint = "write either `has: beta`, one of a list, or `is: beta`, the whole value";
            findings.error_with_hint(at, "cohort_header", message, hint.to_owned());
            return None;
        }
    };
    let header = header.filter(|header| is_identity(header, &name_at, findings))?;
    let is_one =
        !value.is_empty() && value.trim() == value && !(key == "has" && value.contains(','));
    if !is_one || header::HeaderValue::from_str(value).is_err() {
        let message = format!("no header ever says {value:?}");
        let hint = "give one value, without blanks around it, and for `has` without commas";
        findings.error_with_hint(&at.key(key), "cohort_header", message, hint.to_owned());
        return None;
    }
    let value = value.as_str().into();
    let says = if key == "has" { Says::Has(value) } else { Says::Is(value) };
    Some(Told { cohort, header, says })
}

/// Whether a header may say who somebody is: from strangers it is removed, which clients' own fields must not be.
fn is_identity(name: &header::HeaderName, at: &Pointer, findings: &mut Findings<'_>) -> bool {
    const CLIENTS: [header::HeaderName; 12] = [
        header::ACCEPT,
        header::AUTHORIZATION,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::HOST,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::USER_AGENT,
    ];
    let is_clients = CLIENTS.contains(name);
    if is_clients {
        let message = format!("`{name}` is the client's own: no proxy vouches for it");
        let hint = "name a header that the proxy in front sets, such as `X-Consumer-Groups`";
        findings.error_with_hint(at, "protected_header", message, hint.to_owned());
    }
    !is_clients
}
