//! How is a flag written? Its variants, the one that is off, and what it needs of other flags.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use super::forms::FlagGateSpec;
use super::is_false;
use crate::flags::ServeSpec;

/// A named value that each tenant has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlagSpec {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its values by name, all of one kind: truth values, texts, numbers, or JSON objects and lists. Where none are given, `on`
    /// is true and `off` is false.
    #[serde(default = "on_and_off")]
    pub variants: IndexMap<String, Value>,
    /// The variant that everybody has while the flag is off, and whoever is not within a share; the one named `off` where
    /// nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<String>,
    /// Other flags, each with the variant that it must give. Else this flag gives its off variant.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub requires: IndexMap<String, String>,
    /// Set for a flag that is no longer evaluated: its name stays taken, and nobody gets a value.
    #[serde(default, skip_serializing_if = "is_false")]
    pub archived: bool,
    /// Who has it at first: nobody, where nothing is said. Later it is changed by commands only.
    #[serde(default)]
    pub start: ServeSpec,
}

impl FlagSpec {
    /// The name of the off variant, if there is one.
    #[must_use]
    pub fn off_name(&self) -> Option<&str> {
        let off = self.off.as_deref().unwrap_or("off");
        self.variants.contains_key(off).then_some(off)
    }

    /// The name of the variant that is served where none is named: the first that is not the off one.
    #[must_use]
    pub fn served_name(&self) -> Option<&str> {
        let off = self.off_name();
        self.variants.keys().map(String::as_str).find(|name| Some(*name) != off)
    }
}

fn on_and_off() -> IndexMap<String, Value> {
    [("on".to_owned(), Value::Bool(true)), ("off".to_owned(), Value::Bool(false))].into()
}
