//! How do services ask for flags? By OpenFeature's remote evaluation protocol (OFREP 0.3), beside the control API and on a
//! listener of their own.
//!
//! `router` says what is where, and `asker` who may ask on that listener; a request's `context` is read within bounds, its flags are evaluated by `evaluate`,
//! `changes` tells when to ask again, and `answer` is how all of it is said.

mod answer;
mod asker;
mod changes;
mod context;
mod evaluate;
mod router;

pub(super) use router::{routes, services};
