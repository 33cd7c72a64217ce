//! Since when has everybody had the same of a flag? Noted with the revision that makes it so, and kept until one ends it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rules::FlagName;
use rules::flag::{FlagId, FlagSet};
use serde::{Deserialize, Serialize};

use super::Desired;
use crate::digest::sha256;

/// That everybody has the same of a flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steady {
    /// When the revision was accepted that made it so.
    pub since: Timestamp,
    /// What they have, as a hash: it is only asked whether it is the same still.
    given: String,
}

impl Steady {
    /// Whether it has been so for so many days, of 24 hours each.
    #[must_use]
    pub fn is_for(&self, days: u16, now: Timestamp) -> bool {
        now.duration_since(self.since) >= SignedDuration::from_hours(i64::from(days) * 24)
    }
}

impl Desired {
    /// That everybody has the same of a flag. None where they have not, and where it is not known since when: by a variable
    /// a value may be another one than before a restart.
    #[must_use]
    pub fn steady(&self, flags: &FlagSet, id: FlagId) -> Option<&Steady> {
        let known = self.steady.get(&flags.get(id)?.definition.name)?;
        given(flags, id).is_some_and(|given| given == known.given).then_some(known)
    }

    /// Notes of which flags everybody has the same from `now` on. Where it was noted before, that stays; where the flags are
    /// those that are `known`, all of it does.
    #[must_use]
    pub(crate) fn noting_steady(
        self,
        flags: &FlagSet,
        known: Option<&FlagSet>,
        now: Timestamp,
    ) -> Self {
        if known.is_some_and(|known| known.is_same(flags)) {
            return self;
        }
        let all = (0..).map(FlagId).zip(flags.all());
        let steady = all.filter_map(|(id, flag)| {
            let (name, given) = (&flag.definition.name, given(flags, id)?);
            let known = self.steady.get(name).filter(|known| known.given == given).cloned();
            Some((name.clone(), known.unwrap_or(Steady { since: now, given })))
        });
        let steady: BTreeMap<FlagName, Steady> = steady.collect();
        Self { steady: Arc::new(steady), ..self }
    }
}

/// What everybody has of a flag, as a hash: the variant and its value, or nothing, where it is archived.
fn given(flags: &FlagSet, id: FlagId) -> Option<String> {
    let definition = &flags.get(id)?.definition;
    if definition.archived {
        return Some("archived".to_owned());
    }
    let variant = definition.variant(flags.steady(id)?)?;
    Some(sha256(format!("{}={}", variant.name, variant.value.json).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, FlagChange, Scope};
    use crate::ledger::Ledger;
    use crate::ledger::fragile::{Setup, YAML, order, setup, shift};

    const FLAGS: &str = "flags: {base: {start: {share: 100%}}, report: {requires: {base: on}}, \
        size: {variants: {small: 20, large: 200}, off: small}}";

    fn day(number: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(number * 24)
    }

    /// Since which day everybody has had the same of each flag, by name.
    fn steady(ledger: &Ledger) -> Vec<(String, Option<i64>)> {
        let present = ledger.present();
        let flags = &present.compiled.snapshot.flags;
        let since =
            |id| present.desired.steady(flags, id).map(|steady| steady.since.as_second() / 86_400);
        let all = flags.all().iter().zip((0..).map(FlagId));
        all.map(|(flag, id)| (flag.definition.name.to_string(), since(id))).collect()
    }

    #[test]
    fn a_flag_is_steady_since_the_revision_that_gave_everybody_the_same() {
        let Setup { ledger, store, _folder } = setup();
        let apply = |flags: &str| {
            let text = format!("{flags}\n{YAML}");
            Command::Apply(ledger.configuration(text.as_str().into(), day(0)).unwrap())
        };
        let flag = |name: &str, change| Command::Flag { flag: name.parse().unwrap(), change };
        let ramp = |name: &str, percent: &str| {
            let share = percent.parse().unwrap();
            flag(name, FlagChange::Serve { scope: Scope::Route, variant: None, share })
        };
        let all = |base, report, size| {
            [("base", base), ("report", report), ("size", size)]
                .map(|(name, day)| (name.to_owned(), day))
        };
        let steps = [
            (apply(FLAGS), all(Some(1), Some(1), Some(1))),
            (ramp("report", "50%"), all(Some(1), None, Some(1))),
            (ramp("report", "100%"), all(Some(1), Some(3), Some(1))),
            (shift("5%"), all(Some(1), Some(3), Some(1))),
            (ramp("report", "100%"), all(Some(1), Some(3), Some(1))),
            (flag("base", FlagChange::Off), all(Some(6), Some(6), Some(1))),
            (apply(&FLAGS.replace("20", "30")), all(Some(6), Some(6), Some(7))),
            (
                apply(&FLAGS.replace("small}", "small, archived: true}")),
                all(Some(6), Some(6), Some(8)),
            ),
        ];
        for (number, (command, expected)) in (1..).zip(steps) {
            ledger.execute(&order(command, None), day(number)).unwrap();
            assert_eq!(steady(&ledger), expected, "day {number}");
            let revision = ledger.present().revision();
            assert_eq!(ledger.state_of(revision).unwrap().unwrap(), ledger.present().desired);
        }
        // What is brought back is steady since then, and not since it was so before.
        let desired = Box::new(ledger.state_of(rules::Revision(2)).unwrap().unwrap());
        let restore = Command::Restore { revision: rules::Revision(2), desired };
        ledger.execute(&order(restore, None), day(9)).unwrap();
        assert_eq!(steady(&ledger), all(Some(9), Some(6), Some(9)));
        drop(store);
    }

    #[test]
    fn days_are_whole_ones() {
        let steady = Steady { since: day(10), given: String::new() };
        assert!(steady.is_for(7, day(17)) && steady.is_for(0, day(10)));
        assert!(!steady.is_for(7, day(17) - SignedDuration::from_secs(1)));
        assert!(!steady.is_for(0, day(9)), "a clock that was set back");
    }
}
