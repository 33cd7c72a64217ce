//! Copies of requests for the other arm: sent, answered and compared where no client waits. (INV-8)
//!
//! Read in this order:
//!
//! - `sender`: the way in; `lanes`: the threads behind it; `capture`: what the phases of a request tell it;
//! - `ledger`, `body`, `breaker`, `ticket`: the bounds (INV-7), and exactly one outcome per exchange;
//! - `exchange`: the life of one copy; `twin`: a second answer of stable; `request`: the head it carries; `call`: sending it and reading the answer;
//! - `destinations`, `connect`, `http1`: one set of connections per upstream and generation.

mod body;
mod breaker;
mod call;
mod capture;
mod connect;
mod destinations;
mod exchange;
mod http1;
mod lanes;
mod ledger;
mod request;
mod sender;
mod ticket;
mod twin;

#[cfg(test)]
mod tests;

pub use capture::{Capture, Original, PrimaryEnd, Whose};
pub use ledger::ShadowGauges;
pub use sender::ShadowSender;
pub use twin::Twin;
