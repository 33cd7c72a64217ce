//! What may differ on a route? Places to ignore, how arrays are read, how exact a value must be, which hosts are one.

use std::fmt;
use std::time::Duration;

use http::{HeaderName, Method};
use regex::{Regex, RegexBuilder};

use super::PointerPattern;

/// What a normaliser may compile to.
const MOST_REGEX_BYTES: usize = 64 * 1_024;

/// How an array is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ArrayRule {
    /// Positions matter.
    #[default]
    List,
    /// Only which elements there are, and how often.
    Set,
    /// Elements are found by the values of these members, or of these JSON pointers where they begin with `/`.
    Keyed(Box<[Box<str>]>),
}

/// Which numbers are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numbers {
    /// Those of the same value: 1 = 1.0 = 10e-1.
    #[default]
    Value,
    /// Those written in the same way: trailing zeros say how precise a number is (FHIR's decimals).
    Lexical,
}

/// How two values may differ and still pass for the same. They must be of the same type.
#[derive(Debug, Clone)]
pub enum Leniency {
    /// Two numbers that are at most so far apart, or so far apart as a part of the larger one.
    Number {
        /// The distance.
        absolute: f64,
        /// The part of the larger magnitude.
        relative: f64,
    },
    /// Two moments (RFC 3339) that are at most so far apart.
    Time(Duration),
    /// Two texts that differ in upper and lower case only.
    CaseInsensitive,
    /// Two texts that are the same once what the expression finds is replaced.
    Normalised {
        /// What is replaced, everywhere in the text.
        find: Regex,
        /// What it is replaced by; `$1` is what the first group found.
        with: Box<str>,
    },
}

impl Leniency {
    /// Texts are the same once what `find` finds is replaced.
    ///
    /// # Errors
    /// When `find` is not a regular expression, or compiles to more than 64 KiB.
    pub fn normalised(find: &str, with: &str) -> Result<Self, regex::Error> {
        let find = RegexBuilder::new(find).size_limit(MOST_REGEX_BYTES).build()?;
        Ok(Self::Normalised { find, with: with.into() })
    }
}

impl PartialEq for Leniency {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Number { absolute, relative },
                Self::Number { absolute: other_absolute, relative: other_relative },
            ) => absolute == other_absolute && relative == other_relative,
            (Self::Time(within), Self::Time(other)) => within == other,
            (Self::CaseInsensitive, Self::CaseInsensitive) => true,
            (
                Self::Normalised { find, with },
                Self::Normalised { find: other_find, with: other_with },
            ) => find.as_str() == other_find.as_str() && with == other_with,
            _ => false,
        }
    }
}

/// What a rule does with the places it is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// They are not looked at, with everything below them.
    Ignore,
    /// Whether they are there is looked at, and not what they are.
    PresenceOnly,
    /// Arrays there are read in this way.
    Array(ArrayRule),
    /// Values there may differ like this.
    Lenient(Leniency),
}

/// For which exchanges a rule is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct When {
    /// Those with one of these methods; any where there are none.
    pub methods: Box<[Method]>,
    /// Those with a status in one of these ranges, both ends included; any where there are none.
    pub statuses: Box<[(u16, u16)]>,
}

impl When {
    /// Whether an exchange with this method and this status is meant.
    #[must_use]
    pub fn holds(&self, method: &Method, status: u16) -> bool {
        let is_status = |(first, last): &(u16, u16)| (*first..=*last).contains(&status);
        (self.methods.is_empty() || self.methods.contains(method))
            && (self.statuses.is_empty() || self.statuses.iter().any(is_status))
    }
}

/// One rule: where, what, and for which exchanges.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceRule {
    /// Where in a body.
    pub pattern: PointerPattern,
    /// What is done there.
    pub effect: Effect,
    /// For which exchanges.
    pub when: When,
}

/// As people know it from the configuration: `ignore /id`.
impl fmt::Display for PlaceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match &self.effect {
            Effect::Ignore => "ignore",
            Effect::PresenceOnly => "presence_only",
            Effect::Array(_) => "arrays",
            Effect::Lenient(Leniency::Number { .. }) => "tolerance",
            Effect::Lenient(Leniency::Time(_)) => "time_tolerance",
            Effect::Lenient(Leniency::CaseInsensitive) => "case_insensitive",
            Effect::Lenient(Leniency::Normalised { .. }) => "normalise",
        };
        write!(f, "{key} {}", self.pattern)
    }
}

impl PlaceRule {
    /// A rule for all exchanges.
    #[must_use]
    pub fn always(pattern: PointerPattern, effect: Effect) -> Self {
        Self { pattern, effect, when: When::default() }
    }
}

/// What "the same answer" means on a route.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CompareRules {
    /// Rules on places of a body, in the order in which they are asked: of those on arrays, the first that fits applies.
    pub places: Box<[PlaceRule]>,
    /// Which numbers are the same.
    pub numbers: Numbers,
    /// Headers that are not looked at, in lower case, beside those that never are.
    pub ignore_headers: Box<[HeaderName]>,
    /// Hosts of the candidate, in lower case, and the ones of stable that are the same service.
    pub hosts: Box<[(Box<str>, Box<str>)]>,
}

impl CompareRules {
    /// The host of stable that stands for this one.
    #[must_use]
    pub fn mapped_host<'h>(&'h self, host: &'h str) -> &'h str {
        let same = self.hosts.iter().find(|(from, _)| from.eq_ignore_ascii_case(host));
        same.map_or(host, |(_, to)| to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_for_the_exchanges_it_names() {
        let when =
            When { methods: [Method::GET].into(), statuses: [(200, 200), (400, 499)].into() };
        for (method, status, holds) in [
            (Method::GET, 200, true),
            (Method::GET, 201, false),
            (Method::GET, 404, true),
            (Method::POST, 200, false),
        ] {
            assert_eq!(when.holds(&method, status), holds, "{method} {status}");
        }
        assert!(When::default().holds(&Method::POST, 500));
    }
}
