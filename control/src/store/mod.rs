//! Where is the desired state kept? One trait, so that a node alone and a fleet run on the same commands.
//!
//! The state is a set of keys and values. A revision says which keys it changed, and the state at revision n is, for
//! every key, its latest change up to n: a shift of one tenant among 100,000 is one small row, and any revision can be
//! shown and restored. [`Sqlite`] is the embedded store, [`Shared`] the one of a fleet. A [`Whole`] is what moves from one
//! to the other, [`exported`] as text on its way.

mod caution;
#[cfg(test)]
pub(crate) mod contract;
mod definition;
pub(crate) mod exported;
mod notes;
#[cfg(test)]
mod power;
mod rows;
mod schema;
pub(crate) mod shared;
mod sqlite;
mod whole;
mod whole_rows;

pub use caution::Caution;
pub use definition::{
    Change, Commit, CommitError, CommitNote, Entry, MAX_NOTES, Newest, Store, StoreError, Stored,
};
pub use shared::Shared;
pub use sqlite::Sqlite;
pub use whole::{Movable, NotWhole, Note, Step, Whole};
