//! What commands make of a state: cases as a table, and what holds for every sequence of them.

use std::path::Path;
use std::sync::Arc;

use config::{LockSpec, Source, TargetSpec};
use proptest::prelude::*;
use rules::{RouteName, Share, Shift, TenantId};

use super::{Applied, Desired, Refusal, apply, keys};
use crate::command::{Command, Configuration, Copies, Scope};

const YAML: &str = r#"
tenants: {acme: {residency: AF}, b2: {residency: EU}}
cohorts: {africa: {attribute: {residency: AF}}, pilots: {tenants: [acme, b2]}}
upstreams:
  old: {targets: [{address: "127.0.0.1:3001"}]}
  new: {targets: [{address: "127.0.0.1:3002"}, {address: "127.0.0.1:3003", weight: 3}]}
routes:
  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}, tenant: {query: t}}
  mail: {canonical: /v1/mail, stable: {upstream: old}, candidate: {upstream: new}, start: {share: 10%}}
  billing: {canonical: /v1/billing, stable: {upstream: old}}
"#;

fn configuration(text: &str, accepted_unix: i64) -> Configuration {
    let source = Source { text, name: "turnout.yaml", base: Path::new("/"), env: &|_| None };
    let document = Arc::new(config::read(&source).unwrap());
    Configuration { text: text.into(), document, accepted_unix }
}

fn first() -> Desired {
    Desired::first(configuration(YAML, 0))
}

fn route(name: &str) -> RouteName {
    name.parse().unwrap()
}

fn percent(percent: &str) -> Share {
    percent.parse().unwrap()
}

fn tenant(id: &str) -> Scope {
    Scope::Tenant(id.parse().unwrap())
}

fn cohort(name: &str) -> Scope {
    Scope::Cohort(name.parse().unwrap())
}

fn shift(of: &str, scope: Scope, share: &str) -> Command {
    Command::Shift { route: route(of), scope, share: Some(percent(share)) }
}

fn inherit(of: &str, scope: Scope) -> Command {
    Command::Shift { route: route(of), scope, share: None }
}

fn shadow(of: &str, scope: Scope, share: &str) -> Command {
    Command::Shadow { route: route(of), scope, copies: Copies::ToCandidate, share: percent(share) }
}

fn rollback(of: &str, scope: Scope) -> Command {
    Command::Rollback { route: route(of), scope, keep_shadow: false }
}

fn targets(of: &str, addresses: &[(&str, u16)]) -> Command {
    let target = |(address, weight): &(&str, u16)| TargetSpec {
        address: (*address).to_owned(),
        weight: *weight,
    };
    let targets = addresses.iter().map(target).collect();
    Command::Targets { upstream: of.parse().unwrap(), targets }
}

fn lock(id: &str, lock: Option<LockSpec>) -> Command {
    Command::Lock { tenant: id.parse().unwrap(), lock }
}

/// Applies commands one after the other and tells what each did; `=` marks those that change nothing.
fn told(mut desired: Desired, commands: &[Command]) -> (Desired, Vec<String>) {
    let mut told = Vec::new();
    for command in commands {
        match apply(&desired, command).unwrap() {
            Applied::Unchanged(how) => told.push(format!("= {how}")),
            Applied::Changed(next) => {
                told.push(next.summary);
                told.extend(next.notes.into_iter().map(|note| format!("! {note}")));
                desired = next.desired;
            }
        }
    }
    (desired, told)
}

