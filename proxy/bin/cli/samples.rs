//! How do the values of a difference look? As they were taken, with what was left out said so.

use serde::Deserialize;
use serde_json::Value;

use super::out::{Style, Tone};
use super::revisions::time;

/// Values of one difference. What an older or newer server leaves out is empty here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Samples {
    samples: Vec<Sample>,
    other_key: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sample {
    exchange: String,
    at: Value,
    expires: Value,
    stable: Option<Side>,
    candidate: Option<Side>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Side {
    place: String,
    value: Option<String>,
}

/// The samples, the newest first.
pub(crate) fn text(kept: &Samples, style: Style) -> String {
    if kept.samples.is_empty() {
        return "no sample is kept: none was taken yet, or their time is over\n".to_owned();
    }
    let mut text = String::new();
    for sample in &kept.samples {
        let (at, expires) = (time(&sample.at), time(&sample.expires));
        text.push_str(&format!(
            "{}  {at}, until {expires}\n",
            style.paint(Tone::Strong, &harmless(&sample.exchange))
        ));
        for (arm, side) in [("stable", &sample.stable), ("candidate", &sample.candidate)] {
            text.push_str(&format!("  {arm:<11}{}\n", side.as_ref().map_or_else(nothing, shown)));
        }
    }
    if kept.other_key > 0 {
        text.push_str(&format!("{} more are encrypted with a former key\n", kept.other_key));
    }
    text
}

fn nothing() -> String {
    "(nothing)".to_owned()
}

fn shown(side: &Side) -> String {
    let value = side.value.as_deref().map_or_else(|| "(redacted)".to_owned(), harmless);
    format!("{}  {value}", harmless(&side.place))
}

/// A text of somebody else's that does nothing to a terminal, nor reads in another order than it stands.
fn harmless(text: &str) -> String {
    let is_shown = |character: char| {
        !character.is_control()
            && !matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = String::new();
    for character in text.chars() {
        if is_shown(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_shown_side_by_side_and_harmless() {
        let answer = json!({"samples": [
            {
                "exchange": "x1", "at": "2026-11-21T02:15:00Z", "expires": "2026-11-21T03:15:00Z",
                "stable": {"place": "/items/0/name", "value": "\"Ann\u{1b}[2J\u{202e}\"", "redacted": false},
                "candidate": {"place": "/items/{*}", "value": null, "redacted": true},
            },
            {"exchange": "x2", "at": "2026-11-21T02:14:00Z", "expires": "2026-11-21T03:14:00Z", "candidate": {"place": "/new", "value": "1"}},
        ], "other_key": 2});
        let kept = Samples::deserialize(&answer).unwrap();
        let expected = "\
x1  2026-11-21 02:15:00Z, until 2026-11-21 03:15:00Z
  stable     /items/0/name  \"Ann\\u{1b}[2J\\u{202e}\"
  candidate  /items/{*}  (redacted)
x2  2026-11-21 02:14:00Z, until 2026-11-21 03:14:00Z
  stable     (nothing)
  candidate  /new  1
2 more are encrypted with a former key
";
        assert_eq!(text(&kept, Style::PLAIN), expected);
        assert!(text(&Samples::default(), Style::PLAIN).starts_with("no sample is kept"));
    }
}
