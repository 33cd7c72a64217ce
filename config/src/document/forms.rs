//! What can be written in more than one way? A short text for the usual case, a map for the others.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize as DeserializeDerive, Serialize, Serializer};

use super::secret::SecretRef;

/// Which paths: a text is a prefix of whole segments, or one of `{prefix: ..}`, `{exact: ..}` and `{regex: ..}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathSpec {
    /// This path and everything below it.
    Prefix(String),
    /// This very path.
    Exact(String),
    /// Every path that begins like this.
    Regex(String),
}

/// Which values: a text is the value itself, or one of `{regex: ..}` and `{present: true}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueSpec {
    /// This very value.
    Exact(String),
    /// Every value that the whole expression describes.
    Regex(String),
    /// Whatever it is (`true`), it must be there.
    Present(bool),
}

/// Which flag a request's tenant must have: a text is its name, or `{flag: .., variant: .., status: .., code: ..}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagGateSpec {
    /// The flag.
    pub flag: String,
    /// The variant that it must give; the first that is not the off one where none is named.
    pub variant: Option<String>,
    /// The refusal's status; 403 where none is given.
    pub status: Option<u16>,
    /// The refusal's code; `flag_required` where none is given.
    pub code: Option<String>,
}

impl FlagGateSpec {
    const fn named(flag: String) -> Self {
        Self { flag, variant: None, status: None, code: None }
    }
}

/// A header's value: text, or `{env: NAME}`, or `{file: path}`.
#[derive(Clone, PartialEq, Eq)]
pub enum HeaderText {
    /// As written.
    Text(String),
    /// Kept elsewhere.
    Secret(SecretRef),
}

impl fmt::Debug for HeaderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("[header value]"),
            Self::Secret(reference) => reference.fmt(f),
        }
    }
}

#[derive(Serialize, DeserializeDerive, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum PathMap {
    /// This path and everything below it, by whole segments.
    Prefix(String),
    /// This very path.
    Exact(String),
    /// Every path that begins like this regular expression.
    Regex(String),
}

#[derive(Serialize, DeserializeDerive, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ValueMap {
    /// Every value that the whole regular expression describes.
    Regex(String),
    /// Whatever the value is, it must be there.
    Present(bool),
}

#[derive(Serialize, DeserializeDerive, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FlagGateMap {
    /// The flag.
    flag: String,
    /// The variant that it must give; the first that is not the off one where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
    /// The refusal's status; 403 where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// The refusal's code; `flag_required` where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl From<FlagGateMap> for FlagGateSpec {
    fn from(map: FlagGateMap) -> Self {
        let FlagGateMap { flag, variant, status, code } = map;
        Self { flag, variant, status, code }
    }
}

impl Serialize for FlagGateSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { flag, variant, status, code } = self.clone();
        if *self == Self::named(flag.clone()) {
            return serializer.serialize_str(&flag);
        }
        FlagGateMap { flag, variant, status, code }.serialize(serializer)
    }
}

impl From<PathMap> for PathSpec {
    fn from(map: PathMap) -> Self {
        match map {
            PathMap::Prefix(path) => Self::Prefix(path),
            PathMap::Exact(path) => Self::Exact(path),
            PathMap::Regex(pattern) => Self::Regex(pattern),
        }
    }
}

impl From<ValueMap> for ValueSpec {
    fn from(map: ValueMap) -> Self {
        match map {
            ValueMap::Regex(pattern) => Self::Regex(pattern),
            ValueMap::Present(present) => Self::Present(present),
        }
    }
}

impl From<SecretRef> for HeaderText {
    fn from(reference: SecretRef) -> Self {
        Self::Secret(reference)
    }
}

impl Serialize for PathSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Prefix(path) => serializer.serialize_str(path),
            Self::Exact(path) => PathMap::Exact(path.clone()).serialize(serializer),
            Self::Regex(pattern) => PathMap::Regex(pattern.clone()).serialize(serializer),
        }
    }
}

impl Serialize for ValueSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Exact(value) => serializer.serialize_str(value),
            Self::Regex(pattern) => ValueMap::Regex(pattern.clone()).serialize(serializer),
            Self::Present(present) => ValueMap::Present(*present).serialize(serializer),
        }
    }
}

impl Serialize for HeaderText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Secret(reference) => reference.serialize(serializer),
        }
    }
}

macro_rules! text_or_map {
    ($type:ident, $short:expr, $map:ty, $right:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct TextOrMap;

                impl<'de> Visitor<'de> for TextOrMap {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($right)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        Ok($short(text.to_owned()))
                    }

                    // The value is left out of these: it may be a secret that lacks its quotes.
                    fn visit_bool<E: Error>(self, _: bool) -> Result<$type, E> {
                        Err(E::invalid_type(Unexpected::Other("a truth value"), &self))
                    }

                    fn visit_i64<E: Error>(self, _: i64) -> Result<$type, E> {
                        Err(E::invalid_type(Unexpected::Other("a number"), &self))
                    }

                    fn visit_f64<E: Error>(self, _: f64) -> Result<$type, E> {
                        Err(E::invalid_type(Unexpected::Other("a number"), &self))
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$type, A::Error> {
                        let form = <$map>::deserialize(MapAccessDeserializer::new(&mut map))?;
                        match map.next_key::<String>()? {
                            None => Ok(form.into()),
                            Some(_) => Err(A::Error::invalid_value(Unexpected::Other("a map of several keys"), &self)),
                        }
                    }
                }

                deserializer.deserialize_any(TextOrMap)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let map = generator.subschema_for::<$map>();
                json_schema!({ "description": $right, "anyOf": [{ "type": "string" }, map] })
            }
        }
    };
}

pub(super) use text_or_map;

text_or_map!(
    PathSpec,
    PathSpec::Prefix,
    PathMap,
    "a path such as `/v1/sms`, or one of `{prefix: ..}`, `{exact: ..}` and `{regex: ..}`"
);
text_or_map!(
    ValueSpec,
    ValueSpec::Exact,
    ValueMap,
    "text, or one of `{regex: ..}` and `{present: true}`"
);
text_or_map!(
    HeaderText,
    HeaderText::Text,
    SecretRef,
    "text, or one of `{env: NAME}` and `{file: path}`"
);
text_or_map!(
    FlagGateSpec,
    FlagGateSpec::named,
    FlagGateMap,
    "a flag's name, or `{flag: .., variant: .., status: .., code: ..}`"
);
