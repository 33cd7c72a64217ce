//! What do the two processes say to each other?

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Another version of these messages than this one is not understood.
pub(super) const PROTOCOL: u32 = 1;

/// In the order in which they are said, if all goes well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum Message {
    /// The new process: it would like to take over.
    Take {
        /// Which version of these messages it speaks.
        protocol: u32,
        /// Which version of Turnout it is.
        version: String,
    },
    /// The running one: listeners, in the order of the descriptors that come along.
    Sockets {
        /// The addresses, as its configuration has them.
        addresses: Vec<SocketAddr>,
        /// Whether there are more of them.
        more: bool,
    },
    /// The new one: everything is read, compiled and bound; only the state is missing.
    Prepared,
    /// The running one: the store is let go, and commands wait.
    Yours {
        /// The newest revision.
        revision: u64,
    },
    /// The new one: it has the store, and accepts connections.
    Serving,
    /// The running one: it accepts none any more.
    Leaving,
    /// The running one: it goes on, and the new one is to end.
    GivenUp {
        /// Why.
        why: String,
    },
}