#[test]
fn commands_tell_what_they_do() {
    let cases: &[(&[Command], &[&str])] = &[
        (
            &[
                shift("sms", Scope::Route, "5%"),
                shift("sms", Scope::Route, "25%"),
                shift("sms", Scope::Route, "25%"),
                shift("sms", Scope::Route, "100%"),
                shift("sms", Scope::Route, "0%"),
            ],
            &[
                "sms: off -> canary 5%",
                "sms: canary 5% -> 25%",
                "= sms: canary 25%",
                "sms: canary 25% -> live",
                "sms: live -> off",
            ],
        ),
        (
            &[shadow("sms", Scope::Route, "100%"), shift("sms", tenant("acme"), "50%")],
            &["sms: shadow 0% -> 100%", "sms, tenant acme: shadow 100% -> canary 50%"],
        ),
        (
            &[
                shift("sms", cohort("pilots"), "30%"),
                shift("sms", cohort("africa"), "20%"),
                shift("sms", tenant("acme"), "100%"),
                inherit("sms", tenant("acme")),
                inherit("sms", tenant("acme")),
                inherit("sms", cohort("africa")),
                inherit("sms", tenant("b2")),
            ],
            &[
                "sms, cohort pilots: off -> canary 30%",
                "sms, cohort africa: off -> canary 20%",
                "sms, tenant acme: canary 20% -> live",
                "sms, tenant acme: live -> inherits (canary 20%)",
                "= sms, tenant acme: inherits (canary 20%)",
                "sms, cohort africa: canary 20% -> inherits (off)",
                "= sms, tenant b2: inherits (canary 30%)",
            ],
        ),
        (
            &[
                shift("sms", Scope::Route, "50%"),
                shift("sms", cohort("africa"), "20%"),
                shift("sms", tenant("acme"), "100%"),
                rollback("sms", tenant("acme")),
                rollback("sms", Scope::Route),
                rollback("sms", Scope::Route),
            ],
            &[
                "sms: off -> canary 50%",
                "sms, cohort africa: canary 50% -> 20%",
                "sms, tenant acme: canary 20% -> live",
                "sms, tenant acme: rolled back, live -> off",
                "sms: rolled back, canary 50% -> off, shifts of 1 cohort and 1 tenant removed",
                "= sms: off",
            ],
        ),
        (
            &[shift("mail", tenant("acme"), "50%")],
            &[
                "mail, tenant acme: canary 10% -> 50%",
                "! route mail does not look for tenants (it has no `tenant:`): this applies to nobody",
            ],
        ),
        (
            &[shift("sms", tenant("acme"), "100%"), rollback("sms", cohort("africa"))],
            &[
                "sms, tenant acme: off -> live",
                "sms, cohort africa: rolled back, off",
                "! 1 tenant of the cohort (acme first) keep shifts of their own: roll back by tenant, or the whole route",
            ],
        ),
        (
            &[
                targets("new", &[("127.0.0.1:4000", 1), ("127.0.0.1:4001", 5)]),
                targets("new", &[("127.0.0.1:4000", 1), ("127.0.0.1:4001", 5)]),
                targets("new", &[("127.0.0.1:3002", 1), ("127.0.0.1:3003", 3)]),
            ],
            &[
                "upstream new: 127.0.0.1:3002, 127.0.0.1:3003 (weight 3) -> 127.0.0.1:4000, 127.0.0.1:4001 (weight 5)",
                "= upstream new: 127.0.0.1:4000, 127.0.0.1:4001 (weight 5)",
                "upstream new: 127.0.0.1:4000, 127.0.0.1:4001 (weight 5) -> 127.0.0.1:3002, 127.0.0.1:3003 (weight 3)",
            ],
        ),
        (
            &[
                lock("acme", Some(LockSpec::ReadOnly)),
                lock("acme", Some(LockSpec::ReadOnly)),
                lock("acme", Some(LockSpec::Blocked)),
                lock("acme", None),
                lock("stranger", None),
            ],
            &[
                "tenant acme: unlocked -> read_only",
                "= tenant acme: read_only",
                "tenant acme: read_only -> blocked",
                "tenant acme: blocked -> unlocked",
                "= tenant stranger: unlocked",
            ],
        ),
    ];
    for (commands, expected) in cases {
        assert_eq!(told(first(), commands).1, *expected);
    }
}

#[test]
fn a_rollback_can_keep_the_shadow() {
    let commands = [
        shadow("sms", Scope::Route, "40%"),
        shift("sms", Scope::Route, "50%"),
        Command::Rollback { route: route("sms"), scope: Scope::Route, keep_shadow: true },
    ];
    let (desired, told) = told(first(), &commands);
    assert_eq!(told[2], "sms: rolled back, canary 50% -> shadow 40%");
    assert_eq!(desired.live.routes[&route("sms")].default.shadow, percent("40%"));
}

