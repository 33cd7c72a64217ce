//! What must never be printed? Values that the file only refers to.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a value is kept that does not belong into the file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// In the environment variable of this name.
    Env(String),
    /// In this file, relative to the configuration file's folder; one line break at its end is left out.
    File(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable `{name}`"),
            Self::File(path) => write!(f, "file `{path}`"),
        }
    }
}

/// A value that is never printed, not even by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// One that is known.
    #[must_use]
    pub fn of(value: &[u8]) -> Self {
        Self::new(value)
    }

    pub(crate) fn new(value: impl Into<Box<[u8]>>) -> Self {
        Self(value.into())
    }

    /// The value itself, for whoever has to show it to the other side.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
