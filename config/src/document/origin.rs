//! Where does a document come from? Its text, its folder, and the secrets that were found around it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::secret::{Secret, SecretRef};

/// Where a document comes from. Nothing of it is serialized; two documents are equal when their secrets are, too.
#[derive(Clone, Default)]
pub struct Origin {
    pub(crate) name: Box<str>,
    pub(crate) text: Arc<str>,
    pub(crate) base: PathBuf,
    pub(crate) secrets: HashMap<SecretRef, Secret>,
    /// Pointers that were left out because something was wrong with them; nothing is said about their absence.
    pub(crate) dropped: Vec<String>,
}

impl Origin {
    /// Whether what should be at `pointer`, or something above it, was left out for a reason already told.
    pub(crate) fn lost(&self, pointer: &str) -> bool {
        self.dropped.iter().any(|dropped| {
            pointer
                .strip_prefix(&**dropped)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.base == other.base && self.secrets == other.secrets
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").field("name", &self.name).finish_non_exhaustive()
    }
}
