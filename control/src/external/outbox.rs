//! How are messages delivered? One after the other to each that is told, again where that fails; never at anybody's cost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::asking::{external, good, post};
use super::message::Message;
use super::meters::Delivery;
use super::silence::Silence;
use crate::desk::Desk;

/// How many messages wait for one that is told. (INV-7)
const ROOM: usize = 64;
/// To how many messages are delivered at the same time.
const DESTINATIONS: usize = 64;
/// How often a message is tried, which takes about four minutes.
const ATTEMPTS: u32 = 10;
/// The pause after a failed attempt; it doubles.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);
/// Whoever is told nothing for so long needs no queue.
const IDLE: Duration = Duration::from_secs(60);

/// Where messages go to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Destination {
    /// Which system.
    pub(super) external: String,
    /// The path to post to, after that of its URL.
    pub(super) path: Option<String>,
}

/// A message with what `deliveries` know it by.
type Queued = (u64, Message);

/// The queues of messages. What is in them when the process ends is lost.
#[derive(Debug)]
pub(super) struct Outbox {
    desk: Arc<Desk>,
    queues: BTreeMap<Destination, mpsc::Sender<Queued>>,
    delivering: JoinSet<Destination>,
    queued: Arc<AtomicUsize>,
}

impl Outbox {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        let (queues, delivering) = (BTreeMap::new(), JoinSet::new());
        Self { desk, queues, delivering, queued: Arc::default() }
    }

    /// Queues a message, where there is room. Waits for nothing.
    pub(super) fn offer(&mut self, to: &Destination, message: Message) {
        let queue = match self.queues.get(to).filter(|queue| !queue.is_closed()) {
            Some(queue) => Some(queue.clone()),
            None if self.delivering.len() >= DESTINATIONS => None,
            None => Some(self.open(to)),
        };
        let super::Externals { meters, deliveries, .. } = self.desk.externals();
        let number = deliveries.queue(to, &message, Timestamp::now());
        if queue.is_some_and(|queue| queue.try_send((number, message)).is_ok()) {
            meters.set_queued(self.queued.fetch_add(1, Ordering::Relaxed).saturating_add(1));
        } else {
            meters.ended(&to.external, Delivery::Dropped);
            deliveries.end(number, Delivery::Dropped, Timestamp::now());
            tracing::warn!(external = to.external, "a notification was dropped: too many wait");
        }
    }

    /// Waits until somebody is told nothing any more.
    pub(super) async fn ended(&mut self) {
        match self.delivering.join_next().await {
            Some(Ok(to)) if self.queues.get(&to).is_some_and(mpsc::Sender::is_closed) => {
                self.queues.remove(&to);
            }
            Some(_) => {}
            None => std::future::pending().await,
        }
    }

    fn open(&mut self, to: &Destination) -> mpsc::Sender<Queued> {
        let (queue, messages) = mpsc::channel(ROOM);
        self.queues.insert(to.clone(), queue.clone());
        let (desk, queued) = (Arc::clone(&self.desk), Arc::clone(&self.queued));
        self.delivering.spawn(deliver(desk, to.clone(), messages, queued));
        queue
    }
}

async fn deliver(
    desk: Arc<Desk>,
    to: Destination,
    mut messages: mpsc::Receiver<Queued>,
    queued: Arc<AtomicUsize>,
) -> Destination {
    loop {
        let next = tokio::time::timeout(IDLE, messages.recv()).await;
        let queued_message = match next {
            Ok(Some(message)) => message,
            Ok(None) => return to,
            // What was queued at the last moment is still delivered.
            Err(_) => {
                messages.close();
                match messages.recv().await {
                    Some(message) => message,
                    None => return to,
                }
            }
        };
        let delivery = try_again_and_again(&desk, &to, &queued_message).await;
        let super::Externals { meters, deliveries, .. } = desk.externals();
        deliveries.end(queued_message.0, delivery, Timestamp::now());
        meters.ended(&to.external, delivery);
        meters.set_queued(queued.fetch_sub(1, Ordering::Relaxed).saturating_sub(1));
    }
}

async fn try_again_and_again(
    desk: &Desk,
    to: &Destination,
    (number, message): &Queued,
) -> Delivery {
    let mut pause = AGAIN;
    for attempt in 1..=ATTEMPTS {
        let sent = send(desk, to, message).await;
        desk.externals().meters.asked(&to.external, &sent);
        desk.externals().deliveries.tried(*number, sent.as_ref().err());
        match sent {
            Ok(()) => return Delivery::Delivered,
            Err(silence) => {
                let external = &to.external;
                tracing::warn!(external, attempt, %silence, "a notification was not delivered");
            }
        }
        if attempt < ATTEMPTS {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN_AT_MOST);
        }
    }
    Delivery::GivenUp
}

/// One attempt, with the settings as they are now.
async fn send(desk: &Desk, to: &Destination, message: &Message) -> Result<(), Silence> {
    let external = external(desk, &to.external)?;
    let posted = post(message, &external, Timestamp::now());
    let answered = desk.externals().client.ask(&external, to.path.as_deref(), None, posted).await;
    good(answered?).map(drop)
}
