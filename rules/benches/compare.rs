//! How long does comparing two answers take? Equal, respelled, reordered, different; and what is made to be expensive.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method};
use rules::compare::{Answer, CompareRules, Effect, Pair, PlaceRule, compare};

/// A list of messages, about as long as asked for; `price` says what each costs, `order` in which order their members
/// come.
fn messages(bytes: usize, price: impl Fn(usize) -> usize, order: [usize; 6]) -> String {
    let mut text = String::from("{\"items\":[");
    let mut place = 0;
    while text.len() + 2 < bytes {
        if place > 0 {
            text.push(',');
        }
        let members = [
            format!("\"id\":\"msg-{place}\""),
            format!("\"to\":\"+4930{place:07}\""),
            "\"parts\":[1,2]".to_owned(),
            format!("\"price\":{}.50", price(place)),
            "\"status\":\"delivered\"".to_owned(),
            format!("\"updatedAt\":\"2026-11-21T10:{:02}:00Z\"", place % 60),
        ];
        let ordered = order.map(|member| members.get(member).cloned().unwrap_or_default());
        text.push('{');
        text += &ordered.join(",");
        text.push('}');
        place += 1;
    }
    text + "]}"
}

const AS_WRITTEN: [usize; 6] = [0, 1, 2, 3, 4, 5];
const REORDERED: [usize; 6] = [4, 2, 5, 0, 3, 1];

fn json(criterion: &mut Criterion) {
    let headers: HeaderMap =
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
    let ignored = "/items/*/updatedAt".parse().map(|at| PlaceRule::always(at, Effect::Ignore));
    let rules = CompareRules { places: ignored.into_iter().collect(), ..CompareRules::default() };
    let mut group = criterion.benchmark_group("json");
    for kilobytes in [1, 16, 256] {
        let bytes = kilobytes * 1_024;
        let stable = messages(bytes, |_| 7, AS_WRITTEN);
        let candidates = [
            ("equal", stable.clone()),
            ("respelled", stable.replace(".50,", ".5, ")),
            ("reordered", messages(bytes, |_| 7, REORDERED)),
            ("one", messages(bytes, |place| if place == 3 { 8 } else { 7 }, AS_WRITTEN)),
            ("all", messages(bytes, |_| 8, AS_WRITTEN)),
        ];
        for (name, candidate) in &candidates {
            let answer = |body| Answer::new(200, &headers, str::as_bytes(body));
            let (stable, candidate) = (answer(&stable), answer(candidate));
            let pair = Pair { method: &Method::GET, stable, candidate, twin: None };
            // What goes through is both bodies.
            group.throughput(Throughput::Bytes(2 * bytes as u64));
            group.bench_function(BenchmarkId::new(*name, format!("{kilobytes}KB")), |bencher| {
                bencher.iter(|| compare(&rules, black_box(&pair)));
            });
        }
    }
    group.finish();
}

/// Documents that are as expensive as the bounds allow.
fn bombs(criterion: &mut Criterion) {
    let headers: HeaderMap =
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
    let wide = |value: usize| {
        let member = |place: usize| format!("\"k{place}\":{value}");
        format!("{{{}}}", (0..120_000).map(member).collect::<Vec<_>>().join(","))
    };
    let numbers = |from: usize| (from..from + 1_900).map(|n| n.to_string()).collect::<Vec<_>>();
    let lists = |from: usize| {
        format!("[{}]", vec![format!("[[{}]]", numbers(from).join(",")); 40].join(","))
    };
    let nested = |leaf: usize| {
        let inner = format!("[{}{leaf}]", "0,".repeat(20_000));
        format!("{}{inner}{}", "[".repeat(120), "]".repeat(120))
    };
    let texts = |end: usize| {
        let text = |place: usize| format!("\"{}{place}{end}\"", "\u{e9}".repeat(8_000));
        format!("[{}]", (0..60).map(text).collect::<Vec<_>>().join(","))
    };
    let rules = CompareRules::default();
    let mut group = criterion.benchmark_group("bombs");
    for (name, left, right) in [
        ("wide", wide(1), wide(2)),
        ("lists", lists(0), lists(1)),
        ("nested", nested(1), nested(2)),
        ("texts", texts(1), texts(2)),
    ] {
        let answer = |body| Answer::new(200, &headers, str::as_bytes(body));
        let (stable, candidate) = (answer(&left), answer(&right));
        let pair = Pair { method: &Method::GET, stable, candidate, twin: None };
        group.bench_function(name, |bencher| bencher.iter(|| compare(&rules, black_box(&pair))));
    }
    group.finish();
}

criterion_group!(benches, json, bombs);
criterion_main!(benches);
