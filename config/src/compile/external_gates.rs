//! What do gates ask of other systems, and what must be the answer? And whom do steps ask or tell?

use std::time::Duration;

use rules::gate::{ExternalRules, Verdict};

use super::externals::{checked_path, known};
use super::findings::{Findings, Pointer};
use crate::document::Document;
use crate::document::rollout::{ExternalGateSpec, GatesSpec, HookSpec, ScalarSpec, VerdictSpec};
use crate::plan::{Expected, ExternalGate, Hook, HookKind, Question};
use crate::units::Time;

/// How often anything is asked at most, and at least.
const OFTEN: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(3_600);
/// More of them than this are a slip.
const MOST: usize = 16;
/// Longer queries are not written by people.
const LONGEST_QUERY: usize = 4_096;
/// Names of gates that are there anyway.
const TAKEN: [&str; 6] = ["error_rate", "p95", "p99", "parity", "fast_burn", "min_requests"];

/// The gates that other systems answer.
pub(super) fn external_gates(
    spec: &GatesSpec,
    at: &Pointer,
    document: Option<&Document>,
    findings: &mut Findings<'_>,
) -> Vec<ExternalGate> {
    if spec.external.len() > MOST {
        let message = format!("{} are too many: at most {MOST}", spec.external.len());
        findings.error(at, "too_many", message);
    }
    let mut gates = Vec::new();
    for (name, spec) in &spec.external {
        let at = at.key(name);
        if TAKEN.contains(&name.as_str()) || name.parse::<rules::RouteName>().is_err() {
            let message = format!(
                "`{name}` is no name for it: write 1 to 64 of A-Z a-z 0-9 . _ - other than the names of other gates"
            );
            findings.error(&at, "bad_name", message);
        }
        if let Some(document) = document {
            known(document, &spec.ask, &at.key("ask"), findings);
        }
        let (question, expected) = (question(spec, &at, findings), expected(spec, &at, findings));
        let stale_after = times(spec, &at, findings);
        let (Some(question), Some(expected)) = (question, expected) else { continue };
        let rules = ExternalRules {
            limit: expected.limit(),
            stale_after,
            unmet: verdict(spec.unmet),
            no_answer: verdict(spec.no_answer),
        };
        gates.push(ExternalGate {
            name: name.clone(),
            ask: spec.ask.clone(),
            question,
            expected,
            every: spec.every.0,
            rules,
        });
    }
    gates
}

const fn verdict(spec: VerdictSpec) -> Verdict {
    match spec {
        VerdictSpec::Hold => Verdict::Hold,
        VerdictSpec::Fail => Verdict::Fail,
    }
}

fn question(
    spec: &ExternalGateSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<Question> {
    match (&spec.query, &spec.pointer) {
        (Some(query), None) if spec.path.is_none() => {
            if query.trim().is_empty() || query.len() > LONGEST_QUERY {
                let message = format!("a query has 1 to {LONGEST_QUERY} bytes");
                findings.error(&at.key("query"), "bad_query", message);
            }
            Some(Question::Prometheus(query.clone()))
        }
        (None, Some(pointer)) => {
            checked_path(spec.path.as_deref(), &at.key("path"), findings);
            if !pointer.is_empty() && !pointer.starts_with('/') {
                let message = format!("{pointer:?} is no JSON pointer");
                let hint = "write `/records/difference`, or an empty text for the whole answer";
                findings.error_with_hint(
                    &at.key("pointer"),
                    "bad_pointer",
                    message,
                    hint.to_owned(),
                );
            }
            Some(Question::Json { path: spec.path.clone(), pointer: pointer.clone() })
        }
        _ => {
            let hint = "write `query: ..` for Prometheus, or `path: .., pointer: ..` for JSON";
            let message = "it must be clear what is asked";
            findings.error_with_hint(at, "not_one_question", message, hint.to_owned());
            None
        }
    }
}

fn expected(
    spec: &ExternalGateSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<Expected> {
    let numbers = [spec.max, spec.min].into_iter().flatten();
    let finite = numbers.clone().all(f64::is_finite);
    match (&spec.equals, numbers.count()) {
        (None, 1..) if finite && spec.min.zip(spec.max).is_none_or(|(min, max)| min <= max) => {
            Some(Expected::Within { min: spec.min, max: spec.max })
        }
        (Some(ScalarSpec::Number(number)), 0) if number.is_finite() => {
            Some(Expected::Number(*number))
        }
        (Some(ScalarSpec::Bool(is)), 0) => Some(Expected::Bool(*is)),
        (Some(ScalarSpec::Text(text)), 0) => Some(Expected::Text(text.clone())),
        _ => {
            let hint = "write `max: 5`, `min: 1`, both of them, or `equals: ..`".to_owned();
            let message = "it must be clear what the answer should be";
            findings.error_with_hint(at, "not_one_answer", message, hint);
            None
        }
    }
}

fn times(spec: &ExternalGateSpec, at: &Pointer, findings: &mut Findings<'_>) -> Duration {
    let every = spec.every;
    if !(OFTEN..=SELDOM).contains(&every.0) {
        let message = format!("{every} is no pause between two questions: write 1s to 1h");
        findings.error(&at.key("every"), "bad_time", message);
    }
    let stale_after = spec.stale_after.unwrap_or(Time(every.0.saturating_mul(3)));
    if stale_after.0 <= every.0 {
        let message =
            format!("after {stale_after} nothing new is there: it is asked every {every}");
        findings.error(&at.key("stale_after"), "bad_time", message);
    }
    stale_after.0
}

/// Whom a step asks or tells.
pub(super) fn hooks(
    specs: &[HookSpec],
    at: &Pointer,
    document: Option<&Document>,
    findings: &mut Findings<'_>,
) -> Vec<Hook> {
    if specs.len() > MOST {
        let message = format!("{} are too many: at most {MOST}", specs.len());
        findings.error(at, "too_many", message);
    }
    let mut hooks = Vec::new();
    for (place, spec) in specs.iter().enumerate() {
        let at = at.item(place);
        let (external, kind, key) = match (&spec.confirm, &spec.notify) {
            (Some(external), None) => (external, HookKind::Confirm, "confirm"),
            (None, Some(external)) => (external, HookKind::Notify, "notify"),
            _ => {
                let hint =
                    "write `{confirm: NAME}` to wait for a go, or `{notify: NAME}`".to_owned();
                let message = "either somebody is asked, or told";
                findings.error_with_hint(&at, "not_one_hook", message, hint);
                continue;
            }
        };
        if let Some(document) = document {
            known(document, external, &at.key(key), findings);
        }
        checked_path(spec.path.as_deref(), &at.key("path"), findings);
        hooks.push(Hook { external: external.clone(), path: spec.path.clone(), kind });
    }
    hooks
}
