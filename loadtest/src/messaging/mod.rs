//! An old and a new messaging service that should answer alike and do not quite. All data is made up.

mod inbox;
mod service;
mod traffic;

pub use service::Messaging;
pub use traffic::{TENANTS, call, tenant};
