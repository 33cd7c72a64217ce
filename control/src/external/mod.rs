//! How are other systems asked and told? In the background, within bounds; a rollout's decisions never wait for them.
//!
//! Read in this order:
//!
//! - `question`: what is asked, and what an answer says; `silence`: why there is none;
//! - `client`: one bounded exchange with another system; `signature`: how it knows who posts;
//! - `asking`: what rollouts want to know, asked again and again, with the newest answers;
//! - `message`: what is posted of rollouts; `news`: what has happened to them; `outbox`: how that is delivered, and
//!   `deliveries` what came of it;
//! - `meters`: what is counted of all this.

mod asking;
mod client;
mod deliveries;
mod message;
mod meters;
mod news;
mod outbox;
mod question;
mod signature;
mod silence;

pub(crate) use asking::{Answers, Asked, Inquiry, Slot, Wanted, ask};
pub(crate) use deliveries::{Deliveries, Told};
pub(crate) use message::Message;
pub(crate) use news::tell;

/// What the process has for other systems.
#[derive(Debug, Default)]
pub(crate) struct Externals {
    client: client::Client,
    meters: meters::Meters,
    deliveries: Deliveries,
}

impl Externals {
    /// What is counted of them.
    pub(crate) const fn meters(&self) -> &meters::Meters {
        &self.meters
    }

    /// What is remembered of messages.
    pub(crate) const fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }
}
