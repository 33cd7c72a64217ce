//! What do rollouts want to know from other systems? Asked again and again in the background; the newest answers count.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use config::External;
use config::plan::{Expected, Question};
use jiff::Timestamp;
use rules::gate;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::client::Sent;
use super::message::Message;
use super::silence::Silence;
use super::{question, signature};
use crate::desk::Desk;
use crate::phase::{Phase, stopped};
use crate::rollout::{Heard, Place};

/// How often it is looked what is to be asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many questions are on their way at the same time. Further ones are counted, and their gates hold. (INV-7)
const AT_ONCE: usize = 64;

/// What is asked for: a gate, or a confirmation, of one stretch of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    /// Whose rollout.
    pub(crate) place: Place,
    /// Which step of it, see [`crate::rollout::Rollout::stretch`]: what was said before it does not count.
    pub(crate) stretch: (u64, usize, u32),
    /// What of it.
    pub(crate) slot: Slot,
}

/// What of a step is asked for, by its place in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// An external gate.
    Gate(usize),
    /// Somebody who has to say `go`.
    Confirmation(usize),
}

/// Something that a rollout wants to know.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// For what.
    pub(crate) asked: Asked,
    /// Who is asked.
    pub(crate) external: String,
    /// What.
    pub(crate) inquiry: Inquiry,
    /// How often.
    pub(crate) every: Duration,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) enum Inquiry {
    /// A value.
    Value { question: Question, expected: Expected },
    /// Whether it may go on.
    Go { path: Option<String>, message: Message },
}

/// Whether what is asked for is so, with the number that was given, if it is one.
pub(super) type Answer = Result<(bool, Option<f64>), Silence>;

/// The newest answers, and what is to be asked.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    wanted: Vec<Wanted>,
    /// With the moment at which each was asked for, in milliseconds since 1970.
    heard: BTreeMap<Asked, (i64, Answer)>,
}

impl Answers {
    /// What is wanted from now on. Answers to anything else are forgotten.
    pub(crate) fn want(&self, wanted: Vec<Wanted>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked: BTreeSet<&Asked> = wanted.iter().map(|one| &one.asked).collect();
        known.heard.retain(|key, _| asked.contains(key));
        known.wanted = wanted;
    }

    /// The newest answer.
    pub(crate) fn heard(&self, asked: &Asked, now: Timestamp) -> Option<Heard> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked_unix_ms, answer) = known.heard.get(asked)?;
        let age_ms = now.as_millisecond().saturating_sub(*asked_unix_ms);
        let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
        let (met, figure, note) = match answer {
            Ok((met, figure)) => (Some(*met), *figure, None),
            Err(silence) => (None, None, Some(silence.to_string().into())),
        };
        Some(Heard { external: gate::External { met, figure, age }, note })
    }

    /// What is to be asked now.
    fn due(&self, now: Timestamp) -> Vec<Wanted> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = |one: &&Wanted| {
            let every = i64::try_from(one.every.as_millis()).unwrap_or(i64::MAX);
            let last = known.heard.get(&one.asked).map(|(at, _)| *at);
            last.is_none_or(|last| now.as_millisecond().saturating_sub(last) >= every)
        };
        known.wanted.iter().filter(is_due).cloned().collect()
    }

    /// Takes an answer, if it is still wanted.
    fn take(&self, asked: Asked, at: Timestamp, answer: Answer) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.wanted.iter().any(|one| one.asked == asked) {
            known.heard.insert(asked, (at.as_millisecond(), answer));
        }
    }
}

