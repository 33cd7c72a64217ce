//! Where is the desired state kept? One trait, so that a node alone and a fleet run on the same commands.
//!
//! The state is a set of keys and values. A revision says which keys it changed, and the state at revision n is, for
//! every key, its latest change up to n: a shift of one tenant among 100,000 is one small row, and any revision can be
//! shown and restored. [`Sqlite`] is the embedded store.

#[cfg(test)]
pub(crate) mod contract;
mod definition;
mod sqlite;

pub use definition::{Change, CommitError, Entry, Store, StoreError, Stored};
pub use sqlite::Sqlite;
