//! What may differ on a route? Its comparison rules are checked one by one, and against each other.

use rules::compare::parity::Limits;
use rules::compare::{
    ArrayRule, CompareRules, Effect, Leniency, Numbers, PlaceRule, PointerPattern, When,
};
use rules::route::NoisePolicy;

use super::conditions::{header_name, methods, regex};
use super::findings::{Findings, Pointer};
use super::gates::limited;
use super::paths::{Around, upstream_named};
use crate::document::compare::{
    ArraySpec, CompareSpec, IgnoreSpec, Members, NormaliserSpec, NumbersSpec, Tolerance,
};
use crate::units::Percent;

/// A rule and its place in the file.
type Written = (Pointer, PlaceRule);

/// The rules in the order in which they are asked: what is not looked at comes first.
pub(super) fn compare(
    spec: &CompareSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> CompareRules {
    let mut rules = Rules { at, findings, written: Vec::new() };
    for (i, ignored) in spec.ignore.iter().enumerate() {
        rules.ignore(ignored, &at.key("ignore").item(i));
    }
    rules.listed("presence_only", &spec.presence_only, &Effect::PresenceOnly);
    for (pattern, array) in &spec.arrays {
        rules.array(pattern, array);
    }
    rules.listed("unordered", &spec.unordered, &Effect::Array(ArrayRule::Set));
    for (pattern, normaliser) in &spec.normalise {
        rules.normaliser(pattern, normaliser);
    }
    let case = Effect::Lenient(Leniency::CaseInsensitive);
    rules.listed("case_insensitive", &spec.case_insensitive, &case);
    for (pattern, tolerance) in &spec.tolerance {
        let (absolute, relative) = match tolerance {
            Tolerance::Absolute(distance) => (*distance, 0.0),
            Tolerance::Relative(part) => (0.0, *part),
        };
        let leniency = Leniency::Number { absolute, relative };
        rules.place(&at.key("tolerance").key(pattern), pattern, Effect::Lenient(leniency));
    }
    for (pattern, time) in &spec.time_tolerance {
        let at = at.key("time_tolerance").key(pattern);
        if time.0.is_zero() {
            let hint = "write a time such as `2s`, or leave it out".to_owned();
            let message = "a tolerance of zero allows nothing";
            rules.findings.error_with_hint(&at, "zero", message, hint);
        }
        rules.place(&at, pattern, Effect::Lenient(Leniency::Time(time.0)));
    }
    rules.warn_of_useless();
    let places = rules.written.into_iter().map(|(_, rule)| rule).collect();
    let names = spec.ignore_headers.iter().enumerate();
    let ignore_headers = names
        .filter_map(|(i, name)| header_name(name, &at.key("ignore_headers").item(i), findings))
        .collect();
    let numbers = match spec.numbers {
        None | Some(NumbersSpec::Value) => Numbers::Value,
        Some(NumbersSpec::Lexical) => Numbers::Lexical,
    };
    CompareRules { places, numbers, ignore_headers, hosts: hosts(spec, at, findings) }
}

/// How alike the arms must be. A limit that no number of exchanges is enough for is refused.
pub(super) fn limits(spec: &CompareSpec, at: &Pointer, findings: &mut Findings<'_>) -> Limits {
    let Limits { mismatched, comparable, coverage } = Limits::default();
    let written = spec.limits.unwrap_or_default();
    let or = |share: Option<Percent>, default| share.map_or(default, |share| share.0.ratio());
    let max = written.max_mismatched.map(|share| share.0.ratio());
    limited(max, &at.key("limits").key("max_mismatched"), findings);
    Limits {
        mismatched: or(written.max_mismatched, mismatched),
        comparable: or(written.min_comparable, comparable),
        coverage: or(written.min_coverage, coverage),
    }
}

/// How often stable is asked a second time, and where.
pub(super) fn noise(
    route: &str,
    spec: &CompareSpec,
    at: &Pointer,
    around: &Around<'_>,
    findings: &mut Findings<'_>,
) -> Option<NoisePolicy> {
    let spec = spec.noise.as_ref()?;
    let at = at.key("noise");
    let upstream = spec.upstream.as_deref();
    let upstream = upstream.map(|name| upstream_named(name, &at.key("upstream"), around, findings));
    let seed = format!("noise:{route}").into();
    Some(NoisePolicy { share: spec.share, upstream: upstream.flatten(), seed })
}

/// The rules on places as they are found to be right.
struct Rules<'f, 'o> {
    at: &'f Pointer,
    findings: &'f mut Findings<'o>,
    written: Vec<Written>,
}

impl Rules<'_, '_> {
    fn place(&mut self, at: &Pointer, pattern: &str, effect: Effect) {
        let pattern = self.findings.parsed(at, "bad_pointer", pattern.parse());
        let rule = pattern.map(|pattern| PlaceRule::always(pattern, effect));
        self.written.extend(rule.map(|rule| (at.clone(), rule)));
    }

    fn listed(&mut self, key: &str, patterns: &[String], effect: &Effect) {
        for (i, pattern) in patterns.iter().enumerate() {
            self.place(&self.at.key(key).item(i), pattern, effect.clone());
        }
    }

    fn ignore(&mut self, spec: &IgnoreSpec, at: &Pointer) {
        let when = When {
            methods: methods(&spec.methods, &at.key("methods"), self.findings).into(),
            statuses: spec.statuses.iter().map(|range| (range.first, range.last)).collect(),
        };
        let is_for_some = when != When::default();
        let pattern_at = if is_for_some { at.key("at") } else { at.clone() };
        let pattern = self.findings.parsed(&pattern_at, "bad_pointer", spec.at.parse());
        let rule = pattern.map(|pattern| PlaceRule { pattern, effect: Effect::Ignore, when });
        self.written.extend(rule.map(|rule| (at.clone(), rule)));
    }

    fn array(&mut self, pattern: &str, spec: &ArraySpec) {
        let at = self.at.key("arrays").key(pattern);
        let rule = match spec {
            ArraySpec::List => ArrayRule::List,
            ArraySpec::Set => ArrayRule::Set,
            ArraySpec::Keyed(Members(members)) => {
                if members.is_empty() || members.iter().any(String::is_empty) {
                    let message = "the member by which elements are found needs a name";
                    let hint = "write `{keyed: id}`".to_owned();
                    self.findings.error_with_hint(&at.key("keyed"), "bad_name", message, hint);
                    return;
                }
                ArrayRule::Keyed(members.iter().map(|member| member.as_str().into()).collect())
            }
        };
        self.place(&at, pattern, Effect::Array(rule));
    }

    fn normaliser(&mut self, pattern: &str, spec: &NormaliserSpec) {
        let at = self.at.key("normalise").key(pattern);
        let leniency = Leniency::normalised(&spec.find, &spec.with);
        if let Some(leniency) = regex(&at.key("find"), leniency, self.findings) {
            self.place(&at, pattern, Effect::Lenient(leniency));
        }
    }

    /// A rule on a place that another one keeps from being looked at is never asked.
    fn warn_of_useless(&mut self) {
        let all = |rule: &PlaceRule| rule.when == When::default();
        for (number, (at, rule)) in self.written.iter().enumerate() {
            let before = self.written.iter().take(number);
            let covering = before.map(|(_, earlier)| earlier).find(|earlier| {
                earlier.effect == Effect::Ignore
                    && all(earlier)
                    && PointerPattern::covers(&earlier.pattern, &rule.pattern)
            });
            if let Some(earlier) = covering {
                let message = format!("`{}` is never asked about", rule.pattern);
                let hint = format!("`{}` is ignored, with everything below it", earlier.pattern);
                self.findings.warning(at, "useless_rule", message, hint);
            }
        }
    }
}

/// Hosts in lower case, without a scheme or path.
fn hosts(
    spec: &CompareSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Box<[(Box<str>, Box<str>)]> {
    let at = at.key("hosts");
    let mut pairs = Vec::new();
    for (from, to) in &spec.hosts {
        let at = at.key(from);
        let wrong = [from, to].into_iter().find(|host| !is_host(host));
        if let Some(host) = wrong {
            let message = format!("{host:?} is not a host");
            let hint = "write `new.example.org: old.example.org`, perhaps with ports".to_owned();
            findings.error_with_hint(&at, "bad_host", message, hint);
            continue;
        }
        pairs.push((from.to_ascii_lowercase().into(), to.to_ascii_lowercase().into()));
    }
    pairs.into()
}

fn is_host(text: &str) -> bool {
    text.parse::<http::uri::Authority>().is_ok_and(|authority| !authority.as_str().contains('@'))
}
