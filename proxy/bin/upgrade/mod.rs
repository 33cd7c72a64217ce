//! How does a new process take over from a running one, without a request lost? By descriptors, over a private socket.
//!
//! Both speak [`message`]s over a [`channel`] at a [`place`] that only their user can reach. [`take`] is the new process's
//! side, [`give`] the running one's; [`successor`] starts the new one where a signal asks for it,
//! and [`supervisor`] tells systemd. [`sockets`] are what
//! changes hands, and with them goes the state: the running process lets go of the store, the new one locks it.

mod channel;
mod give;
mod message;
mod place;
mod sockets;
mod successor;
pub(crate) mod supervisor;
mod take;

pub(crate) use give::{Giver, Offer};
pub(crate) use place::Place;
pub(crate) use successor::Successor;
pub(crate) use take::{Predecessor, Start};
