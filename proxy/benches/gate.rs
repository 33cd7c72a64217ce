//! What does the gate cost? Heads as small clients and as browsers send them, and a chunked body.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use proxy::gate::{ByteGate, Policy};

const SMALL: &str = "GET /a/b?c=d HTTP/1.1\r\nHost: 127.0.0.1:7080\r\n\r\n";
const BROWSER: &str = "GET /a/b?c=d HTTP/1.1\r\nHost: shop.example.org\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\nX-Tenant-Id: acme\r\n\
    X-Request-Id: 0123456789abcdef0123456789abcdef\r\nConnection: keep-alive\r\n\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
    5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n";

fn judge(c: &mut Criterion) {
    let mut group = c.benchmark_group("gate");
    for (name, request) in [("small", SMALL), ("browser", BROWSER), ("chunked", CHUNKED)] {
        let mut gate = ByteGate::new(Arc::new(Policy::default()));
        let mut bytes = request.as_bytes().to_vec();
        group.throughput(Throughput::Bytes(request.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                bytes.copy_from_slice(black_box(request.as_bytes()));
                assert_eq!(gate.push(&mut bytes), Ok(request.len()));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, judge);
criterion_main!(benches);
