//! Which command is a move? Those that people give, with the engine's reasons and its evidence.

use jiff::Timestamp;
use rules::gate::Verdict;
use serde_json::Value;

use super::evidence::{evidence, told};
use super::{Because, ENGINE, Move, Phase, Place, Rollout, Seen};
use crate::command::{Command, RolloutChange};
use crate::ledger::Order;

/// The command that a move is, with its reasons.
pub(super) fn order(
    place: &Place,
    rollout: &Rollout,
    seen: &Seen,
    next: Move,
    now: Timestamp,
) -> Order {
    let evidence = evidence(&seen.findings, seen.control);
    let kept = Some(evidence.clone()).filter(|evidence| !evidence.is_null());
    let expected = Some(rollout.stretch());
    let of_rollout = |change| Command::Rollout { place: place.clone(), change };
    let (command, why) = match next {
        Move::Promote if rollout.phase == Phase::Promoting => {
            (of_rollout(promote(expected, Value::Null, now)), "it goes to its end".to_owned())
        }
        Move::Promote => {
            let why = match told(&seen.findings, Verdict::Pass) {
                nothing if nothing.is_empty() => "nothing is waited for any more".to_owned(),
                passed => format!("all gates pass: {passed}"),
            };
            (of_rollout(promote(expected, evidence, now)), why)
        }
        Move::Pause(because) => {
            (of_rollout(RolloutChange::Pause { expected, evidence }), reason(because, seen))
        }
        Move::Rollback(because) => {
            let (route, scope) = (place.route.clone(), place.scope.clone());
            (Command::Rollback { route, scope, keep_shadow: false }, reason(because, seen))
        }
    };
    Order { evidence: kept, ..Order::by_process(command, ENGINE, &why) }
}

fn promote(expected: Option<(u64, usize, u32)>, evidence: Value, now: Timestamp) -> RolloutChange {
    RolloutChange::Promote { expected, at_unix_ms: now.as_millisecond(), evidence }
}

fn reason(because: Because, seen: &Seen) -> String {
    match because {
        Because::Failed => format!("a gate fails: {}", told(&seen.findings, Verdict::Fail)),
        Because::Late => match told(&seen.findings, Verdict::Hold) {
            nothing if nothing.is_empty() => "the deadline has passed".to_owned(),
            waits => format!("the deadline has passed, waiting for: {waits}"),
        },
    }
}
