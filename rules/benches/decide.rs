//! What does one decision cost, by the number of routes and of tenants with a shift of their own?

#![expect(clippy::unwrap_used, reason = "what cannot be built cannot be measured")]

#[path = "../tests/scale/mod.rs"]
mod scale;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rules::decide;

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    for (routes, tenants) in [(10, 0), (1_000, 0), (10_000, 0), (10_000, 100_000)] {
        let snapshot = scale::snapshot(routes, tenants);
        let last = routes - 1;
        let host = format!("api{}.example.org", last % 10);
        let headers = scale::headers("tenant-000042");
        for (kind, host, path) in [
            ("last route", &*host, format!("/v1/service-{last}/items/42")),
            ("tenant's route", "api0.example.org", "/v1/service-0/items/42".to_owned()),
            ("no route", &*host, "/v1/nowhere/items/42".to_owned()),
        ] {
            let facts = scale::facts(&headers, host, &path);
            let id = BenchmarkId::new(kind, format!("{routes} routes, {tenants} tenants"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| decide(black_box(&snapshot), black_box(&facts)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
