//! On which sockets does this process listen? On those that it was handed, and on its own for what is new.

use std::io;
use std::net::{SocketAddr, TcpListener};

use anyhow::Context;
use config::Settings;

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Socket {
    /// Its address, as the configuration has it: a port of 0 stands for any.
    pub(super) wanted: SocketAddr,
    pub(super) listener: TcpListener,
}

/// Every socket that the process listens on.
#[derive(Debug)]
pub(crate) struct Sockets {
    traffic: Vec<Socket>,
    control: Socket,
    status: Socket,
    ofrep: Option<Socket>,
}

/// The same sockets once more, for those who accept on them.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) traffic: Vec<TcpListener>,
    pub(crate) control: TcpListener,
    pub(crate) status: TcpListener,
    pub(crate) ofrep: Option<TcpListener>,
}

impl Sockets {
    /// Takes what was handed over, and binds the rest. What nobody needs any more is closed.
    ///
    /// # Errors
    /// When an address cannot be had.
    pub(crate) fn claim(settings: &Settings, mut handed: Vec<Socket>) -> anyhow::Result<Self> {
        let mut one = |wanted: SocketAddr| {
            let found = handed.iter().position(|socket| socket.wanted == wanted);
            found.map_or_else(|| bind(wanted), |at| Ok(handed.swap_remove(at)))
        };
        let listeners = settings.listeners.iter().map(|listener| listener.address);
        let traffic = listeners.map(&mut one).collect::<Result<_, _>>()?;
        let (control, status) = (one(settings.control)?, one(settings.status)?);
        let ofrep = settings.ofrep.map(&mut one).transpose()?;
        for left in handed {
            tracing::info!(address = %left.wanted, "no longer listened on");
        }
        Ok(Self { traffic, control, status, ofrep })
    }

    /// The same sockets once more.
    ///
    /// # Errors
    /// When there are too many descriptors.
    pub(crate) fn listeners(&self) -> io::Result<Listeners> {
        let traffic = self.traffic.iter().map(|socket| socket.listener.try_clone());
        Ok(Listeners {
            traffic: traffic.collect::<io::Result<_>>()?,
            control: self.control.listener.try_clone()?,
            status: self.status.listener.try_clone()?,
            ofrep: self.ofrep.as_ref().map(|socket| socket.listener.try_clone()).transpose()?,
        })
    }

    pub(super) fn all(&self) -> Vec<&Socket> {
        self.traffic.iter().chain([&self.control, &self.status]).chain(&self.ofrep).collect()
    }
}

fn bind(wanted: SocketAddr) -> anyhow::Result<Socket> {
    let listener = TcpListener::bind(wanted).with_context(|| {
        format!("cannot listen on {wanted}; is something else listening there?")
    })?;
    Ok(Socket { wanted, listener })
}
