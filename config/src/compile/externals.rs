//! Can other systems be asked and told as it is written? Their addresses, what they are shown, and who is told of what.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri, header};

use super::certificates::authorities;
use super::conditions::header_name;
use super::filters::value;
use super::findings::{Findings, Pointer};
use super::upstreams::not_zero;
use crate::closest::did_you_mean;
use crate::document::Document;
use crate::document::external::{ExternalSpec, FormatSpec, NewsSpec, NotificationSpec};
use crate::document::forms::HeaderText;
use crate::document::secret::Secret;

/// Nothing waits longer for another system.
const LONGEST: Duration = Duration::from_secs(60);

/// Another system.
#[derive(Clone, PartialEq)]
pub struct External {
    /// Its name.
    pub name: String,
    /// Where it is: a secret, as far as anybody knows.
    pub url: Uri,
    /// What every request to it carries.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The authorities that vouch for it, as DER; those of the system where none are given.
    pub roots: Option<Vec<Vec<u8>>>,
    /// How long an answer may take altogether.
    pub timeout: Duration,
    /// What is posted to it is signed with this.
    pub key: Option<Secret>,
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("External").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Who is told of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// One of the externals.
    pub to: String,
    /// The path to post to, after that of its URL.
    pub path: Option<String>,
    /// What is posted.
    pub format: FormatSpec,
    /// The routes that it is about; all where none are named.
    routes: Vec<String>,
    /// What is told; everything where nothing is named.
    of: Vec<NewsSpec>,
}

impl Notification {
    /// Whether it is told of this.
    #[must_use]
    pub fn wants(&self, route: &str, news: NewsSpec) -> bool {
        (self.routes.is_empty() || self.routes.iter().any(|name| name == route))
            && (self.of.is_empty() || self.of.contains(&news))
    }
}

