//! How does a rule of comparison look? In the words of the configuration, with what it did.

use rules::compare::{ArrayRule, Effect, Leniency, PlaceRule, When};
use serde::Serialize;
use utoipa::ToSchema;

use super::moment_ms;
use crate::parity::{RuleState, RuleWorry};

/// A rule on places of a body, and what it did since counting began.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleView {
    /// The key that it stands under in the route's `compare:`.
    #[schema(example = "time_tolerance")]
    rule: &'static str,
    /// The places that it is for.
    at: String,
    /// What it says of them, where that is more than its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    with: Option<String>,
    /// Which exchanges it is for; all where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<String>,
    /// Exchanges that it applied to.
    exchanges: u64,
    /// Fields that it applied to.
    fields: u64,
    /// The part of all fields that it keeps from being looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden: Option<f64>,
    /// When it applied last (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<String>,
    /// `idle`: it has applied to nothing for a day. `hides_most`: it hides more than half of all fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    worry: Option<&'static str>,
}

impl RuleView {
    pub(super) fn new(rule: &PlaceRule, state: &RuleState) -> Self {
        let (name, with) = effect(&rule.effect);
        Self {
            rule: name,
            at: rule.pattern.to_string(),
            with,
            when: when(&rule.when),
            exchanges: state.exchanges,
            fields: state.fields,
            hidden: state.hidden,
            last_used: state.last_used_unix_ms.map(moment_ms),
            worry: state.worry.map(RuleWorry::as_str),
        }
    }
}

fn effect(effect: &Effect) -> (&'static str, Option<String>) {
    match effect {
        Effect::Ignore => ("ignore", None),
        Effect::PresenceOnly => ("presence_only", None),
        Effect::Array(ArrayRule::List) => ("arrays", Some("list".to_owned())),
        Effect::Array(ArrayRule::Set) => ("unordered", None),
        Effect::Array(ArrayRule::Keyed(members)) => {
            ("arrays", Some(format!("keyed: {}", members.join(", "))))
        }
        Effect::Lenient(Leniency::Number { absolute, relative }) => {
            let with = match relative {
                part if *part > 0.0 => super::figures::percent(*part),
                _ => absolute.to_string(),
            };
            ("tolerance", Some(with))
        }
        Effect::Lenient(Leniency::Time(within)) => ("time_tolerance", Some(format!("{within:?}"))),
        Effect::Lenient(Leniency::CaseInsensitive) => ("case_insensitive", None),
        Effect::Lenient(Leniency::Normalised { find, with }) => {
            ("normalise", Some(format!("{} -> {with:?}", find.as_str())))
        }
    }
}

fn when(when: &When) -> Option<String> {
    let methods = when.methods.iter().map(ToString::to_string);
    let statuses = when.statuses.iter().map(|(first, last)| match (first, last) {
        (first, last) if first == last => first.to_string(),
        (first, _) => format!("{}xx", first / 100),
    });
    let words: Vec<String> = methods.chain(statuses).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
