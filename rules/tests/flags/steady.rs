//! Whether everybody has the same: a table, and evaluations that must agree with it.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use rules::TenantId;
use rules::cohort::CohortId;
use rules::flag::{Flag, FlagDefinition, FlagId, FlagSet, FlagSetting, Need, Subject, VariantId};

use crate::cases::{OFF, ON, serve, set, setting};

#[test]
fn one_variant_for_all_is_told_from_what_is_set() {
    let with = |change: &dyn Fn(&mut FlagSetting)| {
        let mut all = setting(10_000);
        change(&mut all);
        all
    };
    let flags = set(vec![
        ("all", setting(10_000), vec![]),
        ("none", setting(0), vec![]),
        ("half", setting(5_000), vec![]),
        ("half-of-off", with(&|all| all.default = serve(OFF, 5_000)), vec![]),
        ("stopped", with(&|all| all.on = false), vec![]),
        (
            "tenant-apart",
            with(&|all| {
                all.tenants.insert(acme(), OFF);
            }),
            vec![],
        ),
        (
            "tenant-alike",
            with(&|all| {
                all.tenants.insert(acme(), ON);
            }),
            vec![],
        ),
        (
            "cohort-apart",
            with(&|all| {
                all.cohorts.insert(CohortId(0), serve(ON, 1));
            }),
            vec![],
        ),
        (
            "cohort-alike",
            with(&|all| {
                all.cohorts.insert(CohortId(0), serve(ON, 10_000));
            }),
            vec![],
        ),
        ("needs-all", setting(10_000), vec![0]),
        ("needs-none", setting(10_000), vec![0, 1]),
        ("needs-half", setting(10_000), vec![2]),
        ("needs-stopped", setting(5_000), vec![4]),
        ("none-needs-half", setting(0), vec![2]),
        ("stopped-needs-half", with(&|all| all.on = false), vec![2]),
    ]);
    let expected = [
        ("all", Some(ON)),
        ("none", Some(OFF)),
        ("half", None),
        ("half-of-off", Some(OFF)),
        ("stopped", Some(OFF)),
        ("tenant-apart", None),
        ("tenant-alike", Some(ON)),
        ("cohort-apart", None),
        ("cohort-alike", Some(ON)),
        ("needs-all", Some(ON)),
        ("needs-none", Some(OFF)),
        ("needs-half", None),
        ("needs-stopped", Some(OFF)),
        ("none-needs-half", Some(OFF)),
        ("stopped-needs-half", Some(OFF)),
    ];
    for (name, steady) in expected {
        assert_eq!(flags.steady(flags.find(name).unwrap()), steady, "{name}");
    }
    assert_eq!(flags.steady(FlagId(99)), None);
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn tenants() -> impl Strategy<Value = TenantId> {
    "[a-d]".prop_map(|id| id.parse().unwrap())
}

fn variants() -> impl Strategy<Value = VariantId> {
    prop_oneof![Just(ON), Just(OFF)]
}

/// Mostly everybody or nobody: else hardly a flag would be steady.
fn shares() -> impl Strategy<Value = u16> {
    prop_oneof![3 => Just(10_000_u16), 2 => Just(0), 1 => 1_u16..10_000]
}

fn settings() -> impl Strategy<Value = FlagSetting> {
    let served = || (variants(), shares()).prop_map(|(variant, share)| serve(variant, share));
    let cohorts = proptest::collection::hash_map((0_u32..3).prop_map(CohortId), served(), 0..3);
    let own = proptest::collection::hash_map(tenants(), variants(), 0..3);
    (proptest::bool::weighted(0.8), served(), cohorts, own)
        .prop_map(|(on, default, cohorts, tenants)| FlagSetting { on, default, cohorts, tenants })
}

/// Flags of which each may need those written before it, to give one variant or the other.
fn flags() -> impl Strategy<Value = FlagSet> {
    let needs = proptest::collection::vec((0_u32..5, variants()), 0..3);
    let one = (settings(), needs, proptest::bool::weighted(0.1));
    proptest::collection::vec(one, 1..5).prop_map(|all| {
        let plain = |place| (["a", "b", "c", "d", "e"][place], setting(0), vec![]);
        let named = set((0..all.len()).map(plain).collect());
        let flags = named.all().iter().zip(0..).zip(all);
        let flags = flags.map(|((flag, place), (setting, needs, archived))| {
            let needs = needs.into_iter().filter(|(other, _)| *other < place);
            let needs = needs.map(|(flag, variant)| Need { flag: FlagId(flag), variant }).collect();
            let definition =
                FlagDefinition { needs, archived, ..FlagDefinition::clone(&flag.definition) };
            Arc::new(Flag { definition: Arc::new(definition), setting })
        });
        FlagSet::new(Arc::new(HashMap::new()), flags.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whoever_asks_has_the_variant_that_everybody_has(
        flags in flags(),
        asking in proptest::collection::vec(
            (proptest::option::of("[a-h]"), proptest::collection::vec((0_u32..4).prop_map(CohortId), 0..3)),
            1..20,
        ),
    ) {
        for (id, _) in (0..).map(FlagId).zip(flags.all()) {
            let Some(steady) = flags.steady(id) else { continue };
            for (tenant, cohorts) in &asking {
                let found = flags.evaluate(id, Subject { tenant: tenant.as_deref(), cohorts }).unwrap();
                prop_assert_eq!(found.id, steady, "{:?} {:?} {:?}", id, tenant, cohorts);
            }
        }
    }

    #[test]
    fn a_share_of_some_is_never_steady(flags in flags(), share in 1_u16..10_000) {
        let mut flag = Flag::clone(&flags.all()[0]);
        flag.setting = FlagSetting { default: serve(ON, share), on: true, ..flag.setting };
        let flags = FlagSet::new(Arc::default(), [Arc::new(flag)].into());
        prop_assert_eq!(flags.steady(FlagId(0)), None);
    }
}
