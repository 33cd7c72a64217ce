//! What does it cost to evaluate a flag, by name, among 10,000 flags?

#![expect(clippy::unwrap_used, reason = "what cannot be built cannot be measured")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use rules::flag::{
    Flag, FlagDefinition, FlagId, FlagSet, FlagSetting, Kind, Need, Serve, Subject, Value, Variant,
    VariantId,
};
use rules::sli::FlagCounters;
use rules::{FlagName, Share};

const FLAGS: u32 = 10_000;
const TARGETED: u32 = 1_000;

fn name(n: u32) -> FlagName {
    format!("feature.number_{n}").parse().unwrap()
}

/// Ramped flags with a thousand tenants of their own each on the first hundred, and `needs` prerequisites on the last.
fn flags(needs: u32) -> FlagSet {
    let variant = |name: &str| Variant {
        name: name.into(),
        value: Value { kind: Kind::String, json: format!("{name:?}").into() },
    };
    let flag = |n: u32| {
        let own = if n < 100 { TARGETED } else { 0 };
        let tenants =
            (0..own).map(|t| (format!("tenant-{t:06}").parse().unwrap(), VariantId(1))).collect();
        let needs = if n + 1 == FLAGS { needs } else { 0 };
        let definition = FlagDefinition {
            name: name(n),
            variants: [variant("old"), variant("new")].into(),
            off: VariantId(0),
            needs: (0..needs)
                .map(|other| Need { flag: FlagId(200 + other), variant: VariantId(1) })
                .collect(),
            archived: false,
            counters: Arc::new(FlagCounters::new(2)),
        };
        let share = Share::from_basis_points(9_999).unwrap();
        let default = Serve { variant: VariantId(1), share };
        let setting = FlagSetting { on: true, default, cohorts: HashMap::new(), tenants };
        Arc::new(Flag { definition: Arc::new(definition), setting })
    };
    let names = (0..FLAGS).map(|n| (name(n), FlagId(n))).collect();
    FlagSet::new(Arc::new(names), (0..FLAGS).map(flag).collect())
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flag");
    let subject = Subject { tenant: Some("tenant-000042"), cohorts: &[] };
    for (kind, needs, flag) in
        [("tenant's own", 0, 42), ("share", 0, 5_000), ("share, 32 prerequisites", 32, FLAGS - 1)]
    {
        let (flags, name) = (flags(needs), name(flag));
        group.bench_function(kind, |bencher| {
            bencher.iter(|| {
                let id = flags.find(black_box(name.as_str())).unwrap();
                let found = flags.evaluate(id, black_box(subject)).unwrap();
                black_box(found.id)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
