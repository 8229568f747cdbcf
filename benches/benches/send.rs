//! Messages encoded into a buffer that is reused: as a server sends them, and masked as a client does.
#![allow(missing_docs, reason = "criterion_group! makes functions without")]

use core::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sansws::{Config, Connection};
use sansws_benches::{KEY, SIZES, binary};

/// How many bytes one iteration sends, at the least.
const BATCH: usize = 32 << 10;

fn bench(c: &mut Criterion, name: &str, mut connection: Connection) {
    let mut group = c.benchmark_group(format!("send/{name}"));
    for size in SIZES {
        let payload = binary(size);
        let count = (BATCH / size).max(1);
        let mut out = Vec::new();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| {
                out.clear();
                for _ in 0..count {
                    connection.send_binary(black_box(&payload), &mut out).expect("an open connection");
                }
                black_box(&out);
            });
        });
    }
}

fn send(c: &mut Criterion) {
    bench(c, "server", Connection::server(&Config::default()));
    // The key is constant here: what a generator costs is the embedder's.
    bench(c, "client", Connection::client(&Config::default(), || KEY));
}

criterion_group!(benches, send);
criterion_main!(benches);
