//! What does a rollout's step ask of other systems, and what did they say?

use std::time::Duration;

use config::Plan;
use jiff::Timestamp;

use super::{Heard, Place, Rollout};
use crate::external::{Answers, Asked, Inquiry, Message, Slot, Wanted};

/// How often somebody is asked for a `go`.
const CONFIRM_EVERY: Duration = Duration::from_secs(5);

/// What other systems said last of a rollout's step: its gates, and those who have to confirm that it goes on.
pub(super) fn heard(
    place: &Place,
    rollout: &Rollout,
    plan: &Plan,
    now: Timestamp,
    answers: &Answers,
) -> (Vec<Option<Heard>>, Vec<Option<Heard>>) {
    let gates = plan.steps.get(rollout.step).map_or(0, |step| step.gates.externals.len());
    let of = |slot| {
        answers.heard(&Asked { place: place.clone(), stretch: rollout.stretch(), slot }, now)
    };
    let confirmations = plan.confirmed_by(rollout.step).len();
    (
        (0..gates).map(|gate| of(Slot::Gate(gate))).collect(),
        (0..confirmations).map(|one| of(Slot::Confirmation(one))).collect(),
    )
}

/// What a rollout's step wants to know from other systems. Nobody is asked for a `go` before everything else is there.
pub(super) fn wanted(place: &Place, rollout: &Rollout, plan: &Plan, ready: bool) -> Vec<Wanted> {
    let asked = |slot| Asked { place: place.clone(), stretch: rollout.stretch(), slot };
    let gates = plan.steps.get(rollout.step).map(|step| step.gates.externals.iter().enumerate());
    let gates = gates.into_iter().flatten().map(|(at, gate)| Wanted {
        asked: asked(Slot::Gate(at)),
        external: gate.ask.clone(),
        inquiry: Inquiry::Value {
            question: gate.question.clone(),
            expected: gate.expected.clone(),
        },
        every: gate.every,
    });
    let confirmed_by = if ready { plan.confirmed_by(rollout.step) } else { Vec::new() };
    let confirmations = confirmed_by.into_iter().enumerate().map(|(at, (moment, hook))| Wanted {
        asked: asked(Slot::Confirmation(at)),
        external: hook.external.clone(),
        inquiry: Inquiry::Go {
            path: hook.path.clone(),
            message: Message::confirmation(place, rollout, plan, (moment, hook)),
        },
        every: CONFIRM_EVERY,
    });
    gates.chain(confirmations).collect()
}
