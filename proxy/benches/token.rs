//! What does a token cost? One that was judged before, and one that nobody remembers, of keys of both kinds that issuers use.

#![expect(clippy::unwrap_used, reason = "what cannot be built cannot be measured")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, header};
use proxy::token::Issuers;
use rules::Snapshot;
use rules::token::{Issuer, IssuerId, KeySource};
use serde_json::json;

#[expect(
    dead_code,
    clippy::indexing_slicing,
    reason = "tests sign in more ways than this asks for"
)]
#[path = "../../tests/tokens/signer.rs"]
mod signer;

use signer::{Signer, claims, key_set, now};

fn judge(c: &mut Criterion) {
    let mut group = c.benchmark_group("token");
    for signer in [Signer::rsa("rsa"), Signer::p256("p256")] {
        let issuer = Issuer {
            name: "login".parse().unwrap(),
            issuer: "https://login.example/".into(),
            audiences: ["api".into()].into(),
            algorithms: [].into(),
            leeway: Duration::from_secs(30),
            keys: KeySource::Set(key_set(&[&signer]).into()),
            claims: ["tenant".into()].into(),
        };
        let snapshot = Snapshot { issuers: [issuer].into(), ..Snapshot::default() };
        let token = signer.token(&claims(&json!({"tenant": "acme", "exp": now() + 3_600})));
        let bearer = format!("Bearer {token}").parse().unwrap();
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, bearer)]);
        let at = i64::try_from(now()).unwrap();
        let good = |issuers: &Issuers| {
            issuers.judge(&snapshot, IssuerId(0), black_box(&headers), at).unwrap().unwrap()
        };
        let (name, issuers) = (signer.algorithm(), Issuers::new(&snapshot));
        group.bench_function(format!("{name}, remembered"), |b| b.iter(|| good(&issuers)));
        group.bench_function(format!("{name}, new"), |b| {
            let unknowing = || Issuers::new(&snapshot);
            b.iter_batched_ref(unknowing, |issuers| good(issuers), BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, judge);
criterion_main!(benches);
