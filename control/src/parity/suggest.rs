//! Which rule would make a difference go away? A line to paste, and why; nothing where no rule should.

use rules::compare::{Difference, DifferenceKind, Location, Relation};

/// A rule that would make a difference go away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// What the two values look like, and what to make sure of first.
    pub why: String,
    /// What goes below the route's `compare:`, as the configuration writes it.
    pub rule: String,
}

/// The rule that fits a difference best.
///
/// Nothing hides another status, a body as a whole, or a number that is a hundred or a thousand times the other.
#[must_use]
pub fn suggestion(difference: &Difference) -> Option<Suggestion> {
    let suggest = |why: &str, rule: String| Some(Suggestion { why: why.to_owned(), rule });
    match difference.location {
        Location::Status => None,
        Location::Header | Location::Trailer => {
            // A cookie's difference names the field, the cookie and its attribute.
            let name = difference.path.split(':').next().unwrap_or_default();
            let rule = format!("ignore_headers: [{name}]");
            suggest("if the services may differ in this field, leave it out", rule)
        }
        Location::Body if difference.path.is_empty() => None,
        Location::Body => {
            let at = quoted(&pattern(&difference.path));
            match difference.relation.and_then(|relation| by_relation(relation, &at)) {
                Some((why, rule)) => suggest(why, rule?),
                None if difference.kind == DifferenceKind::Unparseable => None,
                None => suggest(
                    "if this is meant to differ, leave it out; nothing below it is looked at then",
                    format!("ignore: [{at}]"),
                ),
            }
        }
    }
}

/// A rule by what two values have to do with each other; none within where none should hide that.
fn by_relation(relation: Relation, at: &str) -> Option<(&'static str, Option<String>)> {
    let normalise = |find: &str, with: &str| {
        let with =
            if with.is_empty() { String::new() } else { format!(", with: {}", quoted(with)) };
        format!("normalise: {{{at}: {{find: {}{with}}}}}", quoted(find))
    };
    let (why, rule) = match relation {
        Relation::DatetimeClose => (
            "two timestamps within two seconds: each service looked at its own clock",
            format!("time_tolerance: {{{at}: 2s}}"),
        ),
        Relation::SameInstant => {
            ("two spellings of the same moment", format!("time_tolerance: {{{at}: 1ms}}"))
        }
        Relation::BothDatetime => (
            "two timestamps far apart: if each service makes its own, only their presence counts",
            format!("presence_only: [{at}]"),
        ),
        Relation::BothUuid => (
            "two UUIDs: if each service makes its own, only their presence counts",
            format!("presence_only: [{at}]"),
        ),
        Relation::NumberEqualAsF64 => (
            "two numbers that binary floating point cannot tell apart",
            format!("tolerance: {{{at}: 0.0000000001%}}"),
        ),
        Relation::NumberClose => {
            ("two numbers less than a millionth apart", format!("tolerance: {{{at}: 0.0001%}}"))
        }
        Relation::NumberRounding => (
            "one number is the other, rounded: allow what rounding may change, and no more",
            format!("tolerance: {{{at}: 0.005}}"),
        ),
        Relation::EqualLexicallyDifferent => {
            ("the same number, written in another way", "numbers: value".to_owned())
        }
        Relation::CaseOnly => {
            ("equal but for upper and lower case", format!("case_insensitive: [{at}]"))
        }
        Relation::WhitespaceOnly => ("equal but for blanks", normalise("\\s+", "")),
        Relation::NewlineStyle => ("equal but for how lines end", normalise("\\r\\n?", "\n")),
        Relation::Base64Padding => ("equal but for the padding of Base64", normalise("=+$", "")),
        Relation::UrlSchemeOnly => {
            ("two URLs that differ in http and https only", normalise("^https?:", "https:"))
        }
        Relation::UrlHostOnly => (
            "two URLs that differ in their host only: name the candidate's host and stable's",
            "hosts: {CANDIDATE-HOST: STABLE-HOST}".to_owned(),
        ),
        Relation::SortedEqual => (
            "the same elements in another order: if order says nothing here",
            format!("unordered: [{at}]"),
        ),
        Relation::NumberScale100 | Relation::NumberScale1000 | Relation::NumberSign => {
            return Some(("", None));
        }
        _ => return None,
    };
    Some((why, Some(rule)))
}

/// A signature's path as a rule's pattern: what looks like data may be any segment.
fn pattern(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment == "{*}" { "*" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// A text in double quotes, as YAML and JSON write it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rules::compare::ValueClass;

    use super::*;
    use crate::parity::kit::difference;

    fn related(relation: Relation) -> Difference {
        Difference { relation: Some(relation), ..difference("/items/*/{*}/at") }
    }

    #[test]
    fn what_looks_like_something_gets_its_own_rule() {
        let told = suggestion(&related(Relation::DatetimeClose)).unwrap();
        assert_eq!(told.rule, r#"time_tolerance: {"/items/*/*/at": 2s}"#);
        let told = suggestion(&difference("/name")).unwrap();
        assert_eq!(told.rule, r#"ignore: ["/name"]"#);
        let header = Difference { location: Location::Header, ..difference("x-build") };
        assert_eq!(suggestion(&header).unwrap().rule, "ignore_headers: [x-build]");
    }

    #[test]
    fn nothing_hides_a_status_a_whole_body_or_another_unit() {
        let status = Difference { location: Location::Status, ..difference("200 -> 500") };
        let classes = (ValueClass::Opaque, ValueClass::Opaque);
        let whole = Difference { classes, ..difference("") };
        for bad in [status, whole, related(Relation::NumberScale100)] {
            assert_eq!(suggestion(&bad), None, "{bad:?}");
        }
    }

    #[test]
    fn every_suggestion_can_be_pasted() {
        let relations = [
            Relation::DatetimeClose,
            Relation::SameInstant,
            Relation::BothDatetime,
            Relation::BothUuid,
            Relation::NumberEqualAsF64,
            Relation::NumberClose,
            Relation::NumberRounding,
            Relation::EqualLexicallyDifferent,
            Relation::CaseOnly,
            Relation::WhitespaceOnly,
            Relation::NewlineStyle,
            Relation::Base64Padding,
            Relation::UrlSchemeOnly,
            Relation::UrlHostOnly,
            Relation::SortedEqual,
            Relation::NullVsMissing,
        ];
        for relation in relations {
            let rule = suggestion(&related(relation)).unwrap().rule;
            let text = format!(
                "upstreams: {{api: {{targets: [{{address: '127.0.0.1:1'}}]}}}}\n\
                 routes: {{a: {{canonical: /a, stable: {{upstream: api}}, compare: {{{rule}}}}}}}"
            );
            let source = config::Source {
                text: &text,
                name: "turnout.yaml",
                base: Path::new("."),
                env: &|_| None,
            };
            let document = std::sync::Arc::new(config::read(&source).unwrap());
            let live = config::Live::default();
            config::compile(&document, &live, rules::Revision(1), None, 0).unwrap();
        }
    }
}