#[test]
fn what_is_not_there_is_refused_with_a_hint() {
    let unknown = |kind, name: &str, hint: Option<&str>| Refusal::Unknown {
        kind,
        name: name.to_owned(),
        hint: hint.map(str::to_owned),
    };
    let none = Refusal::NoCandidate { route: "billing".to_owned() };
    let cases = [
        (shift("smss", Scope::Route, "5%"), unknown("route", "smss", Some("sms"))),
        (rollback("zzzzzzz", Scope::Route), unknown("route", "zzzzzzz", None)),
        (shift("sms", cohort("afrika"), "5%"), unknown("cohort", "afrika", Some("africa"))),
        (targets("neww", &[]), unknown("upstream", "neww", Some("new"))),
        (shift("billing", Scope::Route, "5%"), none.clone()),
        (shadow("billing", Scope::Route, "5%"), none),
        (inherit("sms", Scope::Route), Refusal::NothingAbove),
    ];
    for (command, refusal) in cases {
        assert_eq!(apply(&first(), &command).unwrap_err(), refusal, "{command:?}");
    }
    let harmless = [shift("billing", Scope::Route, "0%"), rollback("billing", Scope::Route)];
    assert_eq!(told(first(), &harmless).1, ["= billing: off", "= billing: off"]);
}

#[test]
fn a_file_keeps_live_shifts_and_takes_its_own_targets_back() {
    let (shifted, _) = told(
        first(),
        &[
            shift("sms", Scope::Route, "50%"),
            shift("sms", tenant("acme"), "100%"),
            targets("new", &[("127.0.0.1:4000", 1)]),
            targets("old", &[("127.0.0.1:4001", 1)]),
            lock("acme", Some(LockSpec::Blocked)),
        ],
    );
    let text = YAML
        .replace("127.0.0.1:3002", "127.0.0.1:3009")
        .replace("  billing: {canonical: /v1/billing", "  pay: {canonical: /v1/pay");
    let (desired, told) = told(shifted.clone(), &[Command::Apply(configuration(&text, 7))]);
    assert_eq!(
        told,
        [
            "configuration: routes added: pay; routes removed: billing; upstreams changed: new",
            "! upstream new: the configuration's targets changed, so those set by a command no longer stand in for them",
        ]
    );
    let sms = &desired.live.routes[&route("sms")];
    assert!(Arc::ptr_eq(sms, &shifted.live.routes[&route("sms")]));
    assert_eq!(desired.live.locks, shifted.live.locks);
    assert_eq!(desired.live.targets.len(), 1);
    assert!(!desired.live.routes.contains_key(&route("billing")));
    assert!(desired.live.routes.contains_key(&route("pay")));
}

#[test]
fn the_same_file_changes_nothing_whenever_it_is_applied() {
    let again = Command::Apply(configuration(YAML, 99));
    assert_eq!(told(first(), &[again]).1, ["= configuration: no change"]);
    let comment = Command::Apply(configuration(&format!("# new\n{YAML}"), 99));
    assert_eq!(told(first(), &[comment]).1, ["configuration: comments and layout changed"]);
}

#[test]
fn restoring_makes_the_state_as_it_was() {
    let (older, _) = told(first(), &[shift("sms", tenant("acme"), "100%")]);
    let (newer, _) =
        told(older.clone(), &[rollback("sms", Scope::Route), lock("b2", Some(LockSpec::Blocked))]);
    let restore =
        Command::Restore { revision: rules::Revision(2), desired: Box::new(older.clone()) };
    let (restored, told) = told(newer, &[restore.clone(), restore]);
    assert_eq!(told, ["restored r2", "= everything is as it was at r2"]);
    assert_eq!(restored, older);
}

fn any_share() -> impl Strategy<Value = Share> {
    (0_u16..=10_000).prop_map(|points| Share::from_basis_points(points).unwrap())
}

fn any_scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::Route),
        prop_oneof![Just("africa"), Just("pilots")].prop_map(cohort),
        prop_oneof![Just("acme"), Just("b2"), Just("stranger")].prop_map(tenant),
    ]
}

fn any_route() -> impl Strategy<Value = RouteName> {
    prop_oneof![Just("sms"), Just("mail"), Just("billing"), Just("nowhere")].prop_map(route)
}

