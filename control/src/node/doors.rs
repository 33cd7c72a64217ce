//! Where are operators, probes and services let in? On sockets that listen already, with TLS where it was begun with.

use std::io;
use std::net::{self, SocketAddr};
use std::sync::Arc;

use config::Compiled;
use rules::tls::ServerTls;
use tokio::net::TcpListener;

use super::serve::Door;
use super::tls::Tls;
use crate::desk::Desk;

/// The control plane's listeners, bound.
#[derive(Debug)]
pub struct Listeners {
    control: TcpListener,
    status: TcpListener,
    ofrep: Option<TcpListener>,
    addresses: (SocketAddr, SocketAddr),
}

impl Listeners {
    /// Takes sockets that listen already, in the runtime that is to serve on them: of the control API, of probes, and of
    /// services that ask for flags, if they have one of their own.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn on(
        control: net::TcpListener,
        status: net::TcpListener,
        ofrep: Option<net::TcpListener>,
    ) -> io::Result<Self> {
        let addresses = (control.local_addr()?, status.local_addr()?);
        tracing::info!(address = %addresses.0, "the control API listens");
        tracing::info!(address = %addresses.1, "the status listener listens");
        if let Some(ofrep) = &ofrep {
            tracing::info!(address = %ofrep.local_addr()?, "the listener for services listens");
        }
        let (control, status) = (taken(control)?, taken(status)?);
        Ok(Self { control, status, ofrep: ofrep.map(taken).transpose()?, addresses })
    }

    /// Where the control API is.
    #[must_use]
    pub const fn control(&self) -> SocketAddr {
        self.addresses.0
    }

    /// Where health and metrics are.
    #[must_use]
    pub const fn status(&self) -> SocketAddr {
        self.addresses.1
    }
}

fn taken(socket: net::TcpListener) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

/// Where whom is let in.
pub(super) struct Doors {
    pub(super) operators: Door,
    pub(super) probes: Door,
    pub(super) services: Option<Door>,
}

/// The doors, with TLS where the process was started with it.
pub(super) fn doors(desk: &Arc<Desk>, listeners: Listeners) -> Doors {
    let door = |listener, encrypted: bool, of: fn(&Compiled) -> Option<Arc<ServerTls>>| {
        let desk = Arc::clone(desk);
        let tls = encrypted.then(|| Tls::new(move || of(&desk.ledger().present().compiled)));
        Door { listener, tls }
    };
    let Listeners { control, status, ofrep, .. } = listeners;
    let encrypted = desk.ledger().started_with().encrypted;
    Doors {
        operators: door(control, encrypted.control, |compiled| compiled.control_tls.clone()),
        probes: door(status, encrypted.status, |compiled| compiled.status_tls.clone()),
        services: ofrep
            .map(|ofrep| door(ofrep, encrypted.ofrep, |compiled| compiled.ofrep_tls.clone())),
    }
}
