//! What is accounted for, and how is it shown that nothing was taken out or changed afterwards?
//!
//! A [`Record`] is what is kept of each command, accepted or not. [`chain`] links records to one another by their hashes;
//! a [`Verifier`] goes along such a chain. [`seal`] signs its newest link, so that whoever kept a signed head can tell
//! later whether the chain is still the same one.

pub mod chain;
pub mod filter;
pub mod record;
pub mod seal;

pub use chain::{Broken, Head, Line, Verifier};
pub use filter::Filter;
pub use record::{Outcome, Record, Via};
pub use seal::{Seal, SignedHead};
