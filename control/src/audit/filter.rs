//! Which records are asked for?

use jiff::Timestamp;
use serde_json::Value;

use super::Record;

/// Which records are asked for: those that fit every part that is given.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// About this route.
    pub route: Option<String>,
    /// About this tenant.
    pub tenant: Option<String>,
    /// By this actor, or in its name.
    pub actor: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Whether a record is asked for.
    #[must_use]
    pub fn fits(&self, record: &Record) -> bool {
        let argument = |name: &str, wanted: &Option<String>| {
            let said = || record.arguments.get(name).and_then(Value::as_str);
            wanted.as_deref().is_none_or(|wanted| said() == Some(wanted))
        };
        let by = |actor: &String| record.actor == *actor || record.claimed.as_ref() == Some(actor);
        argument("route", &self.route)
            && argument("tenant", &self.tenant)
            && self.actor.as_ref().is_none_or(by)
            && self.is_within(record)
    }

    fn is_within(&self, record: &Record) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let Ok(at) = record.at.parse::<Timestamp>() else { return false };
        self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at <= until)
    }
}

#[cfg(test)]
mod tests {
    use rules::Revision;
    use serde_json::json;

    use super::*;
    use crate::audit::Via;

    #[test]
    fn every_part_must_fit() {
        let at: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let record = Record {
            arguments: json!({"route": "sms", "tenant": "acme"}),
            claimed: Some("bob".into()),
            ..Record::new(at, "ann", &Via::PROCESS, "shift", Revision(1))
        };
        let some = |text: &str| Some(text.to_owned());
        let fits = |filter: Filter| filter.fits(&record);
        assert!(fits(Filter::default()));
        assert!(fits(Filter { route: some("sms"), tenant: some("acme"), ..Filter::default() }));
        assert!(!fits(Filter { route: some("sms"), tenant: some("b2"), ..Filter::default() }));
        assert!(fits(Filter { actor: some("ann"), ..Filter::default() }));
        assert!(fits(Filter { actor: some("bob"), ..Filter::default() }));
        assert!(!fits(Filter { actor: some("eve"), ..Filter::default() }));
        assert!(fits(Filter { since: Some(at), until: Some(at), ..Filter::default() }));
        let later = "2026-11-21T10:00:01Z".parse().ok();
        assert!(!fits(Filter { since: later, ..Filter::default() }));
    }
}
