//! Masking in place, beside the copy that bounds it.
#![allow(missing_docs, reason = "criterion_group! makes functions without")]

use core::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sansws::apply_mask;
use sansws_benches::{KEY, SIZES, binary};

fn mask(c: &mut Criterion) {
    let mut group = c.benchmark_group("mask");
    for size in SIZES {
        let mut payload = binary(size);
        let mut copy = vec![0; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("apply_mask", size), |b| {
            b.iter(|| apply_mask(black_box(KEY), black_box(&mut payload)));
        });
        group.bench_function(BenchmarkId::new("memcpy", size), |b| {
            b.iter(|| black_box(&mut copy).copy_from_slice(black_box(&payload)));
        });
    }
}

criterion_group!(benches, mask);
criterion_main!(benches);
