//! Can every two routes be told apart? Two that ask the same of a request could only be told apart by their order.

use std::collections::HashMap;

use rules::Route;
use rules::matching::{Conditions, HostMatch, NamedMatch, PathMatch, ValueMatch};

use super::findings::{Findings, Pointer};

/// Everything a route asks by one of its hosts and paths, in one form.
type Asked = (Option<HostMatch>, String, String);

/// One route and its place in the document.
pub(super) type Placed<'r> = (Pointer, &'r Route);

pub(super) fn clashes(routes: &[Placed<'_>], findings: &mut Findings<'_>) {
    let mut seen: HashMap<Asked, (usize, usize)> = HashMap::new();
    for (number, (at, route)) in routes.iter().enumerate() {
        let conditions = in_one_form(&route.conditions);
        let mut told = Vec::new();
        for (family, declared) in route.families.iter().enumerate() {
            for host in hosts(&route.conditions) {
                let asked = (host, path_in_one_form(&declared.path), conditions.clone());
                let first = *seen.entry(asked).or_insert((number, family));
                let is_other = first.0 != number && !told.contains(&(first, family));
                if let (true, Some((_, other))) = (is_other, routes.get(first.0)) {
                    told.push((first, family));
                    tell(at, family, &shown(&declared.path), other, first.1, findings);
                }
            }
        }
    }
}

fn tell(
    at: &Pointer,
    family: usize,
    path: &str,
    other: &Route,
    of_other: usize,
    findings: &mut Findings<'_>,
) {
    let at = match family.checked_sub(1) {
        None => at.key("canonical"),
        Some(alias) => at.key("aliases").item(alias).key("path"),
    };
    let message = format!(
        "the {} `{path}` is also {} of route `{}`, and nothing else tells the two routes apart",
        if family == 0 { "canonical path" } else { "alias" },
        if of_other == 0 { "the canonical path" } else { "an alias" },
        other.name
    );
    let hint =
        "give them other paths, hosts, methods, headers or query, or another `priority`".to_owned();
    findings.error_with_hint(&at, "same_route", message, hint);
}

fn shown(path: &PathMatch) -> String {
    match path {
        PathMatch::Exact(path) | PathMatch::Prefix(path) => path.to_string(),
        // Without the anchor that the matcher puts around it.
        PathMatch::Regex(regex) => {
            let inner = regex.as_str().strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(')'));
            inner.unwrap_or(regex.as_str()).to_owned()
        }
    }
}

fn hosts(conditions: &Conditions) -> Vec<Option<HostMatch>> {
    if conditions.hosts.is_empty() {
        vec![None]
    } else {
        conditions.hosts.iter().cloned().map(Some).collect()
    }
}

fn path_in_one_form(path: &PathMatch) -> String {
    match path {
        PathMatch::Exact(path) => format!("= {path}"),
        PathMatch::Prefix(path) => format!("^ {}", path.as_prefix()),
        PathMatch::Regex(regex) => format!("~ {}", regex.as_str()),
    }
}

fn in_one_form(conditions: &Conditions) -> String {
    let mut methods: Vec<&str> = conditions.methods.iter().map(http::Method::as_str).collect();
    methods.sort_unstable();
    let headers = named(&conditions.headers);
    let queries = named(&conditions.queries);
    format!("{}\n{methods:?}\n{headers:?}\n{queries:?}", conditions.priority)
}

fn named<N: AsRef<str>>(wanted: &[NamedMatch<N>]) -> Vec<String> {
    let mut all: Vec<String> = wanted
        .iter()
        .map(|wanted| format!("{} {}", wanted.name.as_ref(), value(&wanted.value)))
        .collect();
    all.sort_unstable();
    all
}

fn value(value: &ValueMatch) -> String {
    match value {
        ValueMatch::Present => "?".to_owned(),
        ValueMatch::Exact(text) => format!("= {text}"),
        ValueMatch::Regex(regex) => format!("~ {}", regex.as_str()),
    }
}
