//! How does a fleet share its state? In one Redis, asked by scripts that compare and set in one step.
//!
//! | key | what |
//! |---|---|
//! | `{prefix}:head` | the epoch, the newest revision, the audit's newest link, the fence |
//! | `{prefix}:state` | every key of the present state |
//! | `{prefix}:revisions` | each revision's entry, and what its keys were before |
//! | `{prefix}:audit` | the audit's lines, a stream |
//! | `{prefix}:notes:<kind>` | notes, with when they end |
//! | `{prefix}:lease` | who drives rollouts |
//!
//! The braces put all of them into one slot of a cluster. [`link`](mod@link) finds the server that leads and connects to it,
//! [`scripts`] are the steps that must not be torn apart, [`Shared`] is the store, `hints` hears at once what the poll would
//! find a second later, and `safety` says what the servers should be set to otherwise.

mod hints;
mod link;
mod notes;
mod safety;
mod scripts;
mod store;
mod whole;

#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;

pub use store::Shared;
