//! How is it written what "the same answer" means? Places that may differ, and how.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use rules::Share;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::forms::text_or_map;
use crate::units::{Percent, Time};

/// What "the same answer" means. Places are JSON pointers in which `*` is any segment and `**` any number of them; forms,
/// XML and several parts have such places too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CompareSpec {
    /// Places of a body that are not looked at: `/id`, or `{at: /id, methods: [GET], statuses: [4xx]}` for some exchanges.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<IgnoreSpec>,
    /// Places where only presence is looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub presence_only: Vec<String>,
    /// How arrays at these places are read that are not plain lists.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub arrays: IndexMap<String, ArraySpec>,
    /// Arrays in which order says nothing: short for `set` under `arrays`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unordered: Vec<String>,
    /// How far numbers at these places may be apart: `0.01`, or `1%` of the larger one.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub tolerance: IndexMap<String, Tolerance>,
    /// How far moments at these places may be apart.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub time_tolerance: IndexMap<String, Time>,
    /// Texts in which upper and lower case say nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub case_insensitive: Vec<String>,
    /// What is replaced in texts at these places before they are compared.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub normalise: IndexMap<String, NormaliserSpec>,
    /// Which numbers are the same: those of the same value, where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumbersSpec>,
    /// Hosts of the candidate, each with the one of stable that is the same service.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub hosts: IndexMap<String, String>,
    /// Headers that are not looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_headers: Vec<String>,
    /// How often stable is asked a second time, to learn where it is not steady itself; never, where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<NoiseSpec>,
    /// How alike the arms must be to pass for alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<ParityLimitsSpec>,
}

/// How alike the arms must be to pass for alike. A rollout's gate `parity` has a limit of its own on what differs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ParityLimitsSpec {
    /// At most this share of the fields may differ; 0.1% where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_mismatched: Option<Percent>,
    /// At least this share of the copied exchanges must be compared; 99% where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_comparable: Option<Percent>,
    /// At least this share of the fields must be looked at; 90% where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_coverage: Option<Percent>,
}

/// How often stable is asked a second time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoiseSpec {
    /// Of the safe requests that are copied, the share that stable answers twice.
    #[serde(with = "crate::units::share")]
    #[schemars(with = "Percent")]
    pub share: Share,
    /// The upstream that is asked; stable's own where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
}

/// A place that is not looked at, and for which exchanges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreSpec {
    /// The place.
    pub at: String,
    /// For requests with one of these methods; any where there are none.
    pub methods: Vec<String>,
    /// For answers with one of these statuses; any where there are none.
    pub statuses: Vec<Statuses>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct IgnoreMap {
    /// The place.
    at: String,
    /// For requests with one of these methods; any where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    methods: Vec<String>,
    /// For answers with one of these statuses, such as `404` or `4xx`; any where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    statuses: Vec<Statuses>,
}

impl IgnoreSpec {
    const fn always(at: String) -> Self {
        Self { at, methods: Vec::new(), statuses: Vec::new() }
    }
}

impl From<IgnoreMap> for IgnoreSpec {
    fn from(map: IgnoreMap) -> Self {
        Self { at: map.at, methods: map.methods, statuses: map.statuses }
    }
}

impl Serialize for IgnoreSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.methods.is_empty() && self.statuses.is_empty() {
            return serializer.serialize_str(&self.at);
        }
        let Self { at, methods, statuses } = self.clone();
        IgnoreMap { at, methods, statuses }.serialize(serializer)
    }
}

text_or_map!(
    IgnoreSpec,
    IgnoreSpec::always,
    IgnoreMap,
    "a place such as `/id`, or `{at: /id, methods: [GET], statuses: [4xx]}`"
);

/// One status, or all of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statuses {
    /// The first one.
    pub first: u16,
    /// The last one.
    pub last: u16,
}

/// How far two numbers may be apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// By so much.
    Absolute(f64),
    /// By this part of the larger one.
    Relative(f64),
}

/// What is replaced in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NormaliserSpec {
    /// A regular expression for what is replaced.
    pub find: String,
    /// What it is replaced by; `$1` is what the first group found. Nothing where it is left out.
    #[serde(default)]
    pub with: String,
}

