//! How rollouts start, move and end, and that a rollback beats everything else. (INV-10)

use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

use super::kit::{cohort, configuration, percent, rollback, route, shift, tenant};
use crate::command::{Command, RolloutChange, Scope};
use crate::desired::counting::{MOST_TENANTS, counting};
use crate::desired::{Applied, Desired, Refusal, apply, keys};
use crate::rollout::{Phase, Place, Rollout};

const YAML: &str = r#"
cohorts: {africa: {tenants: [acme]}, europe: {tenants: [b2]}}
upstreams:
  old: {targets: [{address: "127.0.0.1:3001"}]}
  new: {targets: [{address: "127.0.0.1:3002"}]}
rollouts:
  ramp:
    steps: [{shadow: 100%}, {canary: 5%}, {approval: {from: [bob, zoe], four_eyes: true}}, {live: true}]
  cohorts: {steps: [{cohorts: [africa, europe], steps: [{live: true}]}, {live: true}]}
  one-step: {steps: [{canary: 5%}]}
  nights: {steps: [{canary: 5%}, {live: true}], only: ["Mon-Sun 22:00-04:00 UTC"]}
routes:
  sms: {canonical: /sms, stable: {upstream: old}, candidate: {upstream: new}, tenant: {query: t}, rollout: ramp}
  mail: {canonical: /mail, stable: {upstream: old}, candidate: {upstream: new}}
  billing: {canonical: /billing, stable: {upstream: old}}
"#;

/// 2026-11-24T23:00:00Z.
const NIGHT_MS: i64 = 1_795_561_200_000;

fn first() -> Desired {
    Desired::first(configuration(YAML, 0))
}

fn place(scope: Scope) -> Place {
    Place { route: route("sms"), scope }
}

fn of(scope: Scope, change: RolloutChange) -> Command {
    Command::Rollout { place: place(scope), change }
}

fn start(scope: Scope, plan: Option<&str>) -> Command {
    let plan = plan.map(str::to_owned);
    of(scope, RolloutChange::Start { plan, by: "ann".into(), at_unix_ms: NIGHT_MS })
}

fn promote(expected: Option<(u64, usize, u32)>) -> Command {
    let change = RolloutChange::Promote { expected, at_unix_ms: NIGHT_MS, evidence: Value::Null };
    of(Scope::Route, change)
}

fn approve(by: &str) -> Command {
    of(Scope::Route, RolloutChange::Approve { by: by.into() })
}

fn pause() -> Command {
    of(Scope::Route, RolloutChange::Pause { expected: None, evidence: Value::Null })
}

fn resume() -> Command {
    of(Scope::Route, RolloutChange::Resume)
}

/// Applies commands one after the other, at the same moment, and tells what each did; `=` marks those that change nothing
/// and `!` those that are refused.
fn told(mut desired: Desired, commands: &[Command]) -> (Desired, Vec<String>) {
    let mut told = Vec::new();
    for command in commands {
        match apply(&desired, command) {
            Ok(Applied::Unchanged(how)) => told.push(format!("= {how}")),
            Ok(Applied::Changed(next)) => {
                told.push(next.summary);
                desired = next.desired.stamped(Timestamp::from_millisecond(NIGHT_MS).unwrap());
            }
            Err(refusal) => told.push(format!("! {refusal}")),
        }
    }
    (desired, told)
}

fn rollout(desired: &Desired, scope: Scope) -> Arc<Rollout> {
    Arc::clone(&desired.rollouts[&place(scope)])
}

#[test]
fn a_rollout_goes_step_by_step_and_its_traffic_with_it() {
    let commands = [
        start(Scope::Route, None),
        start(Scope::Route, None),
        promote(Some((1, 0, 0))),
        promote(Some((1, 0, 0))),
        promote(None),
        approve("ann"),
        approve("eve"),
        approve("bob"),
        approve("bob"),
        promote(None),
        promote(None),
        promote(None),
    ];
    let expected = [
        "sms: rollout ramp started, step 1 of 4: shadow 100%, off -> shadow 100%",
        "! rollout sms moves this traffic: pause it, or roll it back",
        "sms: rollout, step 2 of 4: canary 5%, shadow 100% -> canary 5%",
        "! sms: the rollout is at step 2 meanwhile",
        "sms: rollout, step 3 of 4: approval by 1, canary 5%",
        "! sms: ann is none of those who may approve: bob, zoe",
        "! sms: eve is none of those who may approve: bob, zoe",
        "sms: approved, 1 of 1",
        "= sms: approved by bob",
        "sms: rollout, step 4 of 4: live, canary 5% -> live",
        "sms: rollout completed",
        "! sms: the rollout is completed: start another one",
    ];
    let (desired, told) = told(first(), &commands);
    assert_eq!(told, expected);
    let done = rollout(&desired, Scope::Route);
    assert_eq!((done.phase, done.ended_unix_ms), (Phase::Completed, Some(NIGHT_MS)));
    assert_eq!(desired.live.routes[&route("sms")].default.share, percent("100%"));
}

