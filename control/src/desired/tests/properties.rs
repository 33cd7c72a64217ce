//! What holds for every sequence of commands.

use std::collections::BTreeMap;

use config::LockSpec;
use proptest::prelude::*;
use rules::{RouteName, Share, Shift, TenantId};

use super::kit::{YAML, cohort, configuration, first, flag, route, targets, tenant};
use crate::command::{Command, Copies, FlagChange, Scope};
use crate::desired::{Applied, Desired, apply, keys};

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

fn any_change() -> impl Strategy<Value = FlagChange> {
    let variant = prop_oneof![Just(None), Just(Some("red")), Just(Some("blue")), Just(Some("on"))];
    prop_oneof![
        4 => (any_scope(), variant, prop_oneof![any_share(), Just(Share::ALL)]).prop_map(
            |(scope, variant, share)| {
                FlagChange::Serve { scope, variant: variant.map(str::to_owned), share }
            }
        ),
        1 => any_scope().prop_map(FlagChange::Inherit),
        1 => prop_oneof![Just(FlagChange::On), Just(FlagChange::Off)],
    ]
}

fn any_command() -> impl Strategy<Value = Command> {
    let lock =
        prop_oneof![Just(None), Just(Some(LockSpec::ReadOnly)), Just(Some(LockSpec::Blocked))];
    let copies = prop_oneof![Just(Copies::ToCandidate), Just(Copies::ToStable)];
    let text = prop_oneof![
        Just(YAML.to_owned()),
        Just(YAML.replace("3002", "3009")),
        Just(YAML.replace("mail", "post")),
        Just(YAML.replace("red: 1, ", ""))
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
        1 => (prop_oneof![Just("acme"), Just("b2")], prop::option::of("[a-c]")).prop_map(|(id, plan)| {
            Command::Attributes([(id.parse().unwrap(), [("plan".to_owned(), plan)].into())].into())
        }),
        3 => (prop_oneof![Just("report"), Just("colour"), Just("gone")], any_change())
            .prop_map(|(name, change)| flag(name, change)),
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
        let mut values = BTreeMap::new();
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