/// Which numbers are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NumbersSpec {
    /// Those of the same value: `1`, `1.0` and `10e-1`.
    Value,
    /// Those written in the same way.
    Lexical,
}

/// How an array is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArraySpec {
    /// Positions matter.
    List,
    /// Only which elements there are, and how often.
    Set,
    /// Elements are found by the value of this member, or of these together.
    Keyed(Members),
}

/// A member by name or JSON pointer, or several of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members(pub Vec<String>);

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [single] => serializer.serialize_str(single),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrSeveral;

        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(MEMBERS)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Members, E> {
                Ok(Members(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Members, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Members)
            }
        }

        deserializer.deserialize_any(OneOrSeveral)
    }
}

const MEMBERS: &str = "a member such as `id`, a pointer such as `/meta/id`, or a list of them";

impl JsonSchema for Members {
    fn schema_name() -> Cow<'static, str> {
        "Members".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = json_schema!({ "type": "string" });
        json_schema!({ "description": MEMBERS, "anyOf": [text, { "type": "array", "items": text, "minItems": 1 }] })
    }
}

const STATUSES: &str = "a status such as `404`, or a class such as `4xx`";

impl FromStr for Statuses {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let of_class = text.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok());
        let (first, last) = match of_class {
            Some(class) => {
                (class.saturating_mul(100), class.saturating_mul(100).saturating_add(99))
            }
            None => text.parse().map(|status| (status, status)).map_err(|_invalid| ())?,
        };
        let is_status = (100..=599).contains(&first) && !text.starts_with(['+', '0']);
        if is_status { Ok(Self { first, last }) } else { Err(()) }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}xx", self.first / 100)
        }
    }
}

const TOLERANCE: &str =
    "a distance above zero such as `0.01`, or a part of the larger number such as `1%`";

impl FromStr for Tolerance {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let percent = text.strip_suffix('%');
        let number: f64 = percent.unwrap_or(text).trim().parse().map_err(|_invalid| ())?;
        match percent {
            Some(_) if number > 0.0 && number <= 100.0 => Ok(Self::Relative(number / 100.0)),
            None if number > 0.0 && number.is_finite() => Ok(Self::Absolute(number)),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(number) => write!(f, "{number}"),
            Self::Relative(part) => write!(f, "{}%", part * 100.0),
        }
    }
}

/// What is short enough to be written with or without quotes.
macro_rules! text_or_number {
    ($type:ident, $right:ident) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct TextOrNumber;

                impl Visitor<'_> for TextOrNumber {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($right)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(|()| E::invalid_value(Unexpected::Str(text), &self))
                    }

                    fn visit_i64<E: Error>(self, number: i64) -> Result<$type, E> {
                        self.visit_str(&number.to_string())
                    }

                    fn visit_u64<E: Error>(self, number: u64) -> Result<$type, E> {
                        self.visit_str(&number.to_string())
                    }

                    fn visit_f64<E: Error>(self, number: f64) -> Result<$type, E> {
                        self.visit_str(&number.to_string())
                    }
                }

                deserializer.deserialize_any(TextOrNumber)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let forms = [json_schema!({ "type": "string" }), json_schema!({ "type": "number" })];
                json_schema!({ "description": $right, "anyOf": forms })
            }
        }
    };
}

text_or_number!(Statuses, STATUSES);
text_or_number!(Tolerance, TOLERANCE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_tolerances_survive_the_way_through_text() {
        for text in ["404", "4xx", "200"] {
            assert_eq!(text.parse::<Statuses>().unwrap().to_string(), text);
        }
        for text in ["", "99", "600", "xx", "6xx", "+404", "0404", "4x", "40000xx"] {
            assert!(text.parse::<Statuses>().is_err(), "{text}");
        }
        for text in ["0.01", "1%", "2.5%", "7"] {
            assert_eq!(text.parse::<Tolerance>().unwrap().to_string(), text);
        }
        for text in ["", "0", "-1", "101%", "inf", "NaN", "one"] {
            assert!(text.parse::<Tolerance>().is_err(), "{text}");
        }
    }
}
