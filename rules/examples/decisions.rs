//! `decisions COUNT`: decides so often, among 1,000 routes and 1,000 tenants with shifts of their own. What that takes is
//! counted by `make guard`.

#![expect(clippy::unwrap_used, reason = "what cannot be built cannot be measured")]

#[path = "../tests/scale/mod.rs"]
#[expect(dead_code, reason = "benchmarks and tests use more of it")]
mod scale;

use std::env;
use std::hint::black_box;

use rules::decide;

fn main() {
    let count: u32 = env::args().nth(1).unwrap().parse().unwrap();
    let snapshot = scale::snapshot(1_000, 1_000);
    let headers = scale::headers("tenant-000042");
    let tenants = scale::facts(&headers, "api0.example.org", "/v1/service-0/items/42");
    let last = scale::facts(&headers, "api9.example.org", "/v1/service-999/items/42");
    for _ in 0..count {
        black_box(decide(black_box(&snapshot), black_box(&tenants)));
        black_box(decide(black_box(&snapshot), black_box(&last)));
    }
}
