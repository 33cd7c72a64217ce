//! What does a step come to where other systems are asked? Made up looks, one after the other.

use std::time::Duration;

use config::Plan;
use config::document::RolloutSpec;
use jiff::Timestamp;
use rules::gate::{External, Tallies, Tally, Verdict};
use serde_json::{Value, json};

use super::{Because, Heard, Move, Phase, Readings, Rollout, Seen, step};

fn spec(more: &Value) -> RolloutSpec {
    let mut spec = json!({
        "steps": [{"canary": "5%"}, {"live": true}],
        "gates": {
            "error_rate": {"max": "50%"}, "low_traffic": "absolute_only", "min_requests": 10,
            "external": {"lag": {"ask": "db", "query": "lag", "max": 5}},
        },
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(spec).unwrap()
}

fn rollout(spec: RolloutSpec, phase: Phase) -> Rollout {
    Rollout {
        plan: "ramp".to_owned(),
        spec: spec.into(),
        generation: 1,
        phase,
        step: 0,
        begun: 0,
        since_unix_ms: Some(0),
        deadline_unix_ms: None,
        started_by: "ann".to_owned(),
        approved_by: Vec::new(),
        ended_unix_ms: None,
    }
}

fn said(met: Option<bool>, age_s: u64) -> Option<Heard> {
    let external = External { met, figure: None, age: Duration::from_secs(age_s) };
    Some(Heard { external, note: met.is_none().then(|| "no answer within 5s".into()) })
}

/// A look at a healthy candidate, with what was heard.
fn look(more: &Value, phase: Phase, gate: Option<Heard>, go: Option<Heard>) -> Seen {
    let rollout = rollout(spec(more), phase);
    let plan = Plan::of(&rollout.spec).unwrap();
    let readings = Readings {
        errors: Tallies { candidate: Tally::new(0, 100), stable: Tally::new(0, 1_900) },
        externals: vec![gate],
        confirmations: vec![go],
        ..Readings::default()
    };
    step(&rollout, &plan, None, &readings, Timestamp::from_second(60).unwrap()).unwrap()
}

#[test]
fn a_gate_that_others_answer_decides_as_the_plan_says() {
    let (back, pause) = (Some(Move::Rollback(Because::Failed)), Some(Move::Pause(Because::Failed)));
    let gate = |more: Value| {
        let mut gate = json!({"ask": "db", "query": "lag", "max": 5});
        gate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"gates": {
            "error_rate": {"max": "50%"}, "low_traffic": "absolute_only", "min_requests": 10,
            "external": {"lag": gate},
        }})
    };
    let rows = [
        (json!({}), said(Some(true), 0), Some(Move::Promote)),
        (json!({}), said(Some(true), 31), None),
        (json!({}), said(Some(false), 0), back),
        (json!({}), said(Some(false), 31), None),
        (json!({}), said(None, 0), None),
        (json!({}), None, None),
        (json!({"on_fail": "hold"}), said(Some(false), 0), pause),
        (gate(json!({"unmet": "hold"})), said(Some(false), 0), None),
        (gate(json!({"no_answer": "fail"})), said(None, 0), back),
        (gate(json!({"no_answer": "fail"})), None, None),
        (gate(json!({"stale_after": "1m"})), said(Some(true), 60), Some(Move::Promote)),
    ];
    for (place, (more, heard, next)) in rows.into_iter().enumerate() {
        assert_eq!(look(&more, Phase::Running, heard, None).next, next, "row {place}");
    }
}

#[test]
fn a_go_is_asked_for_last_and_waited_for() {
    let hooks = json!({"after": [{"confirm": "desk"}]});
    let good = || said(Some(true), 0);
    let running = |gate, go| look(&hooks, Phase::Running, gate, go);
    // While something else is missing nobody is asked, and what was said before does not count.
    let early = running(None, good());
    assert!(!early.ready && early.next.is_none());
    assert_eq!(
        early.findings.last().unwrap().note.as_deref(),
        Some("asked once everything else is there")
    );
    for go in [None, said(Some(false), 0), said(None, 0), said(Some(true), 31)] {
        let asked = running(good(), go);
        assert!(asked.ready && asked.next.is_none(), "{:?}", asked.waits);
        let last = asked.findings.last().unwrap();
        assert_eq!((&*last.gate, last.finding.verdict), ("confirm/desk", Verdict::Hold));
    }
    assert_eq!(running(good(), said(Some(true), 30)).next, Some(Move::Promote));
    // A failure is not held up by anybody.
    assert_eq!(running(said(Some(false), 0), None).next, Some(Move::Rollback(Because::Failed)));
    // Whoever wants it to go to its end waits for neither.
    assert_eq!(look(&hooks, Phase::Promoting, None, None).next, Some(Move::Promote));
    // While people decide nobody else is asked.
    assert!(!look(&hooks, Phase::Paused, good(), None).ready);
}