#[test]
fn nobody_else_moves_its_traffic_unless_it_is_paused() {
    let commands = [
        start(Scope::Route, None),
        shift("sms", Scope::Route, "50%"),
        shift("sms", tenant("acme"), "100%"),
        pause(),
        pause(),
        shift("sms", Scope::Route, "50%"),
        resume(),
        resume(),
    ];
    let expected = [
        "sms: rollout ramp started, step 1 of 4: shadow 100%, off -> shadow 100%",
        "! rollout sms moves this traffic: pause it, or roll it back",
        "sms, tenant acme: shadow 100% -> live",
        "sms: rollout paused",
        "= sms: paused",
        "sms: shadow 100% -> canary 50%",
        "sms: rollout resumed, step 1 of 4: shadow 100%, canary 50%",
        "= sms: running",
    ];
    let (desired, told) = told(first(), &commands);
    assert_eq!(told, expected);
    assert_eq!(rollout(&desired, Scope::Route).stretch(), (1, 0, 1));
}

#[test]
fn a_rollback_ends_it_in_every_state_and_it_cools_down() {
    let commands = [
        start(Scope::Route, None),
        rollback("sms", Scope::Route),
        promote(None),
        resume(),
        rollback("sms", Scope::Route),
        start(Scope::Route, None),
    ];
    let expected = [
        "sms: rollout ramp started, step 1 of 4: shadow 100%, off -> shadow 100%",
        "sms: rolled back, shadow 100% -> off, rollout aborted",
        "! sms: the rollout is aborted: start another one",
        "! sms: the rollout is aborted: start another one",
        "= sms: off",
        "! sms: it was aborted, and may be started again at 2026-11-24T23:30:00Z",
    ];
    let (aborted, told_of) = told(first(), &commands);
    assert_eq!(told_of, expected);
    let later = RolloutChange::Start {
        plan: None,
        by: "ann".into(),
        at_unix_ms: NIGHT_MS + 30 * 60 * 1_000,
    };
    let (again, _) = told(aborted, &[of(Scope::Route, later)]);
    assert_eq!(rollout(&again, Scope::Route).stretch(), (2, 0, 0));

    let finished =
        [start(Scope::Route, Some("cohorts")), promote(None), promote(None), promote(None)];
    let (completed, _) = told(first(), &finished);
    assert_eq!(rollout(&completed, Scope::Route).phase, Phase::Completed);
    let (back, _) = told(completed, &[rollback("sms", Scope::Route)]);
    assert_eq!(rollout(&back, Scope::Route).phase, Phase::Aborted);
    assert!(back.live.routes[&route("sms")].cohorts.is_empty());
}

#[test]
fn cohorts_go_one_after_the_other_or_each_by_a_rollout_of_its_own() {
    let (desired, told_of) = told(
        first(),
        &[
            start(Scope::Route, Some("cohorts")),
            shift("sms", cohort("africa"), "1%"),
            promote(None),
            start(cohort("africa"), Some("cohorts")),
            start(cohort("africa"), None),
            rollback("sms", cohort("africa")),
        ],
    );
    let expected = [
        "sms: rollout cohorts started, step 1 of 3: cohort africa: live, off -> live",
        "! rollout sms moves this traffic: pause it, or roll it back",
        "sms: rollout, step 2 of 3: cohort europe: live, off -> live",
        "! sms/cohort/africa: plan \"cohorts\" names cohorts: it is for a whole route",
        "sms, cohort africa: rollout ramp started, step 1 of 4: shadow 100%, live",
        "sms, cohort africa: rolled back, live -> off, rollout aborted",
    ];
    assert_eq!(told_of, expected);
    assert_eq!(rollout(&desired, Scope::Route).phase, Phase::Running);
    assert_eq!(rollout(&desired, cohort("africa")).phase, Phase::Aborted);
}

