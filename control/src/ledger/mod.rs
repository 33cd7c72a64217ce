//! How does a command become what serves?
//!
//! [`Ledger::execute`] is the one way: the desired state is written nowhere else. A command comes as an [`Order`] and is
//! answered by what was [`Done`], or [`Declined`]. A rollback is done even while the store fails; `unstored` is what becomes of
//! it then. `hand_over` lets another process go on with all of it.

mod execute;
mod hand_over;
mod lookup;
mod order;
mod unstored;

#[cfg(test)]
pub(crate) mod fragile;
#[cfg(test)]
mod tests;

pub use execute::Ledger;
pub(crate) use execute::{compiled, read_stored};
pub use hand_over::HandOverError;
pub use order::{Declined, Done, Order, Present, Preview, Reach};
