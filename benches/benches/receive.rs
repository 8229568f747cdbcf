//! A server receives: the bytes of a read are copied in, unmasked, validated and handed out as messages.
#![allow(missing_docs, reason = "criterion_group! makes functions without")]

use core::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sansws::{Assembler, Config, Connection, Event, Message};
use sansws_benches::{SIZES, ascii, binary, client_fragments, client_frame, multi_byte};

/// How much a driver reads at once.
const READ: usize = 64 << 10;

/// How many bytes of frames one iteration receives, at the least, so that its fixed costs vanish.
const BATCH: usize = 32 << 10;

struct Server {
    connection: Connection,
    messages: Assembler,
    buffer: Vec<u8>,
}

impl Server {
    fn new() -> Self {
        Self {
            connection: Connection::server(&Config::default()),
            messages: Assembler::new(),
            buffer: vec![0; READ],
        }
    }

    /// Returns the number of messages and of their bytes.
    fn receive(&mut self, stream: &[u8]) -> (usize, usize) {
        let (mut count, mut bytes) = (0, 0);
        for read in stream.chunks(READ) {
            let (mut input, _) = self.buffer.split_at_mut(read.len());
            input.copy_from_slice(read);
            while let Some(event) = self.connection.receive(&mut input) {
                let message = match event {
                    Event::Text(chunk) => self.messages.text(chunk),
                    Event::Binary(chunk) => self.messages.binary(chunk),
                    other => panic!("unexpected {other:?}"),
                };
                if let Some(message) = message {
                    count += 1;
                    bytes += black_box(message).as_bytes().len();
                }
            }
        }
        (count, bytes)
    }
}

fn bench(c: &mut Criterion, name: &str, size: usize, message: &[u8]) {
    let count = (BATCH / message.len()).max(1);
    let stream = message.repeat(count);
    let mut server = Server::new();
    assert_eq!(server.receive(&stream).0, count);
    let mut group = c.benchmark_group(format!("receive/{name}"));
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function(BenchmarkId::from_parameter(size), |b| {
        b.iter(|| server.receive(black_box(&stream)));
    });
}

fn receive(c: &mut Criterion) {
    for size in SIZES {
        bench(c, "binary", size, &client_frame(Message::Binary(&binary(size))));
    }
    for size in SIZES {
        bench(c, "ascii", size, &client_frame(Message::Text(&ascii(size))));
    }
    for size in SIZES {
        bench(c, "multi-byte", size, &client_frame(Message::Text(&multi_byte(size))));
    }
    let text = multi_byte(16 << 10);
    bench(c, "fragments-of-64", text.len(), &client_fragments(&text, 64));
}

criterion_group!(benches, receive);
criterion_main!(benches);
