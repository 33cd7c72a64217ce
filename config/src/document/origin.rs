//! Where does a document come from? Its text, its folder, and the secrets that were found around it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::secret::{Secret, SecretRef};
use crate::closest::closest;

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
    /// The text that was read.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The folder that paths in it are relative to.
    #[must_use]
    pub fn base(&self) -> &std::path::Path {
        &self.base
    }

    /// The file's name, as errors show it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether what should be at `pointer`, or something above it, was left out for a reason already told.
    pub(crate) fn lost(&self, pointer: &str) -> bool {
        is_lost(&self.dropped, pointer)
    }

    /// Whether something below `pointer` was left out for a reason already told.
    pub(crate) fn lost_below(&self, pointer: &str) -> bool {
        self.dropped
            .iter()
            .any(|dropped| dropped.strip_prefix(pointer).is_some_and(|rest| rest.starts_with('/')))
    }
}

/// Whether something at or above `pointer` was left out, or its neighbour, nearly spelled alike, is unknown.
pub(crate) fn is_lost(dropped: &[String], pointer: &str) -> bool {
    let misspelled = |dropped: &str| {
        let (parent, key) = pointer.rsplit_once('/')?;
        let (other, misspelled) = dropped.rsplit_once('/')?;
        closest(misspelled, [key]).filter(|_| parent == other)
    };
    dropped.iter().any(|dropped| {
        let rest = pointer.strip_prefix(&**dropped);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            || misspelled(dropped).is_some()
    })
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
