//! What does a route ask of a request besides its path? Hosts, methods, headers, query parameters.

use http::{HeaderName, Method};
use indexmap::IndexMap;
use rules::matching::{Conditions, HostMatch, NamedMatch, ValueMatch};

use super::findings::{Findings, Pointer};
use crate::document::RouteSpec;
use crate::document::forms::ValueSpec;

pub(super) fn conditions(
    spec: &RouteSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Conditions {
    Conditions {
        hosts: hosts(&spec.hosts, &at.key("hosts"), findings).into(),
        methods: methods(&spec.methods, &at.key("methods"), findings).into(),
        headers: headers(&spec.headers, &at.key("headers"), findings).into(),
        queries: queries(&spec.query, &at.key("query"), findings).into(),
        priority: spec.priority,
    }
}

fn hosts(texts: &[String], at: &Pointer, findings: &mut Findings<'_>) -> Vec<HostMatch> {
    let mut hosts: Vec<HostMatch> = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        let at = at.item(i);
        let Some(host) = findings.parsed(&at, "bad_host", text.parse()) else { continue };
        if hosts.contains(&host) {
            findings.error(&at, "duplicate_host", format!("host `{host}` is listed twice"));
            continue;
        }
        hosts.push(host);
    }
    hosts
}

/// Methods that may be named, beside those that every listener takes.
pub(super) fn methods(texts: &[String], at: &Pointer, findings: &mut Findings<'_>) -> Vec<Method> {
    let mut methods: Vec<Method> = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        let at = at.item(i);
        let upper = text.to_ascii_uppercase();
        let method = match Method::from_bytes(text.as_bytes()) {
            Ok(method) if *text == upper => method,
            _ => {
                let right = Method::from_bytes(upper.trim().as_bytes())
                    .map_or("GET".to_owned(), |m| m.to_string());
                let message = format!("{text:?} is not a method");
                findings.error_with_hint(
                    &at,
                    "bad_method",
                    message,
                    format!("write it in capitals, such as `{right}`"),
                );
                continue;
            }
        };
        if method == Method::CONNECT || method == Method::TRACE {
            findings.error(&at, "bad_method", format!("{method} is never forwarded"));
        } else if methods.contains(&method) {
            findings.error(&at, "duplicate_method", format!("method {method} is listed twice"));
        } else {
            methods.push(method);
        }
    }
    methods
}

fn headers(
    wanted: &IndexMap<String, ValueSpec>,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Vec<NamedMatch<HeaderName>> {
    let mut found: Vec<NamedMatch<HeaderName>> = Vec::new();
    for (name, value) in wanted {
        let at = at.key(name);
        let value = self::value(value, &at, findings);
        let Some(name) = header_name(name, &at, findings) else { continue };
        if name == http::header::HOST {
            let hint = "write `hosts: [..]` on the route".to_owned();
            findings.error_with_hint(
                &at,
                "protected_header",
                "the Host is matched by `hosts`",
                hint,
            );
        }
        if found.iter().any(|other| other.name == name) {
            findings.error(&at, "duplicate_header", format!("header `{name}` is asked for twice"));
        }
        found.extend(value.map(|value| NamedMatch { name, value }));
    }
    found
}

fn queries(
    wanted: &IndexMap<String, ValueSpec>,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Vec<NamedMatch<Box<str>>> {
    let named = wanted.iter().filter_map(|(name, value)| {
        let at = at.key(name);
        if name.is_empty() {
            findings.error(&at, "bad_name", "a query parameter needs a name");
        }
        Some(NamedMatch { name: name.as_str().into(), value: self::value(value, &at, findings)? })
    });
    named.collect()
}

fn value(spec: &ValueSpec, at: &Pointer, findings: &mut Findings<'_>) -> Option<ValueMatch> {
    match spec {
        ValueSpec::Exact(text) => Some(ValueMatch::Exact(text.as_str().into())),
        ValueSpec::Present(true) => Some(ValueMatch::Present),
        ValueSpec::Present(false) => {
            let hint = "a route that asks for its presence is looked at first; a second one without the condition gets the rest";
            findings.error_with_hint(
                &at.key("present"),
                "absence",
                "absence cannot be asked for",
                hint.to_owned(),
            );
            None
        }
        ValueSpec::Regex(pattern) => regex(&at.key("regex"), ValueMatch::regex(pattern), findings),
    }
}

/// The compiled expression; what is wrong with it in one line.
pub(super) fn regex<T>(
    at: &Pointer,
    compiled: Result<T, regex::Error>,
    findings: &mut Findings<'_>,
) -> Option<T> {
    let error = match compiled {
        Ok(regex) => return Some(regex),
        Err(error) => error,
    };
    let (message, hint) = match &error {
        regex::Error::CompiledTooBig(_) => (
            "this regular expression compiles to too much".to_owned(),
            "repeat less, for example `[a-z]+` and not `[a-z]{1,1000}`",
        ),
        error => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            (
                format!("this is not a regular expression: {reason}"),
                "RE2 syntax: no look-around and no back-references",
            )
        }
    };
    findings.error_with_hint(at, "bad_regex", message, hint.to_owned());
    None
}

/// A header's name.
pub(super) fn header_name(
    name: &str,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<HeaderName> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
    if parsed.is_none() {
        let message = format!("{name:?} is not a header name");
        let hint = "write letters, digits and `-`, such as `X-Tenant-Id`".to_owned();
        findings.error_with_hint(at, "bad_header_name", message, hint);
    }
    parsed
}
