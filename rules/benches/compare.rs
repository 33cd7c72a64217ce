//! How long does comparing two JSON answers take? Equal but for spelling, with one difference, and with many.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use rules::compare::{Answer, CompareRules, compare};

/// A list of messages, about as long as asked for; `price` says what each costs.
fn messages(bytes: usize, price: impl Fn(usize) -> usize) -> String {
    let mut text = String::from("{\"items\":[");
    let mut place = 0;
    while text.len() + 2 < bytes {
        if place > 0 {
            text.push(',');
        }
        text += &format!(
            "{{\"id\":\"msg-{place}\",\"to\":\"+4930{place:07}\",\"parts\":[1,2],\"price\":{}.50,\
             \"status\":\"delivered\",\"updatedAt\":\"2026-11-21T10:{:02}:00Z\"}}",
            price(place),
            place % 60,
        );
        place += 1;
    }
    text + "]}"
}

fn json(criterion: &mut Criterion) {
    let headers: HeaderMap =
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
    let rules = CompareRules {
        ignore: "/items/*/updatedAt".parse().into_iter().collect(),
        ..CompareRules::default()
    };
    let mut group = criterion.benchmark_group("json");
    for kilobytes in [1, 16, 256] {
        let stable = messages(kilobytes * 1_024, |_| 7);
        let spelled = stable.replace(".50,", ".5, ");
        let one = messages(kilobytes * 1_024, |place| if place == 3 { 8 } else { 7 });
        let all = messages(kilobytes * 1_024, |_| 8);
        group.throughput(Throughput::Bytes(stable.len() as u64));
        for (name, candidate) in [("respelled", &spelled), ("one", &one), ("all", &all)] {
            let stable = Answer { status: 200, headers: &headers, body: stable.as_bytes() };
            let candidate = Answer { body: candidate.as_bytes(), ..stable };
            group.bench_function(BenchmarkId::new(name, format!("{kilobytes}KB")), |bencher| {
                bencher.iter(|| compare(&rules, black_box(&stable), black_box(&candidate)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, json);
criterion_main!(benches);
