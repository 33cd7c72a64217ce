//! Where would a request go, and why? Answered from a configuration file alone.
//!
//! - [`request`]: the request as described on the command line; [`ask`]: compiles the file and decides;
//! - [`account`]: the decision for scripts; [`words`]: the same for people.

mod account;
mod ask;
mod request;
mod words;

pub(crate) use ask::{ExplainArgs, run};
