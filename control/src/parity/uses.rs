//! What do a route's rules hide? How often each applied, and which are worth a word.

use rules::compare::{CompareRules, Comparison, Effect, RuleUse};

use super::{Span, Tally};

/// A rule that was not needed for so long is told.
const IDLE_MS: i64 = 24 * 3_600 * 1_000;
/// A rule that hides more than this part of all fields is told.
const MOST_HIDDEN: f64 = 0.5;

/// What is worth a word about a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleWorry {
    /// For a day it has applied to nothing.
    Idle,
    /// It hides more than half of all fields.
    HidesMost,
}

impl RuleWorry {
    /// The name, as the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::HidesMost => "hides_most",
        }
    }
}

/// One rule on places, and what it did since counting began.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleState {
    /// Its place among the route's rules.
    pub number: usize,
    /// Exchanges that it applied to.
    pub exchanges: u64,
    /// Fields that it applied to.
    pub fields: u64,
    /// The part of all fields that it keeps from being looked at; none where it only makes the comparison milder.
    pub hidden: Option<f64>,
    /// When it applied last, in milliseconds since 1970.
    pub last_used_unix_ms: Option<i64>,
    /// What is worth a word about it.
    pub worry: Option<RuleWorry>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Used {
    exchanges: u64,
    fields: u64,
    last_unix_ms: Option<i64>,
}

/// How often each rule of a route applied, by its place among them.
#[derive(Debug, Default)]
pub(super) struct Uses {
    rules: Vec<Used>,
    /// All fields of all exchanges since counting began.
    all_fields: u64,
}

/// When it is now, since when is counted, and what came of the last day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) now_unix_ms: i64,
    pub(super) since_unix_ms: i64,
    pub(super) last_day: Tally,
}

impl Uses {
    pub(super) fn count(&mut self, rules: &CompareRules, comparison: &Comparison, at_unix_ms: i64) {
        self.rules.resize(rules.places.len(), Used::default());
        self.all_fields += comparison.fields.all();
        for RuleUse { rule, fields } in &comparison.uses {
            let Some(used) = self.rules.get_mut(*rule) else { continue };
            used.exchanges += 1;
            used.fields += fields;
            used.last_unix_ms = used.last_unix_ms.max(Some(at_unix_ms));
        }
    }

    pub(super) fn state(&self, rules: &CompareRules, asked: &Asked) -> Vec<RuleState> {
        let states = rules.places.iter().enumerate().map(|(number, rule)| {
            let used = self.rules.get(number).copied().unwrap_or_default();
            let hides = matches!(rule.effect, Effect::Ignore | Effect::PresenceOnly);
            let all = self.all_fields;
            let hidden = (hides && all > 0).then(|| used.fields as f64 / all as f64);
            RuleState {
                number,
                exchanges: used.exchanges,
                fields: used.fields,
                hidden,
                last_used_unix_ms: used.last_unix_ms,
                worry: worry(used, hidden, asked),
            }
        });
        states.collect()
    }
}

fn worry(used: Used, hidden: Option<f64>, asked: &Asked) -> Option<RuleWorry> {
    if hidden.is_some_and(|hidden| hidden > MOST_HIDDEN) {
        return Some(RuleWorry::HidesMost);
    }
    let last = used.last_unix_ms.unwrap_or(asked.since_unix_ms);
    let is_idle = asked.now_unix_ms - last >= IDLE_MS && asked.last_day.figures.compared > 0;
    is_idle.then_some(RuleWorry::Idle)
}

/// The span over which a rule must have been needed.
pub(super) const IDLE_OVER: Span = Span::Day;

#[cfg(test)]
mod tests {
    use rules::compare::PlaceRule;

    use super::*;
    use crate::parity::kit::matching;

    fn rules() -> CompareRules {
        let rule = |pattern: &str, effect| PlaceRule::always(pattern.parse().unwrap(), effect);
        let places = [
            rule("/a", Effect::Ignore),
            rule("/b", Effect::PresenceOnly),
            rule("/c", Effect::Array(rules::compare::ArrayRule::Set)),
        ];
        CompareRules { places: places.into(), ..CompareRules::default() }
    }

    #[test]
    fn a_rule_that_is_idle_or_hides_most_is_told() {
        let (rules, mut uses) = (rules(), Uses::default());
        let mut comparison = matching("x", 0).comparison;
        comparison.fields.equal = 4;
        comparison.fields.ignored = 6;
        comparison.uses = vec![RuleUse { rule: 0, fields: 6 }, RuleUse { rule: 2, fields: 9 }];
        uses.count(&rules, &comparison, 1_000);
        let mut last_day = Tally::default();
        last_day.figures.compared = 1;
        let asked = Asked { now_unix_ms: IDLE_MS - 1, since_unix_ms: 0, last_day };
        let told = |asked| uses.state(&rules, &asked).iter().map(|s| s.worry).collect::<Vec<_>>();
        assert_eq!(told(asked), [Some(RuleWorry::HidesMost), None, None]);
        let later = Asked { now_unix_ms: IDLE_MS, ..asked };
        assert_eq!(told(later), [Some(RuleWorry::HidesMost), Some(RuleWorry::Idle), None]);
        let quiet = Asked { last_day: Tally::default(), ..later };
        assert_eq!(told(quiet), [Some(RuleWorry::HidesMost), None, None], "nothing to apply to");
        let states = uses.state(&rules, &asked);
        assert_eq!((states[0].hidden, states[2].hidden), (Some(0.6), None));
        assert_eq!(states[0].last_used_unix_ms, Some(1_000));
    }
}
