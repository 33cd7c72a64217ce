//! Can a plan ever get through with the traffic that there is? Told when it is started, with the numbers.

use std::time::Duration;

use config::Plan;
use config::plan::{Action, Step};
use config::units::Time;
use rules::gate::absolute::smallest_passing;

/// What a plan's steps may never see enough of at so many requests per second.
#[must_use]
pub fn lint(plan: &Plan, requests_per_second: f64) -> Vec<String> {
    let steps = plan.steps.iter().enumerate();
    steps.filter_map(|(place, step)| slow(plan, place, step, requests_per_second)).collect()
}

fn slow(plan: &Plan, place: usize, step: &Step, requests_per_second: f64) -> Option<String> {
    if !matches!(step.action, Action::Canary(_)) {
        return None;
    }
    let share = plan.shares(place).canary?.ratio();
    let (needed, per_second) = (needed(step)?, requests_per_second * share);
    if per_second <= 0.0 {
        return Some(format!(
            "step `{step}` needs at least {needed} requests of the candidate, and there were none in the last hour"
        ));
    }
    #[expect(clippy::cast_precision_loss, reason = "requests are far below 2^52")]
    let takes = needed as f64 / per_second;
    let patience = step.deadline.map_or(0.0, |deadline| deadline.as_secs_f64());
    let late = step.deadline.filter(|_| takes > patience)?;
    let takes = Duration::try_from_secs_f64(takes).unwrap_or(Duration::MAX);
    Some(format!(
        "step `{step}` needs at least {needed} requests of the candidate: at {per_second:.3} per second, as in the last hour, that takes {}, longer than its deadline of {}",
        in_words(takes),
        Time(late)
    ))
}

/// The requests that a step needs even if none of them is bad.
fn needed(step: &Step) -> Option<u64> {
    let limits = std::iter::once(step.gates.errors.limit)
        .chain(step.gates.latencies.iter().map(|gate| gate.rules.limit));
    let samples = limits.flatten().filter_map(|limit| smallest_passing(0, limit, 1.0));
    samples.chain([step.gates.smallest]).max().filter(|needed| *needed > 0)
}

/// `14 min`, `3 h` or `5 days`: never more exact than it is.
#[must_use]
pub fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..100 => format!("{seconds} s"),
        100..6_000 => format!("{} min", (seconds + 30) / 60),
        6_000..172_800 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let spec = serde_json::from_value(serde_json::json!({
            "steps": [{"shadow": "100%"}, {"canary": "5%", "deadline": "4h"}, {"live": true, "deadline": "4h"}],
            "gates": {"error_rate": {"max": "0.5%"}}
        }))
        .unwrap();
        Plan::of(&spec).unwrap()
    }

    #[test]
    fn too_little_traffic_is_told_with_the_numbers() {
        assert!(lint(&plan(), 20.0).is_empty());
        assert_eq!(
            lint(&plan(), 0.2),
            [
                "step `canary 5%` needs at least 598 requests of the candidate: at 0.010 per second, as in the last hour, that takes 17 h, longer than its deadline of 4h"
            ]
        );
        let none = lint(&plan(), 0.0);
        assert_eq!(none.len(), 2);
        assert!(none[0].ends_with("and there were none in the last hour"), "{none:?}");
    }

    #[test]
    fn times_are_told_roughly() {
        for (seconds, told) in [(14, "14 s"), (840, "14 min"), (10_800, "3 h"), (500_000, "6 days")]
        {
            assert_eq!(in_words(Duration::from_secs(seconds)), told);
        }
    }
}
