//! Which messages wait to be delivered, and what came of the last ones? For people, within bounds; nothing that is secret.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::message::Message;
use super::meters::Delivery;
use super::outbox::Destination;
use super::silence::Silence;

/// How many messages are remembered that wait no more. (INV-7)
const REMEMBERED: usize = 200;

/// What is remembered of messages, since the process began.
#[derive(Debug, Default)]
pub(crate) struct Deliveries(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    next: u64,
    /// As many as queues have room for.
    waiting: BTreeMap<u64, Told>,
    /// Oldest first.
    ended: VecDeque<Told>,
}

/// One message: what it is about, whom it is for, and how it goes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    /// What it is known by to whoever gets it.
    pub(crate) delivery: String,
    /// Which system is told.
    pub(crate) external: String,
    /// What happened: `started`, `moved`, .. or `notify`.
    pub(crate) event: String,
    /// Whose rollout: `sms`, `sms/cohort/africa` or `sms/tenant/acme`.
    pub(crate) rollout: String,
    /// When it was queued.
    pub(crate) queued: Timestamp,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// Why the last attempt failed.
    pub(crate) problem: Option<String>,
    /// What came of it, and when; nothing as long as it waits.
    pub(crate) ended: Option<(Delivery, Timestamp)>,
}

impl Deliveries {
    /// Notes that a message is to be delivered, and says by what it is known here.
    pub(super) fn queue(&self, to: &Destination, message: &Message, now: Timestamp) -> u64 {
        let mut book = self.book();
        book.next = book.next.wrapping_add(1);
        let number = book.next;
        let told = Told {
            delivery: message.delivery.clone(),
            external: to.external.clone(),
            event: message.event.clone(),
            rollout: message.rollout.clone(),
            queued: now,
            attempts: 0,
            problem: None,
            ended: None,
        };
        book.waiting.insert(number, told);
        number
    }

    /// Notes an attempt.
    pub(super) fn tried(&self, number: u64, failed: Option<&Silence>) {
        if let Some(told) = self.book().waiting.get_mut(&number) {
            told.attempts = told.attempts.saturating_add(1);
            told.problem = failed.map(ToString::to_string);
        }
    }

    /// Notes that a message waits no more.
    pub(super) fn end(&self, number: u64, delivery: Delivery, now: Timestamp) {
        let mut book = self.book();
        let Some(mut told) = book.waiting.remove(&number) else { return };
        told.ended = Some((delivery, now));
        book.ended.push_back(told);
        if book.ended.len() > REMEMBERED {
            book.ended.pop_front();
        }
    }

    /// Forgets those that wait: another process tells them.
    pub(super) fn leave(&self) {
        self.book().waiting.clear();
    }

    /// Those that wait, in the order in which they were queued, and those that do no more, the last one first.
    pub(crate) fn told(&self) -> (Vec<Told>, Vec<Told>) {
        let book = self.book();
        (book.waiting.values().cloned().collect(), book.ended.iter().rev().cloned().collect())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_is_remembered_within_bounds() {
        let (deliveries, now) = (Deliveries::default(), Timestamp::UNIX_EPOCH);
        let to = Destination { external: "desk".to_owned(), path: Some("/k".to_owned()) };
        let message = Message {
            delivery: "d".to_owned(),
            body: String::new(),
            event: "moved".to_owned(),
            rollout: "sms".to_owned(),
        };
        let queue = || deliveries.queue(&to, &message, now);
        for _ in 0..=REMEMBERED {
            deliveries.end(queue(), Delivery::Delivered, now);
        }
        let (given_up, waits) = (queue(), queue());
        deliveries.tried(given_up, Some(&Silence::Broken));
        deliveries.end(given_up, Delivery::GivenUp, now);
        deliveries.tried(waits, None);
        let (waiting, ended) = deliveries.told();
        assert_eq!((waiting.len(), waiting[0].attempts, &waiting[0].problem), (1, 1, &None));
        assert_eq!((ended.len(), ended[0].attempts), (REMEMBERED, 1));
        assert_eq!(ended[0].ended, Some((Delivery::GivenUp, now)));
        assert_eq!(ended[0].problem.as_deref(), Some("the connection broke"));
    }
}
