//! What has happened to rollouts? Each revision that changed one is told once, also those from before a restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use config::document::external::NewsSpec;
use config::plan::Moment;
use jiff::Timestamp;
use rules::Revision;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::message::Message;
use super::outbox::{Destination, Outbox};
use crate::desired::keys;
use crate::desk::Desk;
use crate::ledger::{Ledger, Present};
use crate::phase::{Phase, stopped};
use crate::rollout::{Phase as Life, Place, Rollout};
use crate::store::{Entry, StoreError};

/// How often it is looked for news.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Of more revisions than this at once only the newest are told.
const MOST: u64 = 256;
/// What the last revision that was looked at is kept under.
const NOTE: &str = "rollout-news";

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

/// Up to where everything was told.
#[derive(Debug, Clone)]
struct Told {
    revision: Revision,
    rollouts: Rollouts,
}

/// Tells what happens to rollouts, as long as the process serves. What it begins with is known already.
pub(crate) async fn tell(desk: Arc<Desk>, phase: watch::Receiver<Phase>, first: Arc<Present>) {
    let mut outbox = Outbox::new(Arc::clone(&desk));
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<Told> = None;
    loop {
        tokio::select! {
            () = stopped(phase.clone()) => return,
            () = outbox.ended() => continue,
            _ = ticks.tick() => {}
        }
        // In a fleet one node tells: the one that moves rollouts.
        if *phase.borrow() != Phase::Serving || !desk.rollouts().leads() {
            told = None;
            continue;
        }
        let (known, first) = (told.take(), Arc::clone(&first));
        let looked = desk.blocking(move |desk| look(desk.ledger(), known, &first)).await;
        match looked {
            Ok(Ok((now, news))) => {
                told = Some(now);
                for one in &news {
                    offer(&desk, &mut outbox, one);
                }
            }
            Ok(Err(error)) | Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "news wait for the store"
                );
            }
        }
    }
}

/// Everything since it was looked last, oldest first.
fn look(
    ledger: &Ledger,
    told: Option<Told>,
    first: &Present,
) -> Result<(Told, Vec<News>), StoreError> {
    let mut told = match told {
        Some(told) => told,
        None => begin(ledger, first)?,
    };
    let present = ledger.present();
    let until = present.revision();
    if told.revision >= until {
        return Ok((told, Vec::new()));
    }
    let from = Revision(told.revision.0.saturating_add(1).max(until.0.saturating_sub(MOST)));
    let mut entries = ledger.store().revisions(from, until).unwrap_or_default();
    // What serves without being stored is told all the same.
    if entries.last().is_none_or(|last| last.revision < until) {
        entries.push(present.entry.clone());
    }
    let mut news = Vec::new();
    for entry in &entries {
        let now = if entry.revision == until {
            Some(Arc::clone(&present.desired.rollouts))
        } else if may_change(entry) {
            at(ledger, entry.revision)?
        } else {
            None
        };
        if let Some(now) = now {
            news.extend(differences(entry, &told.rollouts, &now));
            told.rollouts = now;
        }
    }
    told.revision = until;
    let note = (NOTE.to_owned(), Some(until.0.to_string()));
    if let Err(error) = ledger.store().keep(&[note]) {
        let error = &error as &dyn std::error::Error;
        tracing::debug!(error, "it could not be kept up to where news were told");
    }
    Ok((told, news))
}

/// Up to where an earlier process told, or what this one began with.
fn begin(ledger: &Ledger, first: &Present) -> Result<Told, StoreError> {
    let kept = ledger.store().kept()?;
    let kept = kept.get(NOTE).and_then(|text| text.parse().ok()).map(Revision);
    if let Some(revision) = kept
        && let Some(rollouts) = at(ledger, revision)?
    {
        return Ok(Told { revision, rollouts });
    }
    Ok(Told { revision: first.revision(), rollouts: Arc::clone(&first.desired.rollouts) })
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

/// Queues what happened for everybody who is told of it.
fn offer(desk: &Desk, outbox: &mut Outbox, news: &News) {
    let present = desk.ledger().present();
    for one in present.compiled.notifications.iter() {
        if one.wants(news.place.route.as_str(), news.event) {
            let to = Destination { external: one.to.clone(), path: one.path.clone() };
            let of = format!("{} {}", one.to, one.path.as_deref().unwrap_or_default());
            outbox.offer(&to, Message::news(news, &of, one.format));
        }
    }
    let Some(plan) = news.rollout.plan() else { return };
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
    for (step, moment, hook) in hooks {
        let to = Destination { external: hook.external.clone(), path: hook.path.clone() };
        outbox.offer(&to, Message::step(news, step, (moment, hook)));
    }
}
