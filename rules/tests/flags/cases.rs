//! Cases by what is set, and what holds whatever the setting.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use rules::cohort::CohortId;
use rules::flag::{
    Flag, FlagDefinition, FlagId, FlagReason, FlagSet, FlagSetting, Kind, Need, Serve, Subject,
    Unavailable, Value, Variant, VariantId, closures,
};
use rules::sli::FlagCounters;
use rules::{Bucket, Share};

pub(crate) const ON: VariantId = VariantId(0);
pub(crate) const OFF: VariantId = VariantId(1);

fn share(basis_points: u16) -> Share {
    Share::from_basis_points(basis_points).unwrap()
}

pub(crate) fn serve(variant: VariantId, basis_points: u16) -> Serve {
    Serve { variant, share: share(basis_points) }
}

pub(crate) fn setting(basis_points: u16) -> FlagSetting {
    FlagSetting {
        on: true,
        default: serve(ON, basis_points),
        cohorts: HashMap::new(),
        tenants: HashMap::new(),
    }
}

fn variant(name: &str, json: &str) -> Variant {
    Variant { name: name.into(), value: Value { kind: Kind::Boolean, json: json.into() } }
}

/// Boolean flags with these settings and own prerequisites, each of which must be on.
pub(crate) fn set(of: Vec<(&str, FlagSetting, Vec<u32>)>) -> FlagSet {
    let direct: Vec<Vec<Need>> = of
        .iter()
        .map(|(_, _, needs)| {
            needs.iter().map(|id| Need { flag: FlagId(*id), variant: ON }).collect()
        })
        .collect();
    let names = of.iter().map(|(name, ..)| name.parse().unwrap()).zip((0..).map(FlagId));
    let names = Arc::new(names.collect());
    let flags = of.into_iter().zip(closures(&direct)).map(|((name, setting, _), needs)| {
        let definition = FlagDefinition {
            name: name.parse().unwrap(),
            variants: [variant("on", "true"), variant("off", "false")].into(),
            off: OFF,
            needs: needs.unwrap().into(),
            archived: false,
            counters: Arc::new(FlagCounters::new(2)),
        };
        Arc::new(Flag { definition: Arc::new(definition), setting })
    });
    FlagSet::new(names, flags.collect())
}

fn of<'s>(tenant: &'s str, cohorts: &'s [CohortId]) -> Subject<'s> {
    Subject { tenant: Some(tenant), cohorts }
}

fn told(flags: &FlagSet, id: u32, subject: Subject<'_>) -> String {
    let found = flags.evaluate(FlagId(id), subject).unwrap();
    format!("{} {}: {}", found.variant.name, found.reason.standard(), found.reason)
}

#[test]
fn the_first_that_applies_decides() {
    let mut ramped = setting(5_000);
    ramped.tenants.insert("acme".parse().unwrap(), OFF);
    ramped.cohorts.insert(CohortId(1), serve(ON, 10_000));
    ramped.cohorts.insert(CohortId(2), serve(ON, 0));
    let stopped = FlagSetting { on: false, ..ramped.clone() };
    let flags = set(vec![
        ("ramped", ramped, vec![]),
        ("stopped", stopped, vec![]),
        ("builds-on-stopped", setting(10_000), vec![1]),
        ("all", setting(10_000), vec![]),
        ("none", setting(0), vec![]),
    ]);
    let both = [CohortId(1), CohortId(2)];
    for (id, subject, expected) in [
        (0, of("acme", &both), "off TARGETING_MATCH: tenant"),
        (0, of("b", &both), "on TARGETING_MATCH: cohort"),
        (0, of("b", &both[1..]), "off TARGETING_MATCH: cohort"),
        (0, of("b", &[CohortId(7)]), "on SPLIT: bucket 3543 < 5000"),
        (0, of("f", &[]), "off SPLIT: bucket 5599 >= 5000"),
        (0, Subject::default(), "off DEFAULT: no-tenant"),
        (1, of("b", &both), "off DISABLED: off"),
        (2, of("b", &both), "off DISABLED: prerequisite"),
        (3, Subject::default(), "on DEFAULT: default"),
        (4, of("b", &[]), "off DEFAULT: default"),
    ] {
        assert_eq!(told(&flags, id, subject), expected, "{id} {subject:?}");
    }
    assert_eq!(flags.find("none"), Ok(FlagId(4)));
    assert_eq!(flags.find("nowhere"), Err(Unavailable::Unknown));
    assert!(flags.evaluate(FlagId(9), Subject::default()).is_none());
}

#[test]
fn an_off_flag_meets_no_need_even_of_its_off_variant() {
    let mut flags = vec![("base", FlagSetting { on: false, ..setting(0) }, vec![])];
    flags.push(("above", setting(10_000), vec![0]));
    flags.push(("top", setting(10_000), vec![1]));
    let flags = set(flags);
    for id in [1, 2] {
        let found = flags.evaluate(FlagId(id), of("t", &[])).unwrap();
        assert_eq!(found.id, OFF);
        assert!(matches!(found.reason, FlagReason::Prerequisite(_)));
    }
}

#[test]
fn what_is_evaluated_is_counted_by_variant() {
    let counters = FlagCounters::new(2);
    counters.count(ON, 100);
    counters.count(ON, 90);
    counters.count(VariantId(7), 1);
    let [on, off] = counters.read()[..] else { panic!("two variants") };
    assert_eq!((on.evaluations, on.last_unix), (2, Some(100)));
    assert_eq!((off.evaluations, off.last_unix), (0, None));
}

proptest! {
    #[test]
    fn ramping_a_flag_only_adds_tenants(
        tenants in proptest::collection::vec("[a-z0-9._:@-]{1,20}", 1..40),
        low in 0_u16..=10_000,
        more in 0_u16..=10_000,
        base in 0_u16..=10_000,
        in_cohort in any::<bool>(),
    ) {
        let at = |basis_points| {
            let mut ramped = setting(basis_points);
            if in_cohort {
                ramped.default = serve(ON, 0);
                ramped.cohorts.insert(CohortId(0), serve(ON, basis_points));
            }
            set(vec![("base", setting(base), vec![]), ("ramped", ramped, vec![0])])
        };
        let (before, after) = (at(low), at(low.saturating_add(more).min(10_000)));
        for tenant in &tenants {
            let has = |flags: &FlagSet| flags.evaluate(FlagId(1), of(tenant, &[CohortId(0)])).unwrap().id == ON;
            prop_assert!(!has(&before) || has(&after), "{tenant} lost the flag");
        }
    }

    #[test]
    fn a_share_is_told_by_the_frozen_buckets(tenant in "[a-z0-9-]{1,20}", basis_points in 1_u16..10_000) {
        let flags = set(vec![("feature.reporting_v1", setting(basis_points), vec![])]);
        let found = flags.evaluate(FlagId(0), of(&tenant, &[])).unwrap();
        let bucket = Bucket::of("feature.reporting_v1", &tenant);
        prop_assert_eq!(found.id == ON, bucket.is_within(share(basis_points)));
    }
}