#[test]
fn tenants_go_by_rollouts_of_their_own_beside_all_others() {
    let commands = [
        start(Scope::Route, None),
        start(cohort("africa"), None),
        start(tenant("acme"), None),
        start(tenant("b2"), None),
        start(tenant("b2"), None),
        of(tenant("acme"), promote_change()),
        shift("sms", tenant("acme"), "50%"),
        rollback("sms", tenant("acme")),
        of(tenant("acme"), promote_change()),
        rollback("sms", cohort("africa")),
        start(tenant("acme"), Some("cohorts")),
        rollback("sms", Scope::Route),
    ];
    let expected = [
        "sms: rollout ramp started, step 1 of 4: shadow 100%, off -> shadow 100%",
        "sms, cohort africa: rollout ramp started, step 1 of 4: shadow 100%, shadow 100%",
        "sms, tenant acme: rollout ramp started, step 1 of 4: shadow 100%, shadow 100%",
        "sms, tenant b2: rollout ramp started, step 1 of 4: shadow 100%, shadow 100%",
        "! rollout sms/tenant/b2 moves this traffic: pause it, or roll it back",
        "sms, tenant acme: rollout, step 2 of 4: canary 5%, shadow 100% -> canary 5%",
        "! rollout sms/tenant/acme moves this traffic: pause it, or roll it back",
        "sms, tenant acme: rolled back, canary 5% -> off, rollout aborted",
        "! sms/tenant/acme: the rollout is aborted: start another one",
        "sms, cohort africa: rolled back, shadow 100% -> off, rollout aborted",
        "! sms/tenant/acme: plan \"cohorts\" names cohorts: it is for a whole route",
        "sms: rolled back, shadow 100% -> off, shifts of 1 cohort and 2 tenants removed, 2 rollouts aborted",
    ];
    let (desired, told) = told(first(), &commands);
    assert_eq!(told, expected);
    assert!(desired.rollouts.values().all(|one| one.phase == Phase::Aborted));
}

#[test]
fn a_rollback_of_a_cohort_takes_its_tenants_rollouts_back() {
    let attributes = Command::Attributes(
        [("b2".parse().unwrap(), [("residency".to_owned(), Some("AF".to_owned()))].into())].into(),
    );
    let yaml = YAML.replace("{tenants: [acme]}", "{attribute: {residency: AF}}");
    let begun = Desired::first(configuration(&yaml, 0));
    let live = [start(tenant("b2"), Some("one-step")), start(tenant("acme"), Some("one-step"))];
    for (finish, phase) in [(false, Phase::Running), (true, Phase::Completed)] {
        let (state, _) = told(begun.clone(), &live);
        let (state, _) = if finish {
            told(state, &[of(tenant("b2"), promote_change())])
        } else {
            (state, Vec::new())
        };
        assert_eq!(rollout(&state, tenant("b2")).phase, phase);
        let commands = [attributes.clone(), rollback("sms", cohort("africa"))];
        let (state, told_of) = told(state, &commands);
        assert_eq!(told_of[1], "sms, cohort africa: rolled back, off, rollout aborted");
        assert_eq!(rollout(&state, tenant("b2")).phase, Phase::Aborted);
        assert!(state.live.routes[&route("sms")].tenants["b2"].is_off());
        assert_eq!(rollout(&state, tenant("acme")).phase, Phase::Running, "of no such cohort");
    }
}

#[test]
fn so_many_tenants_are_counted_and_no_more() {
    let starts: Vec<Command> =
        (0..=MOST_TENANTS).map(|n| start(tenant(&format!("t{n}")), Some("one-step"))).collect();
    let (full, told_of) = told(first(), &starts);
    let refused = told_of.last().unwrap();
    assert!(refused.starts_with("! sms/tenant/t100: 100 tenants have rollouts"), "{refused}");
    assert_eq!(counting(&full)[&route("sms")].tenants.len(), 100);
    let (_, told_of) = told(full, &[rollback("sms", tenant("t7")), starts[100].clone()]);
    assert!(told_of[1].contains("tenant t100: rollout one-step started"), "{told_of:?}");
    let place = Place { route: route("mail"), scope: tenant("acme") };
    let change =
        RolloutChange::Start { plan: Some("ramp".into()), by: "ann".into(), at_unix_ms: 0 };
    let refused = apply(&first(), &Command::Rollout { place, change }).unwrap_err().to_string();
    assert!(refused.contains("does not look for tenants"), "{refused}");
}

fn promote_change() -> RolloutChange {
    RolloutChange::Promote { expected: None, at_unix_ms: NIGHT_MS, evidence: Value::Null }
}

