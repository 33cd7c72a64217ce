//! What does one decision cost, by the number of routes and of tenants with a shift of their own? And a path's normal form? And leave
//! to send a request?

#![expect(clippy::unwrap_used, reason = "what cannot be built cannot be measured")]

#[path = "../tests/scale/mod.rs"]
mod scale;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rules::decide;
use rules::normal::normal;
use rules::upstream::Outcome;

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

fn bench_normal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("normal");
    for (kind, path) in [
        ("plain", "/v1/service-0/items/3f1d1b62-5a0e-7c3e-9b6f-6f8a8f6d2c11"),
        ("escaped, in normal form", "/v1/service-0/items/a%20b%C3%A9/attachments"),
        ("spelled otherwise", "/v1/./service-0/%69tems/x/../a%20b%c3%a9/attachments"),
        ("refused", "/v1/service-0/items/..%2f..%2fadmin"),
    ] {
        group.bench_function(kind, |bencher| bencher.iter(|| normal(black_box(path))));
    }
    group.finish();
}

fn bench_attempt(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attempt");
    for targets in [1, 2, 10, 100] {
        let upstream = scale::upstream(targets);
        // Others are under way at the same time.
        let held: Vec<_> = (0..targets).filter_map(|_| upstream.attempt(0, None).ok()).collect();
        group.bench_function(BenchmarkId::from_parameter(targets), |bencher| {
            bencher.iter(|| {
                let mut attempt = upstream.attempt(black_box(7), None).unwrap().0;
                attempt.connected();
                attempt.end(Outcome::Answered(200), 8)
            });
        });
        drop(held);
    }
    group.finish();
}

criterion_group!(benches, bench, bench_normal, bench_attempt);
criterion_main!(benches);
