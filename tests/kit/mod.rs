//! The harness: the built binary, origins around it, those who ask and command, and patience with a deadline.

mod api;
mod certificates;
mod client;
mod connection;
mod frames;
mod metrics;
mod node;
mod origin;
mod ports;
mod raw_origin;
mod redis;
mod tls;
mod tls_origin;
mod wait;

pub(crate) use api::{Ran, turnout};
pub(crate) use certificates::{Authority, Certified, Somebody};
pub(crate) use client::{Answer, Ask, Client, RawConnection, ask, get, post};
pub(crate) use connection::{Connection, Sent};
pub(crate) use frames::{End, FrameConnection, block, frame, head, kind};
pub(crate) use loadtest::origin::{Fault, Gate, Origin, Recorded, Reply};
pub(crate) use metrics::sample;
pub(crate) use node::{BINARY, Setup, Turnout};
pub(crate) use origin::{Memory, With, all, dead_address, faulty, origin, scripted, status};
pub(crate) use ports::free_address;
pub(crate) use raw_origin::{RawOrigin, http2_origin};
pub(crate) use redis::{Redis, Wire};
pub(crate) use tls::{TlsClient, shown};
pub(crate) use tls_origin::TlsOrigin;
pub(crate) use wait::{each_of, eventually, eventually_some, within};
