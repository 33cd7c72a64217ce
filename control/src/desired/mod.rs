//! What is wanted, and what do commands make of it?
//!
//! [`apply()`] makes the next state from a state and a command; `traffic` are the commands that move traffic and
//! `rollouts` those that do it by a plan (`counting` says what of it must be counted), `flags` those that change what tenants have,
//! `tenants` those that change what is known of them; `steady` notes since when everybody has the same of a flag,
//! `summary` tells a change to people, [`keys`] is how a state is stored, and [`difference`] how two of them are compared.

pub mod difference;
pub mod keys;

mod apply;
mod counting;
mod flags;
mod rollouts;
mod steady;
mod summary;
mod tenants;
mod traffic;

#[cfg(test)]
mod tests;

pub use apply::{Applied, Desired, Next, Refusal, apply};
pub(crate) use counting::counting;
pub use steady::Steady;
pub(crate) use tenants::attributes;
