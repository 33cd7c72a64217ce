//! Which rollbacks are not stored yet? Kept in a file before they are answered, so that a kill does not lose them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::write::{read, replace, with_ending};
use crate::audit::Record;

/// The file of rollbacks that are not stored yet.
#[derive(Debug, Clone)]
pub struct Kept {
    path: PathBuf,
}

/// A rollback that is not stored yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptRollback {
    /// The route.
    pub route: String,
    /// Only this tenant's traffic.
    pub tenant: Option<String>,
    /// Only this cohort's traffic.
    pub cohort: Option<String>,
    /// Whether requests are still copied to the candidate.
    pub keep_shadow: bool,
    /// By which it is known wherever it is told.
    pub id: String,
    /// The newest stored revision that was known when it was given.
    pub seen: u64,
    /// Who asked, and why.
    pub record: Record,
}

impl Kept {
    /// The file that belongs to a store of this path.
    #[must_use]
    pub fn of(store: &Path) -> Self {
        Self { path: with_ending(store, ".rollbacks") }
    }

    /// Keeps these and no others.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn keep(&self, rollbacks: &[KeptRollback]) -> io::Result<()> {
        if rollbacks.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        replace(&self.path, &serde_json::to_string(rollbacks).unwrap_or_default())
    }

    /// Those that were kept, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub fn found(&self) -> io::Result<Vec<KeptRollback>> {
        let text = match read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text?,
        };
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        serde_json::from_str(&text).map_err(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract;

    #[test]
    fn what_is_kept_is_found_until_it_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::of(&folder.path().join("turnout.db"));
        assert_eq!(kept.found().unwrap(), []);
        let one = KeptRollback {
            route: "sms".into(),
            tenant: Some("acme".into()),
            cohort: None,
            keep_shadow: true,
            id: "a".into(),
            seen: 3,
            record: contract::record(4),
        };
        kept.keep(&[one.clone(), one.clone()]).unwrap();
        assert_eq!(kept.found().unwrap(), [one.clone(), one]);
        fs::write(&kept.path, "damaged").unwrap();
        assert!(kept.found().is_err());
        kept.keep(&[]).unwrap();
        assert_eq!(kept.found().unwrap(), []);
    }
}