fn any_command() -> impl Strategy<Value = Command> {
    let lock =
        prop_oneof![Just(None), Just(Some(LockSpec::ReadOnly)), Just(Some(LockSpec::Blocked))];
    let copies = prop_oneof![Just(Copies::ToCandidate), Just(Copies::ToStable)];
    let text = prop_oneof![
        Just(YAML.to_owned()),
        Just(YAML.replace("3002", "3009")),
        Just(YAML.replace("mail", "post"))
    ];
    prop_oneof![
        4 => (any_route(), any_scope(), proptest::option::of(any_share()))
            .prop_map(|(route, scope, share)| Command::Shift { route, scope, share }),
        3 => (any_route(), any_scope(), copies, any_share())
            .prop_map(|(route, scope, copies, share)| Command::Shadow { route, scope, copies, share }),
        2 => (any_route(), any_scope(), any::<bool>())
            .prop_map(|(route, scope, keep_shadow)| Command::Rollback { route, scope, keep_shadow }),
        1 => (1_u16..9).prop_map(|port| targets("new", &[(&format!("127.0.0.1:{port}"), port)])),
        1 => (prop_oneof![Just("acme"), Just("b2")], lock)
            .prop_map(|(id, lock)| Command::Lock { tenant: id.parse::<TenantId>().unwrap(), lock }),
        1 => text.prop_map(|text| Command::Apply(configuration(&text, 0))),
    ]
}

/// The state after commands, of which those that are refused change nothing.
fn after(commands: &[Command]) -> Desired {
    let mut desired = first();
    for command in commands {
        if let Ok(Applied::Changed(next)) = apply(&desired, command) {
            desired = next.desired;
        }
    }
    desired
}

proptest! {
    #[test]
    fn a_command_twice_is_a_command_once(
        before in proptest::collection::vec(any_command(), 0..12),
        command in any_command(),
    ) {
        if let Ok(Applied::Changed(next)) = apply(&after(&before), &command) {
            let again = apply(&next.desired, &command);
            prop_assert!(matches!(again, Ok(Applied::Unchanged(_))), "{again:?}");
        }
    }

    #[test]
    fn a_rollback_always_ends_with_all_on_stable(
        before in proptest::collection::vec(any_command(), 0..12),
        keep_shadow in any::<bool>(),
        scope in any_scope(),
    ) {
        let desired = after(&before);
        let rollback = Command::Rollback { route: route("sms"), scope: scope.clone(), keep_shadow };
        let rolled_back = match apply(&desired, &rollback).unwrap() {
            Applied::Unchanged(_) => desired,
            Applied::Changed(next) => next.desired,
        };
        let live = &rolled_back.live.routes[&route("sms")];
        let shift = match &scope {
            Scope::Route => {
                prop_assert!(live.cohorts.is_empty() && live.tenants.is_empty());
                live.default
            }
            Scope::Cohort(name) => live.cohorts[name],
            Scope::Tenant(id) => live.tenants[id],
        };
        prop_assert!(shift.share.is_none() && shift.reverse_shadow.is_none());
        prop_assert!(keep_shadow || shift.shadow.is_none());
    }

    #[test]
    fn only_what_is_named_changes(
        before in proptest::collection::vec(any_command(), 0..12),
        scope in any_scope(),
        share in any_share(),
    ) {
        let desired = after(&before);
        let command = Command::Shift { route: route("sms"), scope: scope.clone(), share: Some(share) };
        if let Ok(Applied::Changed(next)) = apply(&desired, &command) {
            let changes = keys::changes(Some(&desired), &next.desired);
            prop_assert_eq!(changes.len(), 1, "{:?}", changes);
            let live = &next.desired.live.routes[&route("sms")];
            let shift = match &scope {
                Scope::Route => live.default,
                Scope::Cohort(name) => live.cohorts[name],
                Scope::Tenant(id) => live.tenants[id],
            };
            prop_assert_eq!(Shift::from(shift).share, share);
        }
    }

    #[test]
    fn what_is_stored_is_what_is_wanted(
        commands in proptest::collection::vec(any_command(), 0..20),
    ) {
        let mut values = std::collections::BTreeMap::new();
        let mut store = |before: Option<&Desired>, after: &Desired| {
            for (key, value) in keys::changes(before, after) {
                match value {
                    Some(value) => values.insert(key, value),
                    None => values.remove(&key),
                };
            }
            keys::unread(&values).unwrap()
        };
        let mut desired = first();
        let mut unread = store(None, &desired);
        for command in &commands {
            if let Ok(Applied::Changed(next)) = apply(&desired, command) {
                unread = store(Some(&desired), &next.desired);
                desired = next.desired;
            }
        }
        prop_assert_eq!(&unread.text, &desired.configuration.text);
        prop_assert_eq!(unread.accepted_unix, desired.configuration.accepted_unix);
        prop_assert_eq!(unread.live, desired.live);
    }
}