#[test]
fn outside_its_windows_it_does_not_go_on() {
    let (begun, _) = told(first(), &[start(Scope::Route, Some("nights"))]);
    let noon = |at_unix_ms| {
        of(
            Scope::Route,
            RolloutChange::Promote { expected: None, at_unix_ms, evidence: Value::Null },
        )
    };
    let refused = apply(&begun, &noon(NIGHT_MS + 12 * 3_600_000)).unwrap_err().to_string();
    assert!(refused.contains("keeps it where it is until 2026-11-25T22:00:00Z"), "{refused}");
    assert!(apply(&begun, &noon(NIGHT_MS)).is_ok());
    assert!(apply(&begun, &rollback("sms", Scope::Route)).is_ok());
}

#[test]
fn what_cannot_be_rolled_out_is_refused() {
    let start_of = |name: &str, plan: Option<&str>| Command::Rollout {
        place: Place { route: route(name), scope: Scope::Route },
        change: RolloutChange::Start {
            plan: plan.map(str::to_owned),
            by: "ann".into(),
            at_unix_ms: 0,
        },
    };
    let refused = |command| apply(&first(), &command).unwrap_err();
    assert!(refused(start_of("mail", None)).to_string().contains("has no `rollout:`"));
    assert!(matches!(
        refused(start_of("mail", Some("rampp"))),
        Refusal::Unknown { kind: "rollout", .. }
    ));
    assert!(matches!(refused(start_of("billing", Some("ramp"))), Refusal::NoCandidate { .. }));
    assert!(matches!(refused(start_of("none", None)), Refusal::Unknown { kind: "route", .. }));
}

#[test]
fn a_restored_state_stays_where_it_is_until_people_decide() {
    let (at_canary, _) = told(first(), &[start(Scope::Route, None), promote(None)]);
    let (aborted, _) = told(at_canary.clone(), &[rollback("sms", Scope::Route)]);
    let restore = |desired: &Desired| Command::Restore {
        revision: rules::Revision(3),
        desired: Box::new(desired.clone()),
    };
    let (restored, _) = told(aborted, &[restore(&at_canary)]);
    assert_eq!(
        rollout(&restored, Scope::Route).phase,
        Phase::Aborted,
        "a generation never goes back"
    );
    assert_eq!(restored.live.routes[&route("sms")].default.share, percent("5%"));
    let (further, _) = told(at_canary.clone(), &[promote(None)]);
    let (restored, _) = told(further, &[restore(&first())]);
    assert_eq!(rollout(&restored, Scope::Route).phase, Phase::Paused);
}

#[test]
fn a_route_takes_its_rollouts_along_and_a_plan_is_kept_as_it_was_started() {
    let (begun, _) = told(first(), &[start(Scope::Route, None)]);
    let changed = YAML.replace("{canary: 5%}, {approval", "{canary: 50%}, {approval");
    let (changed, _) = told(begun.clone(), &[Command::Apply(configuration(&changed, 1))]);
    let (_, told_of) = told(changed, &[promote(None)]);
    assert_eq!(told_of, ["sms: rollout, step 2 of 4: canary 5%, shadow 100% -> canary 5%"]);
    let gone = YAML.replace("  sms: {", "  text: {");
    let (gone, _) = told(begun.clone(), &[Command::Apply(configuration(&gone, 1))]);
    assert!(gone.rollouts.is_empty());
    let stored = keys::changes(None, &begun).into_iter();
    let stored = stored.filter_map(|(key, value)| Some((key, value?))).collect();
    assert_eq!(keys::unread(&stored).unwrap().rollouts, *begun.rollouts);
}

/// Everything that may be asked of a rollout under way, as people and the engine do.
fn any_change() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(promote(None)),
        (1_u64..3, 0_usize..4, 0_u32..2).prop_map(|stretch| promote(Some(stretch))),
        Just(pause()),
        Just(resume()),
        Just(approve("bob")),
        Just(of(Scope::Route, RolloutChange::PromoteToEnd)),
        Just(start(Scope::Route, None)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn promote_and_rollback_in_any_order_end_in_the_rollback(
        before in prop::collection::vec(any_change(), 0..6),
        mut together in prop::collection::vec(any_change(), 1..5),
        at in any::<prop::sample::Index>(),
    ) {
        let (begun, _) = told(first(), &[start(Scope::Route, None)]);
        let (begun, _) = told(begun, &before);
        together.insert(at.index(together.len() + 1), rollback("sms", Scope::Route));
        let (ended, _) = told(begun, &together);
        let shift = ended.live.routes[&route("sms")].default;
        prop_assert_eq!(rollout(&ended, Scope::Route).phase, Phase::Aborted);
        prop_assert!(shift.is_off());
    }
}
