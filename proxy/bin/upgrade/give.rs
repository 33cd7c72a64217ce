//! How does a running process let another one take over, and go on where that fails?

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, bail};
use control::desk::Desk;
use rustix::net::{SocketFlags, accept_with};
use tokio::sync::watch;

use super::channel::{Channel, MOST_DESCRIPTORS};
use super::message::{Message, PROTOCOL};
use super::place::Place;
use super::sockets::Sockets;
use super::successor::Successor;
use super::supervisor;

/// How long the new process may take to ask.
const ASK: Duration = Duration::from_secs(10);
/// How long it may take to read, compile and bind. Nothing waits for it meanwhile.
const PREPARE: Duration = Duration::from_secs(60);
/// How long it may take to serve once it has the store. Commands wait meanwhile.
const SERVE: Duration = Duration::from_secs(10);
/// The pause after nobody could be heard, which is so for a while when descriptors run out.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// The listening sockets, as long as another process may have them.
#[derive(Debug, Clone)]
pub(crate) struct Offer(Arc<Mutex<Option<Sockets>>>);

impl Offer {
    pub(crate) fn of(sockets: Sockets) -> Self {
        Self(Arc::new(Mutex::new(Some(sockets))))
    }

    /// Nobody can take over any more. A socket that is still open here would go on to take connections.
    pub(crate) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The running process's side of an upgrade.
#[derive(Debug)]
pub(crate) struct Giver {
    pub(crate) offer: Offer,
    /// Weak, so that the store is closed when the process leaves.
    pub(crate) desk: Weak<Desk>,
    pub(crate) successor: Successor,
    pub(crate) handed_over: watch::Sender<bool>,
}

impl Giver {
    /// Lets whoever comes to the place take over, until one has.
    ///
    /// # Errors
    /// When nobody can be heard there.
    pub(crate) fn serve(&self, place: &Place) -> io::Result<()> {
        let socket = place.listen()?;
        loop {
            let Some(new) = hear(&socket) else {
                sleep(ACCEPT_AGAIN);
                continue;
            };
            tracing::info!(pid = new.pid, "another process asks to take over");
            match self.hand_over(&new) {
                Ok(()) => break,
                Err(error) => self.go_on(&new, &error),
            }
        }
        Ok(())
    }

    fn hand_over(&self, new: &Channel) -> anyhow::Result<()> {
        let Message::Take { protocol, version } = heard(new, ASK)? else { bail!(CONFUSED) };
        if protocol != PROTOCOL {
            bail!("version {version} cannot take over from this one: restart instead");
        }
        if std::process::id() == 1 {
            bail!(
                "the end of process 1 ends its container: start a container with the new version instead"
            );
        }
        self.send_sockets(new)?;
        let Message::Prepared = heard(new, PREPARE)? else { bail!(CONFUSED) };
        let desk = self.desk.upgrade().context(LEAVING)?;
        let mut serves = Ok(());
        let handed = desk.ledger().hand_over(|revision| {
            serves = let_serve(new, revision.0);
            serves.is_ok()
        });
        serves?;
        handed?;
        tracing::info!(pid = new.pid, version, "another process has taken over");
        self.successor.serves();
        supervisor::main_process_is(new.pid);
        self.handed_over.send_replace(true);
        Ok(())
    }

    fn send_sockets(&self, new: &Channel) -> anyhow::Result<()> {
        let offer = self.offer.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = offer.as_ref().context(LEAVING)?.all();
        while !left.is_empty() {
            let rest = left.split_off(left.len().min(MOST_DESCRIPTORS));
            let addresses = left.iter().map(|socket| socket.wanted).collect();
            let fds: Vec<_> = left.iter().map(|socket| socket.listener.as_fd()).collect();
            new.send_with(&Message::Sockets { addresses, more: !rest.is_empty() }, &fds)?;
            left = rest;
        }
        Ok(())
    }

    fn go_on(&self, new: &Channel, error: &anyhow::Error) {
        let why = format!("{error:#}");
        tracing::error!(
            pid = new.pid,
            why,
            "the other process did not take over; this one serves on"
        );
        // It ends when it hears this, if it lives.
        new.send(&Message::GivenUp { why }).ok();
        self.successor.end(new.pid);
    }
}

const CONFUSED: &str = "it says something else than expected";
const LEAVING: &str = "this process is leaving";

fn hear(socket: &OwnedFd) -> Option<Channel> {
    let accepted = accept_with(socket, SocketFlags::CLOEXEC).map_err(io::Error::from);
    let refused = |error: &io::Error| tracing::error!(%error, "somebody who asks to take over cannot be heard");
    accepted.and_then(Channel::new).inspect_err(refused).ok()
}

fn heard(new: &Channel, within: Duration) -> anyhow::Result<Message> {
    new.receive(within)?.context("it ended before it could serve")
}

/// The moment at which the other one serves: before it nothing is given away, after it everything.
fn let_serve(new: &Channel, revision: u64) -> anyhow::Result<()> {
    new.send(&Message::Yours { revision })?;
    let Message::Serving = heard(new, SERVE)? else { bail!(CONFUSED) };
    Ok(new.send(&Message::Leaving)?)
}
