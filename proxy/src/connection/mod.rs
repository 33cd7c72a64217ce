//! What happens to a client's connection around its requests?
//!
//! `app` leads each new one through: [`Admission`] says whether there is room, `tls` ends its encryption, then the
//! [gate](crate::gate) judges HTTP/1 and `http2` watches HTTP/2's `frames`, before Pingora reads either of them as `served`
//! says, and `wait` says how long a read of it may take. `pressure` tells what is given up when there is too much of everything.

mod admission;
mod app;
mod frames;
mod http2;
mod pressure;
mod served;
mod tls;
mod transport;
mod wait;

pub(crate) use admission::Admission;
pub(crate) use app::{ConnectionApp, Entrance, peer};
pub(crate) use pressure::Pressure;
pub(crate) use transport::{Rider, Transport, is_a_transport, rider, server_name};
pub(crate) use wait::Wait;
