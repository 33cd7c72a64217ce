//! Bytes: everything that touches Pingora, and the shadow sender.
//!
//! Read [`server`] for what runs side by side, `connection` for what becomes of a client's connection, [`gate`] for what
//! clients may send, `handler` for which phase is called when, `phase/` for the life of a request, one file per phase, and
//! [`shadow`] for copies and their comparison. `token` is what requests prove, `exchange` what is remembered of one
//! request; `protected` lists the fields that nobody may smuggle in, `framing` says what tells where a message ends;
//! `identity`, `ids`, `hops`, `trace`, `additions`, `added`, `forwarding`, `field`, `location` and `problem` are what the two
//! sides learn of each other; `peers`, `upstream_tls`, `resolver`, `health` and `probe` are about targets, `outgoing` about
//! the connections to them; `metrics`, `pool_metrics` and `access_log` are what is seen from outside.

mod access_log;
mod added;
mod additions;
mod alias;
mod cause;
mod clock;
mod connection;
mod drain;
mod exchange;
mod farewell;
mod field;
mod flags;
mod forwarding;
mod framing;
pub mod gate;
mod handler;
mod health;
mod hops;
mod identity;
mod ids;
mod location;
mod metrics;
mod outgoing;
mod peers;
mod phase;
mod pool_metrics;
mod probe;
mod problem;
mod protected;
mod resolver;
pub mod server;
pub mod shadow;
mod signals;
mod sockets;
pub mod token;
mod trace;
mod upstream_tls;

pub use server::{Listener, Parts, Phase, Proxy, StartError};
