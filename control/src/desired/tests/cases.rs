//! What each command does, and how it is told.

use std::sync::Arc;

use config::LockSpec;

use super::kit::{
    YAML, cohort, configuration, first, inherit, lock, percent, rollback, route, shadow, shift,
    targets, tenant, told,
};
use crate::command::{Command, Configuration, Scope};
use crate::desired::{Refusal, apply};

#[test]
fn a_share_goes_from_stage_to_stage() {
    let commands = [
        shift("sms", Scope::Route, "5%"),
        shift("sms", Scope::Route, "25%"),
        shift("sms", Scope::Route, "25%"),
        shift("sms", Scope::Route, "100%"),
        shift("sms", Scope::Route, "0%"),
    ];
    let expected = [
        "sms: off -> canary 5%",
        "sms: canary 5% -> 25%",
        "= sms: canary 25%",
        "sms: canary 25% -> live",
        "sms: live -> off",
    ];
    assert_eq!(told(first(), &commands).1, expected);
}

#[test]
fn a_tenant_begins_where_it_stood() {
    let commands = [shadow("sms", Scope::Route, "100%"), shift("sms", tenant("acme"), "50%")];
    let expected = ["sms: shadow 0% -> 100%", "sms, tenant acme: shadow 100% -> canary 50%"];
    assert_eq!(told(first(), &commands).1, expected);
}

#[test]
fn the_nearest_shift_counts() {
    let commands = [
        shift("sms", cohort("pilots"), "30%"),
        shift("sms", cohort("africa"), "20%"),
        shift("sms", tenant("acme"), "100%"),
        inherit("sms", tenant("acme")),
        inherit("sms", tenant("acme")),
        inherit("sms", cohort("africa")),
        inherit("sms", tenant("b2")),
    ];
    let expected = [
        "sms, cohort pilots: off -> canary 30%",
        "sms, cohort africa: off -> canary 20%",
        "sms, tenant acme: canary 20% -> live",
        "sms, tenant acme: live -> inherits (canary 20%)",
        "= sms, tenant acme: inherits (canary 20%)",
        "sms, cohort africa: canary 20% -> inherits (off)",
        "= sms, tenant b2: inherits (canary 30%)",
    ];
    assert_eq!(told(first(), &commands).1, expected);
}

#[test]
fn a_rollback_says_what_it_takes_back() {
    let commands = [
        shift("sms", Scope::Route, "50%"),
        shift("sms", cohort("africa"), "20%"),
        shift("sms", tenant("acme"), "100%"),
        rollback("sms", tenant("acme")),
        rollback("sms", Scope::Route),
        rollback("sms", Scope::Route),
    ];
    let expected = [
        "sms: off -> canary 50%",
        "sms, cohort africa: canary 50% -> 20%",
        "sms, tenant acme: canary 20% -> live",
        "sms, tenant acme: rolled back, live -> off",
        "sms: rolled back, canary 50% -> off, shifts of 1 cohort and 1 tenant removed",
        "= sms: off",
    ];
    assert_eq!(told(first(), &commands).1, expected);
}

#[test]
fn a_shift_that_nobody_follows_is_told() {
    let commands = [shift("mail", tenant("acme"), "50%")];
    let expected = [
        "mail, tenant acme: canary 10% -> 50%",
        "! route mail does not look for tenants (it has no `tenant:`): this applies to nobody",
    ];
    assert_eq!(told(first(), &commands).1, expected);
}

#[test]
fn members_with_shifts_of_their_own_are_told() {
    let commands = [shift("sms", tenant("acme"), "100%"), rollback("sms", cohort("africa"))];
    let expected = [
        "sms, tenant acme: off -> live",
        "sms, cohort africa: rolled back, off",
        "! 1 tenant of the cohort (acme first) keep shifts of their own: roll back by tenant, or the whole route",
    ];
    assert_eq!(told(first(), &commands).1, expected);
}

#[test]
fn targets_are_told_with_their_weights() {
    let commands = [
        targets("new", &[("127.0.0.1:4000", 1), ("127.0.0.1:4001", 5)]),
        targets("new", &[("127.0.0.1:4000", 1), ("127.0.0.1:4001", 5)]),
        targets("new", &[("127.0.0.1:3002", 1), ("127.0.0.1:3003", 3)]),
    ];
    let expected = [
        "upstream new: 127.0.0.1:3002, 127.0.0.1:3003 (weight 3) -> 127.0.0.1:4000, 127.0.0.1:4001 (weight 5)",
        "= upstream new: 127.0.0.1:4000, 127.0.0.1:4001 (weight 5)",
        "upstream new: 127.0.0.1:4000, 127.0.0.1:4001 (weight 5) -> 127.0.0.1:3002, 127.0.0.1:3003 (weight 3)",
    ];
    assert_eq!(told(first(), &commands).1, expected);
}

#[test]
fn locks_are_told() {
    let commands = [
        lock("acme", Some(LockSpec::ReadOnly)),
        lock("acme", Some(LockSpec::ReadOnly)),
        lock("acme", Some(LockSpec::Blocked)),
        lock("acme", None),
        lock("stranger", None),
    ];
    let expected = [
        "tenant acme: unlocked -> read_only",
        "= tenant acme: read_only",
        "tenant acme: read_only -> blocked",
        "tenant acme: blocked -> unlocked",
        "= tenant stranger: unlocked",
    ];
    assert_eq!(told(first(), &commands).1, expected);
}

#[test]
fn attributes_are_told_and_kept_only_where_they_differ() {
    type Said<'s> = &'s [(&'s str, Option<&'s str>)];
    let set = |tenants: &[(&str, Said<'_>)]| {
        let changes = |all: Said<'_>| {
            all.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
        };
        let each = tenants.iter().map(|(id, all)| (id.parse().unwrap(), changes(all)));
        Command::Attributes(each.collect())
    };
    let commands = [
        set(&[("acme", &[("residency", Some("EU")), ("plan", Some("gold"))])]),
        set(&[("acme", &[("residency", Some("EU"))])]),
        set(&[("acme", &[("residency", None)]), ("b2", &[("plan", None)])]),
        set(&[("acme", &[("residency", Some("AF")), ("plan", None)])]),
        set(&[("new", &[("plan", None)]), ("b2", &[("plan", None)])]),
    ];
    let expected = [
        "tenant acme: plan unset -> gold, residency AF -> EU",
        "= tenant acme: its attributes are so already",
        "attributes of 1 of 2 tenants changed",
        "tenant acme: plan gold -> unset, residency unset -> AF",
        "= 2 tenants: their attributes are so already",
    ];
    let (desired, told) = told(first(), &commands);
    assert_eq!(told, expected);
    assert!(desired.live.attributes.is_empty(), "all is as the configuration says");
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
fn a_file_that_was_passed_over_is_remembered_until_it_is_taken_again() {
    let other = format!("# other\n{YAML}");
    let given = Configuration { from_file: false, ..configuration(&other, 1) };
    let (given, _) = told(first(), &[Command::Apply(given)]);
    assert_eq!((given.passed_over.as_deref(), &**given.file_text()), (Some(YAML), YAML));
    let (taken, _) = told(given, &[Command::Apply(configuration(&format!("# new\n{YAML}"), 2))]);
    assert_eq!(taken.passed_over, None);
    let restore = Command::Restore { revision: rules::Revision(1), desired: Box::new(first()) };
    let (restored, _) = told(taken.clone(), &[restore]);
    assert_eq!(restored.passed_over, Some(taken.configuration.text));
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
