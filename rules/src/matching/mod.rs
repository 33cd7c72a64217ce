//! Which route does a request belong to?
//!
//! Read [`conditions`] for what can be asked of a request, [`precedence`] for which of several matching routes wins, and
//! [`table`] for how the winner is found without looking at all of them ([`paths`] below one host).

mod conditions;
mod paths;
mod precedence;
mod table;

pub use conditions::{Conditions, HostMatch, HostMatchError, NamedMatch, PathMatch, ValueMatch};
pub use precedence::{HostRank, PathRank, Precedence};
pub use table::RouteTable;
