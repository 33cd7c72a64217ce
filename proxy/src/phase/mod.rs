//! The life of a request, one file per phase; phases do not call one another.
//!
//! [`intake`] decides, [`peer`] picks a target, [`upstream_request`] and [`upstream_response`] carry heads and bodies over,
//! [`failure`] says what a failure means, [`logging`] counts and writes the one line.

pub(crate) mod failure;
pub(crate) mod intake;
pub(crate) mod logging;
pub(crate) mod peer;
pub(crate) mod upstream_request;
pub(crate) mod upstream_response;
