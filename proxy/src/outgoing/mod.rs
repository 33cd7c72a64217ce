//! What becomes of a connection to a target?
//!
//! Read [`connector`] for how Pingora gets it, [`pool`] for where it waits to be used again, [`mod@coalesced`] for how requests
//! leave on it, [`two_ends`] for which answers are not taken, and last [`mod@proxy`] for how Pingora is told of the connector at all.

mod coalesced;
mod connector;
mod pool;
mod proxy;
mod two_ends;

pub(crate) use connector::coalesced;
pub(crate) use proxy::{TargetProxy, own_proxy};
