//! Which revision served here last? Kept in a file, and the one before in another, so that one of them is always whole.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::write::{read, replace, with_ending};
use crate::store::Stored;

/// The file of the last revision that served here.
#[derive(Debug, Clone)]
pub struct LastGood {
    path: PathBuf,
}

/// A revision, and whose history it is part of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Good {
    /// See [`crate::store::Newest::epoch`].
    pub epoch: Option<String>,
    /// The revision with its state.
    pub stored: Stored,
}

impl LastGood {
    /// The file that belongs to a store of this path.
    #[must_use]
    pub fn of(store: &Path) -> Self {
        Self { path: with_ending(store, ".last-good") }
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.path.exists() || self.before().exists()
    }

    /// Keeps a revision. The one that was kept before stays as the generation before.
    ///
    /// # Errors
    /// When it cannot be written; then the former ones are still there.
    pub fn keep(&self, good: &Good) -> io::Result<()> {
        // Texts and numbers: nothing that JSON could not write.
        let text = serde_json::to_string(good).unwrap_or_default();
        if read(&self.path).is_ok() {
            fs::rename(&self.path, self.before())?;
        }
        replace(&self.path, &text)
    }

    /// The last revision that was kept, or the one before where that is damaged.
    #[must_use]
    pub fn found(&self) -> Option<Good> {
        [self.path.clone(), self.before()].into_iter().find_map(|path| match one(&path) {
            Ok(good) => Some(good),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let path = path.display();
                tracing::error!(%path, %error, "a last good revision cannot be read");
                None
            }
        })
    }

    fn before(&self) -> PathBuf {
        with_ending(&self.path, ".before")
    }
}

fn one(path: &Path) -> io::Result<Good> {
    let text = read(path)?;
    serde_json::from_str(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract;

    fn good(revision: u64) -> Good {
        let values = [("a".to_owned(), revision.to_string())].into();
        let stored = Stored { entry: contract::entry(revision, "one"), values };
        Good { epoch: Some("e".into()), stored }
    }

    #[test]
    fn one_of_two_generations_is_always_whole() {
        let folder = tempfile::tempdir().unwrap();
        let last_good = LastGood::of(&folder.path().join("turnout.db"));
        assert_eq!(last_good.found(), None);
        for revision in 1..=3 {
            last_good.keep(&good(revision)).unwrap();
            assert_eq!(last_good.found(), Some(good(revision)));
        }
        let whole = fs::read(&last_good.path).unwrap();
        // However much of the newest one is there, and whatever bit of it has flipped, the one before serves.
        for length in 0..whole.len() {
            fs::write(&last_good.path, &whole[..length]).unwrap();
            assert_eq!(last_good.found(), Some(good(2)), "{length} bytes");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&last_good.path, damaged).unwrap();
            assert_eq!(last_good.found(), Some(good(2)), "byte {at}");
        }
        // A damaged one never takes the place of the whole one before.
        last_good.keep(&good(4)).unwrap();
        assert_eq!(one(&last_good.before()).unwrap(), good(2));
        assert_eq!(last_good.found(), Some(good(4)));
    }
}
