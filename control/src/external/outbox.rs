//! How are messages delivered? One after the other to each that is told, again where that fails; never at anybody's cost.
//!
//! What waits is kept in the store until it waits no more, together with up to where everything is known: whoever goes on after
//! a kill, here or on another node, tells the rest. What had arrived without that being noted arrives twice, as the same delivery.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rules::Revision;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::asking::{external, good, post};
use super::message::Message;
use super::meters::Delivery;
use super::silence::Silence;
use crate::desk::Desk;

/// How many messages wait for one that is told. (INV-7)
const ROOM: usize = 64;
/// How many there are for whom messages wait.
const DESTINATIONS: usize = 64;
/// How many messages that wait no more are remembered for a store that does not serve.
const CHANGES: usize = ROOM * DESTINATIONS;
/// How often a message is tried, which takes about four minutes.
const ATTEMPTS: u32 = 10;
/// The pause after a failed attempt; it doubles.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);
/// Up to which revision everything is known is kept under this.
const KNOWN: &str = "rollout-news";
/// Each message that waits is kept under this and what it is known by, the same on each node.
const WAITING: &str = "rollout-news/";

/// Where messages go to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Destination {
    /// Which system.
    pub(super) external: String,
    /// The path to post to, after that of its URL.
    pub(super) path: Option<String>,
}

/// A message that waits, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// Its turn: the revision that it tells of, and its place among what was told with that.
    pub(super) turn: (u64, usize),
    /// For whom.
    pub(super) to: Destination,
    /// What.
    pub(super) message: Message,
}

/// What an earlier process, or another node, left behind.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Up to where everything was known; none where nobody has ever looked.
    pub(super) known: Option<Revision>,
    /// What waits, the first one first.
    pub(super) waiting: Vec<Waiting>,
}

impl Left {
    /// Reads what was kept.
    pub(super) fn read(kept: &BTreeMap<String, String>) -> Self {
        let known = kept.get(KNOWN).and_then(|text| text.parse().ok()).map(Revision);
        let messages =
            kept.range(WAITING.to_owned()..).take_while(|(key, _)| key.starts_with(WAITING));
        let mut waiting = Vec::new();
        for (key, text) in messages {
            match serde_json::from_str::<Waiting>(text) {
                Ok(one) => waiting.push(one),
                Err(error) => tracing::warn!(%error, key, "a kept notification cannot be read"),
            }
        }
        waiting.sort_by_key(|one| one.turn);
        Self { known, waiting }
    }
}

/// A message with what `deliveries` know it by.
#[derive(Debug)]
struct Queued {
    number: u64,
    message: Message,
}

/// The queues of messages. The first one of each is on its way.
#[derive(Debug)]
pub(super) struct Outbox {
    desk: Arc<Desk>,
    queues: BTreeMap<Destination, VecDeque<Queued>>,
    delivering: JoinSet<(Destination, Delivery)>,
    /// What came of messages, which is said once it is kept.
    ended: Vec<(u64, Destination, Delivery)>,
    /// Up to where everything is known.
    known: Option<Revision>,
    /// What is still to be kept.
    unkept: BTreeMap<String, Option<String>>,
}

