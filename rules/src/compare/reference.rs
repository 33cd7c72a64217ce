//! Which place does a reference mean? An arm's own host and path are what the client knows of it, wherever the arm is.

use std::borrow::Cow;

use super::relation::url;
use super::{CompareRules, Home};

/// A reference as the client knows it: without the host where that is the arm itself, and on the canonical path.
///
/// The arm itself is any authority that it is known by, and any host that the rules say is one of the two services.
pub(super) fn as_known<'t>(
    rules: &CompareRules,
    home: Option<&Home>,
    text: &'t str,
) -> Cow<'t, str> {
    if text.starts_with('/') && !text.starts_with("//") {
        return path_as_known(home, text);
    }
    let Some((authority, path)) = url(text) else { return Cow::Borrowed(text) };
    let is_same = |name: &str| name.eq_ignore_ascii_case(authority);
    let is_mapped = rules.hosts.iter().any(|(from, to)| is_same(from) || is_same(to));
    let is_home = home.is_some_and(|home| home.is_called(authority));
    if is_home || is_mapped {
        path_as_known(home, if path.starts_with('/') { path } else { "/" })
    } else {
        Cow::Borrowed(text)
    }
}

/// A path and what follows it, on the canonical path.
pub(super) fn path_as_known<'t>(home: Option<&Home>, text: &'t str) -> Cow<'t, str> {
    let Some(home) = home else { return Cow::Borrowed(text) };
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    match home.back.apply(path) {
        Cow::Borrowed(same) if same == path => Cow::Borrowed(text),
        mapped => Cow::Owned([&*mapped, rest].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rewrite;
    use crate::upstream::tests::upstream;
    use http::HeaderValue;

    #[test]
    fn an_arms_own_places_are_the_clients() {
        let rules = CompareRules {
            hosts: [("new.example".into(), "old.example".into())].into(),
            ..CompareRules::default()
        };
        let home = Home {
            host: Some(HeaderValue::from_static("api.example.org")),
            upstreams: vec![upstream(&[("10.0.0.1:3000", 1)])],
            back: Rewrite::prefix(&"/new".parse().unwrap(), &"/v1".parse().unwrap()),
        };
        for (text, known) in [
            ("/new/7?x=/new#f", "/v1/7?x=/new#f"),
            ("/newer/7", "/newer/7"),
            ("http://API.example.org/new/7", "/v1/7"),
            ("http://10.0.0.1:3000/new", "/v1"),
            ("https://new.example/new/7", "/v1/7"),
            ("https://old.example", "/"),
            ("https://other.example/new/7", "https://other.example/new/7"),
            ("//new.example/new", "//new.example/new"),
            ("7", "7"),
        ] {
            assert_eq!(as_known(&rules, Some(&home), text), known, "{text}");
        }
        assert_eq!(as_known(&CompareRules::default(), None, "/new/7"), "/new/7");
    }
}
