//! What can be asked over HTTP? The control API under `/v1`, and the status listener.
//!
//! `router` says what is where. A request passes the `guard`, is known by `access`, noted by `account`, done once by
//! `repeat`, read by `request`, and is answered by one of the handlers, one file per resource; what goes wrong becomes a
//! `problem`; `described` tells which problems any of them may give. `ofrep` is how services ask for flags.

mod access;
mod account;
mod attributes;
mod audit;
mod configuration;
mod declined;
mod described;
mod events;
mod flags;
mod fleet;
mod guard;
mod health;
mod ignore;
mod notifications;
mod ofrep;
mod overview;
mod parity;
mod plans;
mod problem;
mod repeat;
mod request;
mod revisions;
mod rollouts;
mod router;
mod routes;
mod samples;
mod signatures;
mod site;
mod tenants;
mod tokens;
mod traffic;
mod upstreams;
mod view;
mod wait;

pub(crate) use request::Peer;
pub use router::openapi;
pub(crate) use router::{control, ofrep as services, status};
pub(crate) use site::Site;