impl Outbox {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        let (queues, delivering) = (BTreeMap::new(), JoinSet::new());
        let (ended, known, unkept) = (Vec::new(), None, BTreeMap::new());
        Self { desk, queues, delivering, ended, known, unkept }
    }

    /// Queues a message, where there is room and it does not wait yet. Waits for nothing.
    pub(super) fn offer(&mut self, waiting: Waiting) {
        let queue = self.queues.get(&waiting.to);
        let is_same = |one: &Queued| one.message.delivery == waiting.message.delivery;
        if queue.is_some_and(|queue| queue.iter().any(is_same)) {
            return;
        }
        let queued = queue.map_or(0, VecDeque::len);
        let has_room = queued < ROOM && (queue.is_some() || self.queues.len() < DESTINATIONS);
        let text = serde_json::to_string(&waiting).ok();
        let Waiting { to, message, .. } = waiting;
        let deliveries = self.desk.externals().deliveries();
        let number = deliveries.queue(&to, &message, Timestamp::now());
        if !has_room {
            tracing::warn!(external = to.external, "a notification was dropped: too many wait");
            self.end(number, &message, to, Delivery::Dropped);
            return;
        }
        self.change(&message, text);
        self.queues.entry(to.clone()).or_default().push_back(Queued { number, message });
        self.show();
        if queued == 0 {
            self.deliver_first(to);
        }
    }

    /// Everything up to this revision is known: what is to be told of it was offered.
    pub(super) fn knows(&mut self, revision: Revision) {
        if self.known.replace(revision) != Some(revision) {
            self.unkept.insert(KNOWN.to_owned(), Some(revision.0.to_string()));
        }
    }

    /// Waits until a message was delivered, or given up, and goes on with the next one.
    pub(super) async fn ended(&mut self) {
        let Some(Ok((to, delivery))) = self.delivering.join_next().await else {
            return std::future::pending().await;
        };
        let Some(queue) = self.queues.get_mut(&to) else { return };
        let first = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&to);
        } else {
            self.deliver_first(to.clone());
        }
        self.show();
        if let Some(Queued { number, message }) = first {
            self.end(number, &message, to, delivery);
        }
    }

    /// Leaves what waits to another process, which finds it in the store.
    pub(super) fn leave(&mut self) {
        self.delivering.abort_all();
        self.delivering = JoinSet::new();
        self.queues.clear();
        self.unkept.clear();
        self.known = None;
        self.desk.externals().deliveries().leave();
        self.show();
    }

    /// Has the store note what has changed; while it does not serve that is tried again.
    pub(super) async fn keep(&mut self) {
        if !self.unkept.is_empty() {
            let changes: Vec<_> = self.unkept.clone().into_iter().collect();
            let kept = self.desk.blocking(move |desk| desk.ledger().store().keep(&changes)).await;
            match kept {
                Ok(Ok(())) => self.unkept.clear(),
                Ok(Err(error)) | Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, "what waits to be told could not be kept");
                }
            }
        }
        let super::Externals { meters, deliveries, .. } = self.desk.externals();
        for (number, to, delivery) in mem::take(&mut self.ended) {
            deliveries.end(number, delivery, Timestamp::now());
            meters.ended(&to.external, delivery);
        }
    }

    fn deliver_first(&mut self, to: Destination) {
        let Some(first) = self.queues.get(&to).and_then(VecDeque::front) else { return };
        let (number, message) = (first.number, first.message.clone());
        let desk = Arc::clone(&self.desk);
        self.delivering.spawn(async move {
            let delivery = try_again_and_again(&desk, &to, number, &message).await;
            (to, delivery)
        });
    }

    fn end(&mut self, number: u64, message: &Message, to: Destination, delivery: Delivery) {
        self.change(message, None);
        self.ended.push((number, to, delivery));
    }

    /// What the store is to keep of a message. One that is over, and for which there is no room, is told again after a kill.
    fn change(&mut self, message: &Message, text: Option<String>) {
        let key = format!("{WAITING}{}", message.delivery);
        if text.is_none() && self.unkept.len() >= CHANGES {
            self.unkept.remove(&key);
        } else {
            self.unkept.insert(key, text);
        }
    }

    fn show(&self) {
        let queued = self.queues.values().map(VecDeque::len).sum();
        self.desk.externals().meters.set_queued(queued);
    }
}

async fn try_again_and_again(
    desk: &Desk,
    to: &Destination,
    number: u64,
    message: &Message,
) -> Delivery {
    let mut pause = AGAIN;
    for attempt in 1..=ATTEMPTS {
        let sent = send(desk, to, message).await;
        desk.externals().meters.asked(&to.external, &sent);
        desk.externals().deliveries.tried(number, sent.as_ref().err());
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
