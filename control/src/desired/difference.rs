//! How do two states differ, as people read it? A unified diff: the configuration's text, then one line per key.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Desired, keys};

/// What differs between two states; empty where nothing does.
#[must_use]
pub fn between(before: &Desired, after: &Desired) -> String {
    let was = keys::changes(Some(after), before);
    let will_be = keys::changes(Some(before), after);
    let text = |changes: Vec<(String, Option<String>)>| {
        let values = changes.into_iter().filter_map(|(key, value)| Some((key, value?)));
        of_values(&values.collect())
    };
    config::diff(&text(was), &text(will_be))
}

/// A state as text: the configuration, then a line per live key. Nothing of a token but what it is good for, and nothing that
/// only notes since when something is so.
#[must_use]
pub fn of_values(values: &BTreeMap<String, String>) -> String {
    let mut text = values.get(keys::DOCUMENT).cloned().unwrap_or_default();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let is_live = |key: &str| !key.starts_with(keys::DOCUMENT) && !keys::is_note(key);
    for (key, value) in values.iter().filter(|(key, _)| is_live(key)) {
        writeln!(text, "{key} {}", shown(key, value)).ok();
    }
    text
}

fn shown(key: &str, value: &str) -> String {
    if !key.starts_with("token/") {
        return value.to_owned();
    }
    let mut token: serde_json::Value = serde_json::from_str(value).unwrap_or_default();
    if let Some(members) = token.as_object_mut() {
        members.remove("hash");
    }
    token.to_string()
}
