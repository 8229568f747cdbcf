//! The grid of the codec table for criterion, one cell a group; without the feature `peers` ours, the floor and the limits. `cargo run
//! --bin codec` measures the same in turns, for ratios that others on the machine do not disturb. Beside it the table of a server's
//! connections.
#![allow(missing_docs, reason = "criterion_group! makes functions without")]

use core::hint::black_box;
use core::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sansws::{Config, Connection, Message};
use sansws_benches::codec::grid::{Cell, READS};
use sansws_benches::{binary, client_frame};

fn grid(c: &mut Criterion) {
    for cell in Cell::all(&READS) {
        let mut group = c.benchmark_group(cell.to_string());
        for mut entry in cell.prepare(0) {
            group.throughput(Throughput::Elements(entry.messages as u64));
            group.bench_function(entry.name, |b| b.iter(|| black_box(&mut *entry.work).run()));
        }
    }
}

/// One message for a connection of a server's table, where it is whole, and where it is parked.
fn table(c: &mut Criterion) {
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

// Short: there are hundreds.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
}

criterion_group!(name = codec; config = short(); targets = grid);
criterion_group!(parked, table);
criterion_main!(codec, parked);