/// The other systems, by name, without those that are wrong.
pub(super) fn externals(
    document: &Document,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, Arc<External>> {
    let at = Pointer::root().key("externals");
    let mut all = BTreeMap::new();
    for (name, spec) in &document.externals {
        let at = at.key(name);
        if name.parse::<rules::RouteName>().is_err() {
            let message = "an external's name is 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or a digit";
            findings.error(&at, "bad_name", message);
        }
        if let Some(external) = external(document, name, spec, &at, findings) {
            all.insert(name.clone(), Arc::new(external));
        }
    }
    all
}

fn external(
    document: &Document,
    name: &str,
    spec: &ExternalSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<External> {
    let url = url(&spec.url, &at.key("url"), findings);
    let mut headers = Vec::new();
    for (name, text) in &spec.headers {
        let at = at.key("headers").key(name);
        let text = value(document, text, &at, findings);
        if let Some(name) = header_name(name, &at, findings).filter(|name| own(name, &at, findings))
        {
            headers.extend(text.map(|text| (name, text)));
        }
    }
    if let Some(token) = spec.bearer.as_ref().and_then(|token| findings.secret(token)) {
        headers.extend(bearer(token, &at.key("bearer"), findings));
    }
    not_zero(spec.timeout, &at.key("timeout"), findings);
    if spec.timeout.0 > LONGEST {
        let message = format!("{} is too long to wait for an answer: at most 60s", spec.timeout);
        findings.error(&at.key("timeout"), "too_large", message);
    }
    let roots = spec.ca.as_ref().map(|ca| authorities(ca, &at.key("ca"), findings));
    let url = url?;
    if url.scheme_str() == Some("http") && !headers.is_empty() && !is_loopback(&url) {
        let message = "what it is shown goes through the network for everybody to read";
        findings.warning(&at.key("url"), "plain_http", message, "write `https://..`".to_owned());
    }
    Some(External {
        name: name.to_owned(),
        url,
        headers,
        roots: roots.flatten(),
        timeout: spec.timeout.0,
        key: spec.signed_with.as_ref().and_then(|key| findings.secret(key)).map(Secret::new),
    })
}

/// The address, never shown: it may be a secret.
fn url(text: &HeaderText, at: &Pointer, findings: &mut Findings<'_>) -> Option<Uri> {
    let bytes = match text {
        HeaderText::Text(text) => text.as_bytes(),
        HeaderText::Secret(reference) => findings.secret(reference)?,
    };
    let good = |url: &Uri| {
        let plain = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        plain && matches!(url.scheme_str(), Some("http" | "https")) && !bytes.contains(&b'#')
    };
    let url = Uri::try_from(bytes).ok().filter(good);
    if url.is_none() {
        let hint = "write `https://host:port/path`; who Turnout is goes into `bearer` or `headers`";
        findings.error_with_hint(at, "bad_url", "this is no URL to ask", hint.to_owned());
    }
    url
}

fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn own(name: &HeaderName, at: &Pointer, findings: &mut Findings<'_>) -> bool {
    let framing = [header::HOST, header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONNECTION]
        .contains(name)
        || [header::TRANSFER_ENCODING, header::ACCEPT_ENCODING].contains(name)
        || name.as_str().starts_with("turnout-");
    if framing {
        let message = format!("`{name}`: this header is Turnout's own");
        findings.error_with_hint(at, "protected_header", message, "leave it out".to_owned());
    }
    !framing
}

fn bearer(
    token: &[u8],
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<(HeaderName, HeaderValue)> {
    let Ok(mut value) = HeaderValue::from_bytes(&[b"Bearer ", token].concat()) else {
        let hint = "no line breaks and no control characters".to_owned();
        findings.error_with_hint(at, "bad_header_value", "this cannot be a token", hint);
        return None;
    };
    value.set_sensitive(true);
    Some((header::AUTHORIZATION, value))
}

/// Who is told of what rollouts do.
pub(super) fn notifications(document: &Document, findings: &mut Findings<'_>) -> Vec<Notification> {
    let at = Pointer::root().key("notifications");
    let mut all = Vec::new();
    for (place, spec) in document.notifications.iter().enumerate() {
        let NotificationSpec { to, path, format, routes, of } = spec;
        let at = at.item(place);
        known(document, to, &at.key("to"), findings);
        checked_path(path.as_deref(), &at.key("path"), findings);
        for (place, route) in routes.iter().enumerate() {
            if !document.routes.contains_key(route)
                && !findings.lost(&Pointer::root().key("routes").key(route))
            {
                let hint = did_you_mean(route, document.routes.keys().map(String::as_str));
                let message = format!("there is no route `{route}`");
                findings.error_with_hint(
                    &at.key("routes").item(place),
                    "unknown_route",
                    message,
                    hint,
                );
            }
        }
        all.push(Notification {
            to: to.clone(),
            path: path.clone(),
            format: *format,
            routes: routes.clone(),
            of: of.clone(),
        });
    }
    all
}

/// Tells where there is no such external.
pub(super) fn known(document: &Document, name: &str, at: &Pointer, findings: &mut Findings<'_>) {
    let lost = || findings.lost(&Pointer::root().key("externals").key(name));
    if document.externals.contains_key(name) || lost() {
        return;
    }
    let hint = did_you_mean(name, document.externals.keys().map(String::as_str));
    let hint = hint.unwrap_or_else(|| format!("write `externals: {{{name}: {{url: ..}}}}`"));
    findings.error_with_hint(
        at,
        "unknown_external",
        format!("there is no external `{name}`"),
        hint,
    );
}

/// Tells where this is no path to ask for.
pub(super) fn checked_path(path: Option<&str>, at: &Pointer, findings: &mut Findings<'_>) {
    let good = |path: &str| {
        path.starts_with('/') && !path.contains('#') && path.parse::<PathAndQuery>().is_ok()
    };
    if let Some(path) = path.filter(|path| !good(path)) {
        let hint = "it begins with `/`; what is not ASCII is written as %XX".to_owned();
        findings.error_with_hint(at, "bad_path", format!("{path:?} is no path"), hint);
    }
}
