//! Scripted HTTP/1.1 origins: what they were asked, what they answer, how they fail.

mod connection;
mod gate;
mod ledger;
mod reply;
mod server;

pub use gate::Gate;
pub use ledger::Recorded;
pub use reply::{Fault, Reply, echo};
pub use server::Origin;
