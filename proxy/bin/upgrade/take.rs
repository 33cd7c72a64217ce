//! How does a process begin: alone, or in the place of one that serves?

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use config::Settings;
use control::{Node, Opening};

use super::channel::Channel;
use super::message::{Message, PROTOCOL};
use super::place::Place;
use super::sockets::{Socket, Sockets};

/// How long the running process may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long it may take to end the command that it is carrying out.
const LAST_COMMAND: Duration = Duration::from_secs(60);

/// Everything that a process begins with.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) node: Node,
    pub(crate) settings: Arc<Settings>,
    pub(crate) sockets: Sockets,
    pub(crate) place: Place,
    /// Who serves until this process does.
    pub(crate) predecessor: Option<Predecessor>,
}

impl Start {
    /// Begins alone.
    ///
    /// # Errors
    /// When there is no valid configuration or state, or an address cannot be had.
    pub(crate) fn alone(opening: &Opening) -> anyhow::Result<Self> {
        let node = Node::open(opening)?;
        let settings = node.settings();
        let place = Place::beside(node.store());
        let sockets = Sockets::claim(&settings, Vec::new())?;
        Ok(Self { node, settings, sockets, place, predecessor: None })
    }

    /// Begins in the place of a process that serves, which goes on if this fails.
    ///
    /// # Errors
    /// When there is no such process, it refuses, or this one could not serve.
    pub(crate) fn taking_over(opening: &Opening) -> anyhow::Result<Self> {
        let rehearsal = Node::rehearse(opening)?;
        let place = Place::beside(&rehearsal.store);
        let running = place.connect().and_then(Channel::new).with_context(|| {
            let store = rehearsal.store.display();
            format!("no running server on {store} can be taken over from; without --upgrade this one starts alone")
        })?;
        let handed = ask_for_sockets(&running)?;
        let sockets = Sockets::claim(&rehearsal.settings, handed)?;
        running.send(&Message::Prepared)?;
        let Message::Yours { revision } = answer(&running, LAST_COMMAND)? else { bail!(CONFUSED) };
        let node = Node::take_over(opening)?;
        let found = node.desk().ledger().present().revision().0;
        if found != revision {
            bail!(
                "the store is at r{found}, and the running server at r{revision}: it is not the same store"
            );
        }
        let predecessor = Some(Predecessor(running));
        Ok(Self { node, settings: rehearsal.settings, sockets, place, predecessor })
    }
}

const CONFUSED: &str = "the running server says something else than expected";

fn ask_for_sockets(running: &Channel) -> anyhow::Result<Vec<Socket>> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    running.send(&Message::Take { protocol: PROTOCOL, version })?;
    let mut handed = Vec::new();
    loop {
        let (message, fds) = running.receive_with(ANSWER)?.context(GONE)?;
        let Message::Sockets { addresses, more } = expected(message)? else { bail!(CONFUSED) };
        if addresses.len() != fds.len() {
            bail!(
                "the running server names {} sockets and hands over {}",
                addresses.len(),
                fds.len()
            );
        }
        let sockets = addresses.into_iter().zip(fds);
        handed.extend(sockets.map(|(wanted, fd)| Socket { wanted, listener: fd.into() }));
        if !more {
            return Ok(handed);
        }
    }
}

const GONE: &str = "the running server went away";

fn answer(running: &Channel, within: Duration) -> anyhow::Result<Message> {
    expected(running.receive(within)?.context(GONE)?)
}

fn expected(message: Message) -> anyhow::Result<Message> {
    match message {
        Message::GivenUp { why } => bail!("the running server goes on: {why}"),
        message => Ok(message),
    }
}

/// The process that serves until this one does.
#[derive(Debug)]
pub(crate) struct Predecessor(Channel);

impl Predecessor {
    /// Tells that this process serves. Afterwards the other one accepts nothing any more, or is gone.
    ///
    /// # Errors
    /// When the other one has given up on this one, and goes on.
    pub(crate) fn relieve(self) -> anyhow::Result<()> {
        // Where it cannot be told, what it said last tells why.
        self.0.send(&Message::Serving).ok();
        match self.0.receive(ANSWER)? {
            Some(Message::Leaving) => tracing::info!(pid = self.0.pid, "taken over"),
            Some(message) => {
                expected(message)?;
                bail!(CONFUSED);
            }
            // This process has the store and the sockets, so that nobody else can serve.
            None => tracing::warn!(pid = self.0.pid, "taken over from a process that is gone"),
        }
        Ok(())
    }
}
