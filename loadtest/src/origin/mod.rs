//! HTTP/1.1 origins: scripted ones, with what they were asked, what they answer and how they fail; and a fast one.

mod connection;
mod fixed;
mod gate;
mod ledger;
mod reply;
mod server;

pub use fixed::{Fixed, Manner};
pub use gate::Gate;
pub use ledger::Recorded;
pub use reply::{Fault, Reply, echo};
pub use server::Origin;
