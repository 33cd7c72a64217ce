//! May two values that differ pass for the same? As far as the rules at their place say.

use std::borrow::Cow;
use std::hash::Hasher;

use super::json::Json;
use super::relation::url;
use super::rules::{CompareRules, Leniency};
use super::{moment, number};

/// What asking costs, in steps, beside reading the text of a value.
const ASKING_STEPS: usize = 10;
/// Bytes of a text that an expression reads in the time of one step.
const BYTES_PER_STEP: usize = 2;

/// A rule's number, and what it allows.
pub(super) type Numbered<'r> = (usize, &'r Leniency);

/// What it costs to ask about a value, in steps.
pub(super) fn price(value: &Json<'_>) -> usize {
    let length = if let Json::String(text) = value { text.len() } else { 0 };
    ASKING_STEPS + length / BYTES_PER_STEP
}

/// By what two values pass for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// By a rule on their place.
    By(usize),
    /// Because their hosts are one.
    ByHosts,
}

/// Whether two values of the same type pass for the same.
pub(super) fn allows<'r>(
    rules: &'r CompareRules,
    at_place: &(impl Iterator<Item = Numbered<'r>> + Clone),
    left: &Json<'_>,
    right: &Json<'_>,
) -> Option<Allowed> {
    let within = at_place.clone().find(|(_, leniency)| is_within(leniency, left, right));
    if let Some((rule, _)) = within {
        return Some(Allowed::By(rule));
    }
    let (Json::String(left), Json::String(right)) = (left, right) else { return None };
    if reading(rules, at_place.clone(), left) != reading(rules, at_place.clone(), right) {
        return None;
    }
    let rewrites = |leniency: &Leniency| {
        matches!(leniency, Leniency::CaseInsensitive | Leniency::Normalised { .. })
    };
    let by = at_place.clone().find(|(_, leniency)| rewrites(leniency));
    Some(by.map_or(Allowed::ByHosts, |(rule, _)| Allowed::By(rule)))
}

/// Feeds to a hasher what is the same for all values that pass for the same: nothing, where a distance is allowed.
/// Says whether that was all there is to the value.
pub(super) fn hash<'r>(
    rules: &'r CompareRules,
    at_place: impl Iterator<Item = Numbered<'r>> + Clone,
    value: &Json<'_>,
    hasher: &mut impl Hasher,
) -> bool {
    let mut at_distance = at_place.clone();
    match value {
        Json::Number(_) => at_distance.any(|(_, one)| matches!(one, Leniency::Number { .. })),
        Json::String(text) => {
            let is_moment = |one: &Leniency| matches!(one, Leniency::Time(_));
            if at_distance.any(|(_, one)| is_moment(one)) && moment::read(text).is_some() {
                return true;
            }
            hasher.write(reading(rules, at_place, text).as_bytes());
            true
        }
        _ => false,
    }
}

/// A text as the rules have it read: hosts mapped, what expressions find replaced, in lower case where case is nothing.
fn reading<'t, 'r>(
    rules: &CompareRules,
    at_place: impl Iterator<Item = Numbered<'r>>,
    text: &'t str,
) -> Cow<'t, str> {
    let mut text = with_mapped_host(rules, text);
    let mut is_any_case = false;
    for (_, leniency) in at_place {
        match leniency {
            Leniency::Normalised { find, with } => {
                if let Cow::Owned(replaced) = find.replace_all(&text, &**with) {
                    text = Cow::Owned(replaced);
                }
            }
            Leniency::CaseInsensitive => is_any_case = true,
            Leniency::Number { .. } | Leniency::Time(_) => {}
        }
    }
    if is_any_case { Cow::Owned(text.to_lowercase()) } else { text }
}

/// An absolute URL with stable's host where the candidate's stands for the same service.
pub(super) fn with_mapped_host<'t>(rules: &CompareRules, text: &'t str) -> Cow<'t, str> {
    if rules.hosts.is_empty() {
        return Cow::Borrowed(text);
    }
    let Some((host, path)) = url(text) else { return Cow::Borrowed(text) };
    let mapped = rules.mapped_host(host);
    if mapped == host {
        return Cow::Borrowed(text);
    }
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    Cow::Owned(format!("{scheme}://{mapped}{path}"))
}

fn is_within(leniency: &Leniency, left: &Json<'_>, right: &Json<'_>) -> bool {
    match (leniency, left, right) {
        (Leniency::Number { absolute, relative }, Json::Number(left), Json::Number(right)) => {
            number::is_within(left, right, *absolute, *relative)
        }
        (Leniency::Time(within), Json::String(left), Json::String(right)) => {
            moment::apart(left, right).is_some_and(|apart| apart <= within.as_nanos())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;
    use std::time::Duration;

    fn passes(leniency: &Leniency, left: &Json<'_>, right: &Json<'_>) -> bool {
        let rules = CompareRules {
            hosts: [("new.example".into(), "old.example".into())].into(),
            ..CompareRules::default()
        };
        allows(&rules, &[(0, leniency)].into_iter(), left, right).is_some()
    }

    fn text(text: &str) -> Json<'_> {
        Json::String(text.into())
    }

    #[test]
    fn each_leniency_allows_what_it_says_and_no_more() {
        let cent = Leniency::Number { absolute: 0.01, relative: 0.0 };
        let percent = Leniency::Number { absolute: 0.0, relative: 0.01 };
        let seconds = Leniency::Time(Duration::from_secs(2));
        let build = Leniency::Normalised {
            find: Regex::new("build-[0-9]+").unwrap(),
            with: "build".into(),
        };
        let case = Leniency::CaseInsensitive;
        for (leniency, left, right, allowed) in [
            (&cent, Json::Number("1.00"), Json::Number("1.01"), true),
            (&cent, Json::Number("1.00"), Json::Number("1.02"), false),
            (&percent, Json::Number("100"), Json::Number("99"), true),
            (&percent, Json::Number("-100"), Json::Number("100"), false),
            (&cent, text("1.00"), text("1.01"), false),
            (&seconds, text("2026-01-01T00:00:00Z"), text("2026-01-01T01:00:02+01:00"), true),
            (&seconds, text("2026-01-01T00:00:00Z"), text("2026-01-01T00:00:03Z"), false),
            (&seconds, text("2026-01-01T00:00:00Z"), text("soon"), false),
            (&build, text("v1 build-7"), text("v1 build-8"), true),
            (&build, text("v1 build-7"), text("v2 build-7"), false),
            (&case, text("Größe"), text("GRÖßE"), true),
            (&case, text("a"), text("b"), false),
            (&case, text("https://new.example/A"), text("https://old.example/a"), true),
            (&cent, text("https://new.example/a"), text("https://old.example/a"), true),
            (&cent, text("https://new.example/a"), text("https://other.example/a"), false),
        ] {
            assert_eq!(passes(leniency, &left, &right), allowed, "{leniency:?} {left:?} {right:?}");
        }
    }
}
