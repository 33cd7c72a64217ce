//! What is wrong with the structure? One fault at a time, as serde finds them, each with its place.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::node::{Node, Place, join};
use crate::closest::did_you_mean;
use crate::document::is_lost;
use crate::problem::{Problem, Severity};

/// One thing that is wrong with the structure of a text. Boxed: results that hold one stay small.
#[derive(Debug, Clone)]
pub(super) struct Fault(Box<Account>);

#[derive(Debug, Clone, Default)]
struct Account {
    code: &'static str,
    message: String,
    hint: Option<String>,
    /// Where; unknown until the error has come up to a place that knows.
    pointer: Option<String>,
    place: Option<Place>,
    /// The key below `pointer` that is meant.
    key: Option<Box<str>>,
    /// The key that is not there.
    missing: Option<&'static str>,
    /// What was expected, where the message tells the value that was found.
    expected: Option<String>,
}

impl Fault {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Account { code, message: message.into(), ..Account::default() }))
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(super) fn placed(mut self, pointer: &str, place: Place) -> Self {
        self.0.pointer = Some(pointer.to_owned());
        self.0.place = Some(place);
        self
    }

    /// Gives the fault its place, unless a place further in has done so already.
    pub(super) fn at(mut self, pointer: impl FnOnce() -> String) -> Self {
        self.0.pointer.get_or_insert_with(pointer);
        self
    }

    /// Takes the value out of the message, where it came out of the environment.
    pub(super) fn masked(mut self, written: &str) -> Self {
        if self.0.pointer.is_none() {
            self.0.message = match &self.0.expected {
                Some(expected) => format!("the value of `{written}` is not {expected}"),
                None => {
                    // It would name what is nearest to the value.
                    self.0.hint = None;
                    format!("the value of `{written}` does not belong here")
                }
            };
        }
        self
    }

    /// What is to be left out so that the rest can be looked at.
    pub(super) fn offender(&self) -> String {
        let pointer = self.0.pointer.as_deref().unwrap_or_default();
        self.0.key.as_deref().map_or_else(|| pointer.to_owned(), |key| join(pointer, key))
    }

    /// Whether a key is missing only because it was left out for a reason already told.
    pub(super) fn follows_from(&self, dropped: &[String], tree: &Node) -> bool {
        let pointer = self.0.pointer.as_deref().unwrap_or_default();
        match self.0.missing {
            Some(key) => is_lost(dropped, &join(pointer, key)),
            // A map out of which the only key was taken.
            None => {
                let of_it = |dropped: &String| {
                    dropped.rsplit_once('/').is_some_and(|(above, _)| above == pointer)
                };
                tree.is_empty_map(pointer) && dropped.iter().any(of_it)
            }
        }
    }

    pub(super) fn into_problem(self, tree: &Node) -> Problem {
        let pointer = self.offender();
        let place = self.0.place.unwrap_or_else(|| match self.0.key {
            Some(_) => tree.key_place_of(&pointer),
            None => tree.place_of(&pointer),
        });
        Problem {
            pointer,
            line: place.line,
            column: place.column,
            code: self.0.code,
            message: self.0.message,
            hint: self.0.hint,
            severity: Severity::Error,
        }
    }

    fn mismatch(code: &'static str, found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = in_words(&expected.to_string());
        let mut fault = Self::new(code, format!("{} is not {expected}", found_in_words(found)));
        fault.0.hint = mismatch_hint(found, &expected).map(str::to_owned);
        fault.0.expected = Some(expected);
        fault
    }

    /// Names the keys that belong into the map which is not one.
    pub(super) fn hint_keys(self, keys: &[&str]) -> Self {
        let named: Vec<String> = keys.iter().take(6).map(|key| format!("`{key}: ..`")).collect();
        match named.as_slice() {
            [only] => self.hint(format!("write `{{{}}}`", only.trim_matches('`'))),
            _ if named.len() == keys.len() => {
                self.hint(format!("its keys are {}", named.join(", ")))
            }
            _ => self,
        }
    }

    pub(super) fn unknown_key(key: &str, known: &'static [&'static str]) -> Self {
        let mut fault = Self::new("unknown_key", format!("unknown key `{key}`"));
        fault.0.hint = did_you_mean(key, known.iter().copied());
        fault.0.key = Some(key.into());
        fault
    }
}

/// What would be right, where a value is written in the form of another type. Never holds the value.
fn mismatch_hint(found: Unexpected<'_>, expected: &str) -> Option<&'static str> {
    match found {
        Unexpected::Signed(_)
        | Unexpected::Float(_)
        | Unexpected::Bool(_)
        | Unexpected::Other("a number" | "a truth value")
            if expected.starts_with("text") =>
        {
            Some("put it in quotes")
        }
        Unexpected::Str(text)
            if (text.parse::<bool>().is_ok() && expected.starts_with("`true`"))
                || (text.parse::<i64>().is_ok() && expected.starts_with("a whole number")) =>
        {
            Some("leave out the quotes")
        }
        Unexpected::Str(_) | Unexpected::Map if expected == "a list" => {
            Some("write it between `[` and `]`, or with `- ` before each item")
        }
        _ => None,
    }
}

/// What was found, as people call it. A text is cut short: it may be a whole pasted file.
fn found_in_words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Str(text) if text.chars().count() > 64 => {
            format!("{:?}", text.chars().take(64).chain(['…']).collect::<String>())
        }
        Unexpected::Str(text) => format!("{text:?}"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => other.to_string(),
    }
}

/// What serde says it expects, as people call it.
fn in_words(expected: &str) -> String {
    match expected {
        "a string" => "text".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a sequence" => "a list".to_owned(),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i32" => format!("a whole number from {} to {}", i32::MIN, i32::MAX),
        "enum" => "one of the forms that can be written here".to_owned(),
        other if other.starts_with("struct ") => "a map of keys".to_owned(),
        other => other.to_owned(),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new("wrong_value", message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::mismatch("wrong_type", found, expected)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::mismatch("wrong_value", found, expected)
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let mut fault = Self::new("unknown_value", format!("unknown value `{variant}`"));
        fault.0.hint = did_you_mean(variant, known.iter().copied());
        fault
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::unknown_key(field, known)
    }

    fn missing_field(field: &'static str) -> Self {
        let mut fault = Self::new("missing_key", format!("`{field}` is missing"));
        fault.0.missing = Some(field);
        fault
    }
}
