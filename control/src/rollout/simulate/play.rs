//! What happens, and when? The engine's decisions and the commands that they lead to, on a clock that does not wait.

use std::sync::Arc;

use config::Plan;
use jiff::{SignedDuration, Timestamp};
use rules::Baseline;

use super::world::{Split, World};
use crate::command::{Command, RolloutChange, Scope};
use crate::desired::{Applied, Desired, Refusal, apply};
use crate::rollout::{Heard, Phase, Place, Rollout, Seen, orders, step};

/// What happened.
#[derive(Debug, Clone)]
pub struct Story {
    /// Every command, oldest first.
    pub moments: Vec<Moment>,
    /// How it ended.
    pub ending: Ending,
    /// How long it took.
    pub took: SignedDuration,
    /// The last look.
    pub seen: Option<Seen>,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// What it did: `sms: rollout, step 2 of 4: canary 5%, off -> canary 5%`.
    pub what: String,
    /// Why.
    pub why: String,
}

/// How a rollout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// All steps are done.
    Completed,
    /// Everything is back on stable.
    RolledBack,
    /// It waits for people.
    Paused,
    /// It still waits when the time to watch is over.
    Waiting,
}

/// Starts a rollout and lets it go on, until it ends or waits for people, or the time is over. Approvals are given as soon
/// as they are asked for, by people who may, and other systems say what is expected of them.
///
/// # Errors
/// When it cannot be started.
pub fn play(
    desired: Desired,
    place: &Place,
    plan: &str,
    mut world: World,
    (start, longest): (Timestamp, SignedDuration),
) -> Result<Story, Refusal> {
    let begin = RolloutChange::Start {
        plan: Some(plan.to_owned()),
        by: "whoever starts it".to_owned(),
        at_unix_ms: start.as_millisecond(),
    };
    let spec = desired.configuration.document.rollouts.get(plan);
    let unknown = || Refusal::Unknown { kind: "rollout", name: plan.to_owned(), hint: None };
    let plan = spec.and_then(Plan::of).ok_or_else(unknown)?;
    let route = desired.configuration.document.routes.get(place.route.as_str());
    let baseline = route.and_then(|route| route.baseline.as_ref());
    let baseline = baseline.map(|spec| Baseline { share: spec.share.map(|share| share.0) });
    let mut player = Player { desired, plan, place, now: start, moments: Vec::new() };
    player.give(&Command::Rollout { place: place.clone(), change: begin }, "started")?;
    let (mut kept, mut last) = (None, None);
    let end = start.checked_add(longest).unwrap_or(Timestamp::MAX);
    let ending = loop {
        if player.now >= end {
            break Ending::Waiting;
        }
        player.now = player.now.checked_add(world.pause()).unwrap_or(Timestamp::MAX);
        let Some(rollout) = player.rollout() else { break Ending::Paused };
        let plan = &player.plan;
        match rollout.phase {
            Phase::Completed => break Ending::Completed,
            Phase::Aborted => break Ending::RolledBack,
            Phase::Paused => break Ending::Paused,
            Phase::Running | Phase::Promoting => {}
        }
        let Some(gates) = plan.steps.get(rollout.step).map(|step| &step.gates) else {
            break Ending::Paused;
        };
        let split = split(plan, &rollout, baseline);
        let mut readings = world.look(gates, split, player.now.as_second());
        readings.externals = vec![Some(Heard::AS_ASKED_FOR); gates.externals.len()];
        readings.confirmations =
            vec![Some(Heard::AS_ASKED_FOR); plan.confirmed_by(rollout.step).len()];
        let Some(seen) = step(&rollout, plan, kept.take(), &readings, player.now) else {
            break Ending::Paused;
        };
        kept = Some(seen.progress.clone());
        match seen.next {
            Some(next) => {
                let order = orders::order(place, &rollout, &seen, next, player.now);
                player.give(&order.command, &order.why)?;
            }
            None => player.approve(&rollout)?,
        }
        last = Some(seen);
    };
    let took = player.now.duration_since(start);
    Ok(Story { moments: player.moments, ending, took, seen: last })
}

/// Where the present step has put traffic.
fn split(plan: &Plan, rollout: &Rollout, baseline: Option<Baseline>) -> Split {
    let shares = plan.shares(rollout.step);
    let ratio = |share: Option<rules::Share>| share.unwrap_or_default().ratio();
    let canary = shares.canary.unwrap_or_default();
    let beside = baseline.map(|baseline| baseline.beside(canary).ratio());
    Split { candidate: ratio(shares.canary), baseline: beside, copied: ratio(shares.shadow) }
}

struct Player<'p> {
    desired: Desired,
    /// The plan, read once.
    plan: Plan,
    place: &'p Place,
    now: Timestamp,
    moments: Vec<Moment>,
}

impl Player<'_> {
    fn rollout(&self) -> Option<Arc<Rollout>> {
        self.desired.rollouts.get(self.place).cloned()
    }

    fn give(&mut self, command: &Command, why: &str) -> Result<(), Refusal> {
        let Applied::Changed(next) = apply(&self.desired, command)? else { return Ok(()) };
        self.desired = next.desired.stamped(self.now);
        self.moments.push(Moment { at: self.now, what: next.summary, why: why.to_owned() });
        Ok(())
    }

    fn approve(&mut self, rollout: &Rollout) -> Result<(), Refusal> {
        let step = self.plan.steps.get(rollout.step);
        let Some(config::plan::Action::Approval(approval)) = step.map(|step| &step.action) else {
            return Ok(());
        };
        if rollout.approved_by.len() >= approval.needed {
            return Ok(());
        }
        let made_up = || format!("person {}", rollout.approved_by.len().saturating_add(1));
        let named = approval.from.iter().find(|name| !rollout.approved_by.contains(name));
        let by = named.cloned().unwrap_or_else(made_up);
        let change = RolloutChange::Approve { by };
        self.give(&Command::Rollout { place: self.place.clone(), change }, "asked for")
    }
}

/// A route's own traffic.
#[must_use]
pub fn whole(route: rules::RouteName) -> Place {
    Place { route, scope: Scope::Route }
}
