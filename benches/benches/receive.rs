//! A server receives: the bytes of a read are copied in, unmasked, validated and handed out as messages. Beside it a floor.
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
            messages: Assembler::with_max_reserve(1 << 20),
            buffer: vec![0; READ],
        }
    }

    /// Reads as a driver does, into the message first, if one is arriving, then into the buffer. Returns the number of
    /// messages and of their bytes.
    fn receive(&mut self, mut stream: &[u8]) -> (usize, usize) {
        let (mut count, mut bytes) = (0, 0);
        let mut message = |message: Message<'_>| {
            count += 1;
            bytes += black_box(message).as_bytes().len();
        };
        while !stream.is_empty() {
            if let Some(space) = self.messages.space(&self.connection) {
                let (read, rest) = stream.split_at(space.len().min(stream.len()));
                space[..read.len()].copy_from_slice(read);
                stream = rest;
                self.messages.filled(&mut self.connection, read.len()).map(&mut message);
            }
            let (read, rest) = stream.split_at(READ.min(stream.len()));
            stream = rest;
            let (mut input, _) = self.buffer.split_at_mut(read.len());
            input.copy_from_slice(read);
            while let Some(event) = self.connection.receive(&mut input) {
                let received = match event {
                    Event::Text(chunk) => self.messages.text(chunk),
                    Event::Binary(chunk) => self.messages.binary(chunk),
                    other => panic!("unexpected {other:?}"),
                };
                received.expect("memory").map(&mut message);
            }
        }
        (count, bytes)
    }
}

/// What a server must do at the least, written by hand for this one kind of message: binary, unfragmented, all well.
struct Floor {
    buffer: Vec<u8>,
}

impl Floor {
    fn receive(&mut self, stream: &[u8], size: usize) -> usize {
        let header_len = match size {
            0..=125 => 6,
            126..=65_535 => 8,
            _ => 14,
        };
        let mut count = 0;
        for frame in stream.chunks(header_len + size) {
            let place = &mut self.buffer[..frame.len()];
            place.copy_from_slice(frame);
            let (header, payload) = place.split_at_mut(header_len);
            let Some(key) = header.last_chunk::<4>() else { return 0 };
            sansws::apply_mask(*key, payload);
            count += usize::from(black_box(payload).len() == size);
        }
        count
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
        let stream = client_frame(Message::Binary(&binary(size))).repeat((BATCH / size).max(1));
        let mut floor = Floor { buffer: vec![0; size + 14] };
        let mut group = c.benchmark_group("receive/floor");
        group.throughput(Throughput::Elements((BATCH / size).max(1) as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| floor.receive(black_box(&stream), size));
        });
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

/// One message for a connection of a server's table, where it is whole, and where it is parked.
fn parked(c: &mut Criterion) {
    let frame = client_frame(Message::Binary(&binary(16)));
    let mut group = c.benchmark_group("receive/table");
    let mut buffer = frame.clone();
    group.bench_function("whole", |b| {
        let mut table = [Connection::server(&Config::default())];
        b.iter(|| {
            buffer.copy_from_slice(black_box(&frame));
            let mut input = &mut buffer[..];
            while let Some(event) = black_box(&mut table)[0].receive(&mut input) {
                black_box(event);
            }
        });
    });
    let mut buffer = frame.clone();
    group.bench_function("parked", |b| {
        let mut table = [Connection::server(&Config::default()).park().ok()];
        b.iter(|| {
            buffer.copy_from_slice(black_box(&frame));
            let mut input = &mut buffer[..];
            let mut connection = black_box(&mut table)[0].take().expect("it is idle").unpark();
            while let Some(event) = connection.receive(&mut input) {
                black_box(event);
            }
            table[0] = connection.park().ok();
        });
    });
}

criterion_group!(benches, receive, parked);
criterion_main!(benches);
