//! Which flags are there? All of a snapshot's, by name and by place.

use std::collections::HashMap;
use std::sync::Arc;

use super::definition::{Flag, FlagId};
use crate::FlagName;

/// All flags of a snapshot. What a command does not change is shared with the snapshot before.
#[derive(Debug, Clone, Default)]
pub struct FlagSet {
    by_name: Arc<HashMap<FlagName, FlagId>>,
    flags: Arc<[Arc<Flag>]>,
}

/// Why a flag is not evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// There is no such flag.
    #[error("there is no such flag")]
    Unknown,
    /// The flag is archived.
    #[error("the flag is archived")]
    Archived,
}

impl FlagSet {
    /// The flags in the order of their ids, under these names.
    #[must_use]
    pub const fn new(by_name: Arc<HashMap<FlagName, FlagId>>, flags: Arc<[Arc<Flag>]>) -> Self {
        Self { by_name, flags }
    }

    /// Whether it is the same set, not only an equal one: nothing has been changed since.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.flags, &other.flags)
    }

    /// All flags, in the order the configuration writes them.
    #[must_use]
    pub fn all(&self) -> &[Arc<Flag>] {
        &self.flags
    }

    /// The flag of an id.
    #[must_use]
    pub fn get(&self, id: FlagId) -> Option<&Flag> {
        self.flags.get(usize::try_from(id.0).ok()?).map(|flag| &**flag)
    }

    /// The id of a flag that may be evaluated.
    ///
    /// # Errors
    /// When there is no such flag, or it is archived.
    pub fn find(&self, name: &str) -> Result<FlagId, Unavailable> {
        let id = *self.by_name.get(name).ok_or(Unavailable::Unknown)?;
        match self.get(id) {
            Some(flag) if flag.definition.archived => Err(Unavailable::Archived),
            Some(_) => Ok(id),
            None => Err(Unavailable::Unknown),
        }
    }
}
