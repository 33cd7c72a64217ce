//! What has happened to rollouts? Each revision that changed one is told, also those from before a restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use config::Notification;
use config::document::external::NewsSpec;
use config::plan::Moment;
use jiff::Timestamp;
use rules::Revision;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::message::Message;
use super::outbox::{Destination, Left, Outbox, Waiting};
use crate::desired::keys;
use crate::desk::Desk;
use crate::ledger::Ledger;
use crate::phase::{Phase, stopped};
use crate::rollout::{Phase as Life, Place, Rollout};
use crate::store::{Entry, StoreError};

/// How often it is looked for news.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Of more revisions than this at once only the newest are told.
const MOST: u64 = 256;

type Rollouts = Arc<BTreeMap<Place, Arc<Rollout>>>;

/// Something that happened to a rollout.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct News {
    /// What.
    pub(super) event: NewsSpec,
    /// Whose rollout.
    pub(super) place: Place,
    /// How it stands since.
    pub(super) rollout: Arc<Rollout>,
    /// The step that it was at before; none where it was started.
    before: Option<usize>,
    /// The revision that did it.
    pub(super) revision: Revision,
    /// When.
    pub(super) at: Timestamp,
    /// Who did it.
    pub(super) actor: String,
    /// Why.
    pub(super) why: String,
    /// What it did, for people.
    pub(super) summary: String,
}

/// Up to where everything is known.
#[derive(Debug, Clone)]
struct Known {
    revision: Revision,
    rollouts: Rollouts,
}

/// What a look came to.
#[derive(Debug)]
struct Looked {
    known: Known,
    /// What was left behind, where this is the first look.
    waiting: Vec<Waiting>,
    /// Oldest first.
    news: Vec<News>,
}

/// Tells what happens to rollouts, as long as the process serves.
pub(crate) async fn tell(desk: Arc<Desk>, phase: watch::Receiver<Phase>) {
    let mut outbox = Outbox::new(Arc::clone(&desk));
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known: Option<Known> = None;
    loop {
        tokio::select! {
            () = stopped(phase.clone()) => return,
            () = outbox.ended() => {}
            _ = ticks.tick() => {
                // In a fleet one node tells: the one that moves rollouts.
                if desk.ledger().is_handed_over() || !desk.rollouts().leads() {
                    known = None;
                    outbox.leave();
                } else if *phase.borrow() == Phase::Serving {
                    known = look_for_news(&desk, &mut outbox, known).await;
                }
            }
        }
        outbox.keep().await;
    }
}

/// Offers what is to be told, and gives up to where everything is known then.
async fn look_for_news(
    desk: &Arc<Desk>,
    outbox: &mut Outbox,
    known: Option<Known>,
) -> Option<Known> {
    let before = known.clone();
    match desk.blocking(move |desk| look(desk.ledger(), before)).await {
        Ok(Ok(Looked { known, waiting, news })) => {
            waiting.into_iter().for_each(|one| outbox.offer(one));
            let notifications = &desk.ledger().present().compiled.notifications;
            for one in &news {
                for (place, (to, message)) in messages(notifications, one).into_iter().enumerate() {
                    outbox.offer(Waiting { turn: (one.revision.0, place), to, message });
                }
            }
            outbox.knows(known.revision);
            Some(known)
        }
        Ok(Err(error)) | Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "news wait for the store");
            known
        }
    }
}

/// Everything since it was looked last.
fn look(ledger: &Ledger, known: Option<Known>) -> Result<Looked, StoreError> {
    let (mut known, waiting) = match known {
        Some(known) => (known, Vec::new()),
        None => begin(ledger)?,
    };
    let present = ledger.present();
    let until = present.revision();
    let mut news = Vec::new();
    if known.revision >= until {
        return Ok(Looked { known, waiting, news });
    }
    let from = Revision(known.revision.0.saturating_add(1).max(until.0.saturating_sub(MOST)));
    let mut entries = ledger.store().revisions(from, until).unwrap_or_default();
    // What serves without being stored is told all the same.
    if entries.last().is_none_or(|last| last.revision < until) {
        entries.push(present.entry.clone());
    }
    for entry in &entries {
        let now = if entry.revision == until {
            Some(Arc::clone(&present.desired.rollouts))
        } else if may_change(entry) {
            at(ledger, entry.revision)?
        } else {
            None
        };
        if let Some(now) = now {
            news.extend(differences(entry, &known.rollouts, &now));
            known.rollouts = now;
        }
    }
    known.revision = until;
    Ok(Looked { known, waiting, news })
}

