//! Where does traffic stand? `status`, once or as long as somebody watches.
//!
//! - [`watch`]: what is asked of the server, and how often;
//! - [`routes`]: the table of all routes; [`detail`]: everything about one route; [`figures`]: how numbers are written.

mod detail;
mod figures;
mod routes;
mod watch;

pub(crate) use figures::{count, whole};
pub(crate) use routes::stage_tone;
pub(crate) use watch::{StatusArgs, run};
