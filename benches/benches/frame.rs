//! Frame headers alone: decode and encode, each of the three forms of the length.
#![allow(missing_docs, reason = "criterion_group! makes functions without")]

use core::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sansws::{FrameHeader, Opcode, Rsv};

fn headers(c: &mut Criterion) {
    for payload_len in [16, 1 << 10, 1 << 20] {
        let header = FrameHeader {
            fin: true,
            rsv: Rsv::NONE,
            opcode: Opcode::Binary,
            masking_key: Some(sansws_benches::KEY),
            payload_len,
        };
        let encoded = header.encode().expect("a legal header");
        c.bench_function(&format!("frame/decode/{payload_len}"), |b| {
            b.iter(|| FrameHeader::decode(black_box(encoded.as_bytes())));
        });
        c.bench_function(&format!("frame/encode/{payload_len}"), |b| {
            b.iter(|| black_box(&header).encode());
        });
    }
}

criterion_group!(benches, headers);
criterion_main!(benches);
