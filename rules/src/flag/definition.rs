//! What is a flag? Its variants as the configuration writes them, and the setting that commands change.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::prerequisites::Need;
use crate::cohort::CohortId;
use crate::sli::FlagCounters;
use crate::{FlagName, Share, TenantId};

/// A flag's place in its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlagId(pub u32);

/// A variant's place in its flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariantId(pub u16);

/// What all variants of a flag are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// True or false.
    Boolean,
    /// A text.
    String,
    /// A number.
    Number,
    /// A JSON object or array.
    Json,
}

impl Kind {
    /// The kind's name, as people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Number => "number",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A variant's value: JSON text, so that nobody rounds a number on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// What it is.
    pub kind: Kind,
    /// The value as JSON (RFC 8259), without needless blanks.
    pub json: Arc<str>,
}

/// A value with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Its name.
    pub name: Box<str>,
    /// Its value.
    pub value: Value,
}

/// A flag as the configuration writes it.
#[derive(Debug, Clone)]
pub struct FlagDefinition {
    /// Its name: the key that services ask for, and the seed of its buckets.
    pub name: FlagName,
    /// Its variants as written, all of one kind. There is at least one.
    pub variants: Box<[Variant]>,
    /// What everybody has while the flag is off, and whoever is not within a share.
    pub off: VariantId,
    /// What must hold of other flags, directly or through others.
    pub needs: Box<[Need]>,
    /// Set for a flag that is no longer evaluated.
    pub archived: bool,
    /// How often each variant was evaluated. Goes on over revisions.
    pub counters: Arc<FlagCounters>,
}

impl FlagDefinition {
    /// The variant of an id.
    #[must_use]
    pub fn variant(&self, id: VariantId) -> Option<&Variant> {
        self.variants.get(usize::from(id.0))
    }

    /// The id of a variant's name.
    #[must_use]
    pub fn variant_named(&self, name: &str) -> Option<VariantId> {
        (0..)
            .map(VariantId)
            .zip(&self.variants)
            .find(|(_, variant)| *variant.name == *name)
            .map(|(id, _)| id)
    }
}

/// Which variant, and what share of tenants has it. Everybody else has the off one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serve {
    /// The variant.
    pub variant: VariantId,
    /// The share of tenants that have it.
    pub share: Share,
}

/// A flag's live state. A tenant's own variant stands before its cohort's, a cohort's before the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagSetting {
    /// Unset while everybody has the off variant, whatever else is said.
    pub on: bool,
    /// For everybody else.
    pub default: Serve,
    /// Per cohort.
    pub cohorts: HashMap<CohortId, Serve>,
    /// Per tenant.
    pub tenants: HashMap<TenantId, VariantId>,
}

/// A flag, ready to be evaluated.
#[derive(Debug, Clone)]
pub struct Flag {
    /// What the configuration says.
    pub definition: Arc<FlagDefinition>,
    /// What commands say.
    pub setting: FlagSetting,
}
