//! How does a command become what serves?
//!
//! [`Ledger::execute`] is the one way: the desired state is written nowhere else. A command comes as an [`Order`] and is
//! answered by what was [`Done`], or [`Declined`]. A `rollback` is done even while the store fails; `unstored` is what becomes of
//! it then. `hand_over` lets another process go on with all of it; `follow` is how it hears of other nodes, `account` how the audit learns of all of it.

mod account;
mod approval;
mod execute;
mod follow;
mod hand_over;
mod lookup;
mod order;
mod preview;
mod rollback;
mod state;
mod unstored;

#[cfg(test)]
pub(crate) mod fragile;
#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod tests;

pub use approval::{Approver, NotApproved, Plan};
pub use execute::Ledger;
pub(crate) use follow::goes_on_from;
pub use hand_over::HandOverError;
pub use order::{Declined, Done, Once, Order, Present, Preview, Reach};
pub(crate) use state::{compiled, read_stored};
