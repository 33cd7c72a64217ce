//! Who may change traffic, and when: commands, state, stores, the control API.
//!
//! Read in this order:
//!
//! - [`command`]: what can be asked for; [`desired`]: what a command makes of the desired state, and how it is stored;
//! - [`store`]: where every revision is kept; [`ledger`]: a command's way through apply, compile, store and publish;
//! - [`access`]: who may command what;
//! - [`audit`]: what is kept of every command, chained by its hashes ([`digest`]);
//! - [`local`]: what a node keeps for itself;
//! - [`rollout`]: plans that move traffic while their gates pass, and `external`: whom they ask and tell;
//! - [`mod@file`] and `referred`: where the configuration comes from, and when it changes;
//! - [`parity`], [`window`] and [`hour`]: what is known of the arms, and [`blast`]: who would notice a change;
//! - [`samples`]: values of answers, of routes that opted in;
//! - [`fleet`]: which nodes there are, and what each of them serves, and `namesake`: whether two go by one name;
//! - [`desk`]: all of that while it runs; [`events`], [`meters`] and [`phase`]: what is told of it;
//! - [`api`]: how it is asked over HTTP; [`node`]: how it begins, runs and ends.

pub mod access;
pub mod api;
pub mod audit;
pub mod blast;
pub mod command;
pub mod desired;
pub mod desk;
pub mod digest;
pub mod events;
pub mod file;
pub mod fleet;
pub mod hour;
pub mod ledger;
pub mod local;
pub mod meters;
pub mod node;
pub mod parity;
pub mod phase;
pub mod rollout;
pub mod samples;
pub mod store;
pub mod window;

mod external;
mod namesake;
mod referred;

pub use api::openapi;
pub use node::{Links, Listeners, Node, Opening, Rehearsal, StartError};
pub use phase::Phase;
