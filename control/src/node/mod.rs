//! How does the control plane of one node begin, run and end?
//!
//! [`Node::open`] finds the store and (in `begin`) restores the state and gives the proxy its first snapshot; [`Node::serve`]
//! serves at its `doors` (with `tls` where that is spoken) until the process stops. [`moving`] is for stores on which no node
//! runs.

mod begin;
mod doors;
pub mod moving;
mod open;
mod rehearse;
mod run;
mod serve;
mod tls;

#[cfg(test)]
pub(crate) use begin::Beginning;
pub use doors::Listeners;
pub use open::{Node, Opening, StartError};
pub use rehearse::Rehearsal;
pub use run::Links;