/// Up to where everything was known to whoever told before, and what it left behind. Where nobody has, everything is news.
fn begin(ledger: &Ledger) -> Result<(Known, Vec<Waiting>), StoreError> {
    let Left { known, waiting } = Left::read(&ledger.store().kept()?);
    let revision = known.unwrap_or_default();
    let rollouts = match known {
        Some(revision) => at(ledger, revision)?,
        None => Some(Rollouts::default()),
    };
    let known = match rollouts {
        Some(rollouts) => Known { revision, rollouts },
        // It is gone with old revisions, or was never stored.
        None => {
            let present = ledger.present();
            let rollouts = Arc::clone(&present.desired.rollouts);
            Known { revision: present.revision(), rollouts }
        }
    };
    Ok((known, waiting))
}

fn at(ledger: &Ledger, revision: Revision) -> Result<Option<Rollouts>, StoreError> {
    let Some(stored) = ledger.store().load_at(revision)? else { return Ok(None) };
    Ok(Some(Arc::new(keys::unread(&stored.values)?.rollouts)))
}

fn may_change(entry: &Entry) -> bool {
    let command = entry.command.as_str();
    command.starts_with("rollout") || matches!(command, "rollback" | "restore" | "apply")
}

/// What a revision did to rollouts.
fn differences(
    entry: &Entry,
    before: &BTreeMap<Place, Arc<Rollout>>,
    after: &BTreeMap<Place, Arc<Rollout>>,
) -> Vec<News> {
    let mut news = Vec::new();
    for (place, rollout) in after {
        let known = before.get(place);
        let Some(event) = event(known.map(|known| &**known), rollout) else { continue };
        let same = known.filter(|known| known.generation == rollout.generation);
        news.push(News {
            event,
            place: place.clone(),
            rollout: Arc::clone(rollout),
            before: same.map(|known| known.step),
            revision: entry.revision,
            at: entry.at,
            actor: entry.actor.clone(),
            why: entry.why.clone(),
            summary: entry.summary.clone(),
        });
    }
    news
}

fn event(before: Option<&Rollout>, after: &Rollout) -> Option<NewsSpec> {
    let Some(before) = before.filter(|before| before.generation == after.generation) else {
        return Some(NewsSpec::Started);
    };
    let is = |life| before.phase != life && after.phase == life;
    if is(Life::Aborted) {
        Some(NewsSpec::Aborted)
    } else if is(Life::Completed) {
        Some(NewsSpec::Completed)
    } else if before.stretch() != after.stretch() {
        Some(NewsSpec::Moved)
    } else if is(Life::Paused) {
        Some(NewsSpec::Paused)
    } else if is(Life::Promoting) {
        Some(NewsSpec::Promoting)
    } else {
        (after.approved_by.len() > before.approved_by.len()).then_some(NewsSpec::Approved)
    }
}

/// Who is told what of it.
fn messages(notifications: &[Notification], news: &News) -> Vec<(Destination, Message)> {
    let wanted = |one: &&Notification| one.wants(news.place.route.as_str(), news.event);
    let told = notifications.iter().filter(wanted).map(|one| {
        let to = Destination { external: one.to.clone(), path: one.path.clone() };
        let of = format!("{} {}", one.to, one.path.as_deref().unwrap_or_default());
        (to, Message::news(news, &of, one.format))
    });
    let mut messages: Vec<_> = told.collect();
    let Some(plan) = news.rollout.plan() else { return messages };
    let step = news.rollout.step;
    let hooks = match (news.event, news.before) {
        (NewsSpec::Started, _) => {
            let first = plan.told_first().into_iter().map(|hook| (step, Moment::Before, hook));
            first.collect()
        }
        (NewsSpec::Moved, Some(before)) if before != step => {
            let hooks = plan.told_after(before).into_iter();
            let of = |moment| if moment == Moment::After { before } else { step };
            hooks.map(|(moment, hook)| (of(moment), moment, hook)).collect()
        }
        (NewsSpec::Completed, _) => {
            plan.told_after(step).into_iter().map(|(moment, hook)| (step, moment, hook)).collect()
        }
        _ => Vec::new(),
    };
    messages.extend(hooks.into_iter().map(|(step, moment, hook)| {
        let to = Destination { external: hook.external.clone(), path: hook.path.clone() };
        (to, Message::step(news, step, (moment, hook)))
    }));
    messages
}
