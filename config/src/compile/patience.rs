//! May a plan's deadline pass while its windows and freezes let nothing go on?

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::findings::{Findings, Pointer};
use crate::plan::Plan;
use crate::units::Time;

/// A plan that stands still for longer than a year was not meant so.
const MOST_CLOSED: SignedDuration = SignedDuration::from_hours(366 * 24);

/// What may never come about although nothing in it is wrong.
pub(super) fn lint(plan: &Plan, at: &Pointer, now_unix: i64, findings: &mut Findings<'_>) {
    let now = Timestamp::from_second(now_unix).unwrap_or(Timestamp::UNIX_EPOCH);
    let closed = plan.calendar.longest_closed(now);
    if closed > MOST_CLOSED {
        let message = "its windows and freezes let nothing go on for more than a year";
        findings.error(at, "never_open", message);
        return;
    }
    let shortest = plan
        .steps
        .iter()
        .filter_map(|step| Some((step.deadline?, step)))
        .min_by_key(|(deadline, step)| deadline.saturating_sub(step.bake));
    let Some((deadline, step)) = shortest else { return };
    let left = deadline.saturating_sub(step.bake);
    if closed.unsigned_abs() > left {
        let message = format!(
            "step `{step}` may reach its deadline while nothing goes on: that is so for up to {} at a time, and {} of its {} are left after it has lasted {}",
            hours(closed.unsigned_abs()),
            hours(left),
            Time(deadline),
            Time(step.bake)
        );
        let hint = "write a longer deadline, or more windows".to_owned();
        findings.warning(at, "deadline_while_closed", message, hint);
    }
}

fn hours(time: Duration) -> String {
    Time(Duration::from_secs(time.as_secs() / 60 * 60)).to_string()
}
