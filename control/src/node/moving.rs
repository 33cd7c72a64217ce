//! How does a state get from one store to another, while no node runs on it?

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use jiff::Timestamp;
use rules::Revision;

use super::open::{Found, Opening, StartError, open_seal};
use crate::store::exported::{self, BadExport};
use crate::store::{Movable, Shared, Sqlite, StoreError, Whole};

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The store.
    pub store: String,
    /// How many revisions.
    pub revisions: usize,
    /// The newest of them.
    pub newest: Revision,
    /// How many lines of the audit.
    pub lines: usize,
}

/// Why a state was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// There is no store to be had.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The store does not serve.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is nothing to export.
    #[error("there is no state in {0}")]
    Nothing(String),
    /// The export cannot be written.
    #[error("the export cannot be written")]
    Write(#[source] io::Error),
    /// What is to be imported is no whole state.
    #[error("nothing was imported: {0}")]
    Bad(#[source] BadExport),
}

/// The store that is meant, with its name.
struct Meant {
    store: Box<dyn Movable>,
    name: String,
    /// Where a node keeps what belongs to it.
    path: PathBuf,
}

/// Writes all that a store holds.
///
/// # Errors
/// When it is in use, cannot be read, or holds nothing.
pub fn export(opening: &Opening, to: impl Write) -> Result<Moved, MoveError> {
    let (path, redis) = place(opening)?;
    if redis.is_none() && !path.exists() {
        return Err(MoveError::Nothing(path.display().to_string()));
    }
    let Meant { store, name, path } = meant(path, redis)?;
    let whole = store.whole()?;
    if whole.is_empty() {
        return Err(MoveError::Nothing(name));
    }
    let seal = open_seal(&path)?;
    exported::write(&whole, &seal, Timestamp::now(), to).map_err(MoveError::Write)?;
    Ok(moved(name, &whole))
}

/// Puts all that was exported into an empty store. It is checked as a whole before anything is written.
///
/// # Errors
/// When it is no whole state, or the store is in use, not empty, or fails.
pub fn import(opening: &Opening, from: impl BufRead) -> Result<Moved, MoveError> {
    let whole = exported::read(from).map_err(MoveError::Bad)?;
    let (path, redis) = place(opening)?;
    let Meant { store, name, .. } = meant(path, redis)?;
    store.fill(&whole)?;
    Ok(moved(name, &whole))
}

/// A file that is named counts whatever the configuration says; without one the configuration must be valid.
fn place(opening: &Opening) -> Result<(PathBuf, Option<config::RedisSettings>), MoveError> {
    if let Some(path) = &opening.store {
        return Ok((path.clone(), None));
    }
    let Found { written, path, .. } = Found::look(opening);
    Ok((path, config::redis_settings(&written?.document)))
}

fn meant(path: PathBuf, redis: Option<config::RedisSettings>) -> Result<Meant, MoveError> {
    let (store, name): (Box<dyn Movable>, String) = match redis {
        Some(redis) => (Box::new(Shared::new(&redis)), format!("Redis under {:?}", redis.prefix)),
        None => (Box::new(Sqlite::open(&path)?), path.display().to_string()),
    };
    Ok(Meant { store, name, path })
}

fn moved(store: String, whole: &Whole) -> Moved {
    let (revisions, lines) = (whole.steps.len(), whole.lines.len());
    Moved { store, revisions, newest: whole.revision(), lines }
}
