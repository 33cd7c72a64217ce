//! End-to-end tests: the built binary, real sockets, nothing of the product wired a second way.
//!
//! [`kit`] is the harness; each other module is one theme. `TURNOUT_LONG=1` makes the load and crash tests as long as
//! their claims are.
#![cfg(test)]

mod kit;

mod access;
mod aliases;
mod answers;
mod audit;
mod bad_shadows;
mod cli;
mod cohorts;
mod control;
mod drain;
mod events;
mod fallback;
mod filters;
mod flags;
mod fleet;
mod forwarding;
mod fuzz_api;
mod hostile_http2;
mod http2;
mod identity;
mod limits;
mod load;
mod moving;
mod observe;
mod ofrep;
mod operators;
mod overload;
mod parity;
mod paths;
mod reload;
mod restart;
mod rollouts;
mod routing;
mod samples;
mod scale;
mod services;
mod shadow;
mod shift;
mod signoff;
mod silence;
mod slow_clients;
mod state;
mod streams;
mod tenants;
mod tls;
mod tokens;
mod trailers;
mod unusual_bodies;
mod upstream_safety;
mod upstream_tls;
mod upstreams;
mod wire;