/// Asks what is wanted, as long as the process serves.
pub(crate) async fn ask(desk: Arc<Desk>, phase: watch::Receiver<Phase>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut asking, mut on_their_way) = (JoinSet::new(), BTreeSet::new());
    loop {
        tokio::select! {
            () = stopped(phase.clone()) => return,
            Some(ended) = asking.join_next() => {
                if let Ok(asked) = ended {
                    on_their_way.remove(&asked);
                }
                continue;
            }
            _ = ticks.tick() => {}
        }
        if *phase.borrow() != Phase::Serving {
            continue;
        }
        desk.externals().client.keep_only(&desk.ledger().present().compiled.externals);
        let now = Timestamp::now();
        for wanted in desk.rollouts().answers().due(now) {
            if on_their_way.contains(&wanted.asked) {
                continue;
            }
            if on_their_way.len() >= AT_ONCE {
                let crowded = Err(Silence::Crowded);
                desk.externals().meters.asked(&wanted.external, &crowded);
                desk.rollouts().answers().take(wanted.asked, now, crowded);
                continue;
            }
            on_their_way.insert(wanted.asked.clone());
            let desk = Arc::clone(&desk);
            asking.spawn(async move {
                let answer = answer(&desk, &wanted, now).await;
                desk.externals().meters.asked(&wanted.external, &answer);
                desk.rollouts().answers().take(wanted.asked.clone(), now, answer);
                wanted.asked
            });
        }
    }
}

async fn answer(desk: &Desk, wanted: &Wanted, now: Timestamp) -> Answer {
    let external = external(desk, &wanted.external)?;
    let client = &desk.externals().client;
    match &wanted.inquiry {
        Inquiry::Value { question, expected } => {
            let (path, query) = question::asked(question);
            let asked = client.ask(&external, path.as_deref(), query.as_deref(), Sent::Get).await;
            question::answered(question, expected, &good(asked?)?)
        }
        Inquiry::Go { path, message } => {
            let posted = post(message, &external, now);
            let answered = client.ask(&external, path.as_deref(), None, posted).await;
            Ok((question::goes(&good(answered?)?)?, None))
        }
    }
}

/// The system of this name, as the configuration has it now.
pub(super) fn external(desk: &Desk, name: &str) -> Result<Arc<External>, Silence> {
    let present = desk.ledger().present();
    let known = present.compiled.externals.get(name).map(Arc::clone);
    known.ok_or_else(|| Silence::Unknown(name.to_owned()))
}

/// A message with the headers that say who it is from.
pub(super) fn post(message: &Message, external: &External, now: Timestamp) -> Sent {
    let key = external.key.as_ref();
    let headers = signature::signed(key, &message.delivery, message.body.as_bytes(), now);
    Sent::Post { body: message.body.clone().into(), headers }
}

/// The body of an answer that is one.
pub(super) fn good((status, body): (http::StatusCode, Bytes)) -> Result<Bytes, Silence> {
    if status.is_success() { Ok(body) } else { Err(Silence::Status(status)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(slot: Slot) -> Wanted {
        let place = "sms".parse().unwrap();
        let question = Question::Prometheus("up".to_owned());
        Wanted {
            asked: Asked { place, stretch: (1, 0, 0), slot },
            external: "prometheus".to_owned(),
            inquiry: Inquiry::Value { question, expected: Expected::Bool(true) },
            every: Duration::from_secs(10),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn answers_count_as_long_as_they_are_wanted() {
        let (answers, one, other) =
            (Answers::default(), wanted(Slot::Gate(0)), wanted(Slot::Confirmation(0)));
        answers.want(vec![one.clone(), other.clone()]);
        assert_eq!(answers.due(at(100)).len(), 2);
        answers.take(one.asked.clone(), at(100), Ok((true, Some(4.0))));
        answers.take(other.asked.clone(), at(100), Err(Silence::Broken));
        assert_eq!(answers.due(at(109)).len(), 0);
        assert_eq!(answers.due(at(110)).len(), 2);
        let heard = answers.heard(&one.asked, at(107)).unwrap();
        let expected =
            gate::External { met: Some(true), figure: Some(4.0), age: Duration::from_secs(7) };
        assert_eq!((heard.external, heard.note), (expected, None));
        let silent = answers.heard(&other.asked, at(107)).unwrap();
        assert_eq!(silent.note.as_deref(), Some("the connection broke"));
        answers.want(vec![one.clone()]);
        assert!(answers.heard(&other.asked, at(107)).is_none(), "forgotten");
        answers.take(other.asked.clone(), at(108), Ok((true, None)));
        assert!(answers.heard(&other.asked, at(108)).is_none(), "too late");
    }
}
