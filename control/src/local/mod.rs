//! What does a node keep for itself, so that it can start and roll back while the fleet's store is away?
//!
//! [`LastGood`] is the last revision that served here; [`Kept`] are rollbacks that are not stored yet.

mod kept;
mod last_good;
mod write;

pub use kept::{Kept, KeptRollback};
pub use last_good::{Good, LastGood};
