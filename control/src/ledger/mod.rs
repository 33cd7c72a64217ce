//! How does a command become what serves?
//!
//! [`Ledger::execute`] is the one way: the desired state is written nowhere else. A command comes as an [`Order`] and is
//! answered by what was [`Done`], or [`Declined`]. A rollback is done even while the store fails; `unstored` is what becomes of
//! it then.

mod execute;
mod lookup;
mod order;
mod unstored;

#[cfg(test)]
pub(crate) mod fragile;
#[cfg(test)]
mod tests;

pub use execute::Ledger;
pub(crate) use execute::{compiled, read_stored};
pub use order::{Declined, Done, Order, Present, Preview, Reach};
