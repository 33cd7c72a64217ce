//! How does the control plane of one node begin, run and end?
//!
//! [`Node::open`] restores the state and gives the proxy its first snapshot; [`Node::serve`] serves until the process
//! stops.

mod open;
mod rehearse;
mod run;
mod serve;

pub use open::{Node, Opening, StartError};
pub use rehearse::Rehearsal;
pub use run::{Links, Listeners};
