//! Very much of something from one peer: the server stays where it was, in memory too. Both ends are this process, so what is measured is
//! theirs together; what the client sends is allocated before.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use sansws_mio::{By, Settings};
use support::{Called, Client, Got, TestServer, dial, request};

/// One at a time: they measure the memory of the process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

const MILLION: usize = 1_000_000;

/// Resident memory in bytes, where the system tells it; else it stays the same.
fn resident() -> usize {
    statm(1)
}

/// Memory that was asked for, touched or not; likewise. (A thread's stack is in it.)
fn allocated() -> usize {
    statm(5)
}

/// A number of `/proc/self/statm` (proc(5)), in bytes.
fn statm(index: usize) -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(index).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// Less than any of these floods would need if a few bytes were kept for each of its pieces.
const FLAT: usize = 8 << 20;

#[track_caller]
fn assert_flat(before: usize) {
    let after = resident();
    assert!(after < before + FLAT, "from {} KiB to {} KiB", before >> 10, after >> 10);
}

/// Writes on a thread, so that the server's answers can be read meanwhile; or not, as the test likes.
///
/// The bytes stay where they are until the test drops them: were they given back, as much could be taken unseen.
fn write_all(stream: &TcpStream, bytes: &Arc<Vec<u8>>) -> JoinHandle<std::io::Result<()>> {
    let (mut stream, bytes) = (stream.try_clone().expect("a second handle"), Arc::clone(bytes));
    std::thread::spawn(move || stream.write_all(&bytes))
}

fn ping(payload: &[u8]) -> Vec<u8> {
    [&[0x89, 0x80 | payload.len() as u8, 0, 0, 0, 0][..], payload].concat()
}

/// Attack A-10.
#[test]
fn a_million_small_pings_are_a_policy_violation() {
    let _alone = alone();
    let server = TestServer::start();
    let mut client = server.connect("/echo");
    let bytes = Arc::new(ping(b"").repeat(MILLION));
    let before = resident();
    let writer = write_all(&client.stream, &bytes);
    // Pongs, and then the Close; nothing is reset while the rest of the million arrives.
    let got = client.rest();
    assert_eq!(got.last(), Some(&Got::Close(Some((1008, String::new())))));
    assert!(got.len() < 100_000, "{} answers", got.len());
    writer.join().expect("no panic").expect("the server reads on");
    match server.wait_for_close() {
        Called::Close { by: By::Local, was_clean: false, cause: Some(cause), .. } => {
            assert!(cause.contains("control frames"), "{cause}");
        }
        other => panic!("{other:?}"),
    }
    assert_flat(before + got.len() * size_of::<Got>());
}

/// Attack A-10.
#[test]
fn a_million_long_pings_that_nobody_reads_the_pongs_of_wait_as_one() {
    let _alone = alone();
    // Few enough in 128 KiB that none of them is one too many.
    let server = TestServer::start();
    let mut client = server.connect("/echo");
    let bytes = Arc::new(ping(&[b'?'; 125]).repeat(MILLION));
    let before = resident();
    // The client reads nothing before it has written all: from some point on the server cannot write.
    write_all(&client.stream, &bytes).join().expect("no panic").expect("the server reads on");
    client.send("still there");
    client.ping(b"last");
    client.send("end");
    assert_flat(before);
    client.stream.set_read_timeout(Some(support::DEADLINE)).expect("a time-out");
    let (mut pongs, mut last) = (0_usize, Vec::new());
    loop {
        match client.next() {
            Got::Pong(payload) => {
                pongs += 1;
                last = payload;
            }
            got if got == Got::text("end") => break,
            got => assert_eq!(got, Got::text("still there")),
        }
    }
    // What the kernel took, and the last one; the text may have gone out before it.
    assert!(pongs < MILLION / 2, "{pongs} Pongs");
    if last != b"last" {
        assert_eq!(client.next(), Got::Pong(b"last".into()));
    }
}

/// Attack A-09.
#[test]
fn a_million_empty_fragments_are_a_policy_violation() {
    let _alone = alone();
    let server = TestServer::start();
    for path in ["/echo", "/stream"] {
        let mut client = server.connect(path);
        client.raw(&[0x02, 0x80, 0, 0, 0, 0]);
        let bytes = Arc::new([0x00, 0x80, 0, 0, 0, 0].repeat(MILLION));
        let before = resident();
        let writer = write_all(&client.stream, &bytes);
        let close = loop {
            match client.next() {
                // A streaming echo answers each with one.
                Got::Binary(_) => {}
                got => break got,
            }
        };
        assert_eq!(close, Got::Close(Some((1008, String::new()))), "{path}");
        writer.join().expect("no panic").expect("the server reads on");
        assert_flat(before + chunks_told(&server) * size_of::<Called>());
    }
}

/// How often the handler told of a chunk; what it told is this process's memory too.
fn chunks_told(server: &TestServer) -> usize {
    server.wait_for(|called| matches!(called, Called::Close { .. })).1.len() * 2
}

/// Attacks.
#[test]
fn promised_payloads_cost_nothing_until_they_come() {
    let _alone = alone();
    let server = TestServer::start();
    let mut clients: Vec<Client> = (0..150).map(|_| server.connect("/quiet")).collect();
    let mut witness = server.connect("/echo");
    let (before, allocated_before) = (resident(), allocated());
    // As much as the limit allows, and of it a little, in both kinds, or nothing.
    for (i, client) in clients.iter_mut().enumerate() {
        client.raw(&[if i % 2 == 0 { 0x82 } else { 0x81 }, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        if i % 3 > 0 {
            client.raw(&[7; 100]);
        }
    }
    // One more is answered when all of them have been read, or soon after.
    witness.send("read");
    witness.expect_text("read");
    assert_flat(before);
    // What is only reserved is not resident.
    let allocated = allocated();
    let from_to = format!("from {} KiB to {} KiB", allocated_before >> 10, allocated >> 10);
    assert!(allocated < allocated_before + FLAT, "{from_to} allocated");
    drop(clients);
    // And more than the limit allows, in one frame or behind a fragment: the header alone is enough.
    for len in [(16 << 20) + 1, 1 << 31, (1 << 32) + 1, 1 << 62, (1 << 63) - 1_u64] {
        for fragment in [&[][..], &[0x02, 0x81, 0, 0, 0, 0, 9]] {
            let mut client = server.connect("/quiet");
            client.raw(fragment);
            client.raw(&[if fragment.is_empty() { 0x82 } else { 0x80 }, 0xff]);
            client.raw(&len.to_be_bytes());
            client.raw(&[0; 4]);
            assert_eq!(client.rest(), [Got::Close(Some((1009, String::new())))], "{len}");
        }
    }
    // The sum of the fragments counts (§10.4).
    let mut client = server.connect("/quiet");
    let mut bytes = [&[0x02, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0][..], &vec![0; 16 << 20]].concat();
    bytes.extend([0x00, 0x81, 0, 0, 0, 0]);
    client.raw(&bytes);
    assert_eq!(client.rest(), [Got::Close(Some((1009, String::new())))]);
}

/// Attacks.
#[test]
fn a_head_of_64_kib_byte_by_byte_ends_at_the_limit() {
    let _alone = alone();
    let server = TestServer::with(Settings { max_connections: 1000, ..Settings::default() });
    let before = resident();
    let mut stream = dial(server.addr);
    let head = [&b"GET / HTTP/1.1\r\nX: "[..], &[b'a'; 64 << 10], b"\r\n\r\n"].concat();
    for byte in head.chunks(1) {
        stream.write_all(byte).expect("the server reads on");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an orderly end");
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_flat(before);
}

/// Attack A-19.
#[test]
fn what_comes_behind_a_request_is_not_collected() {
    let _alone = alone();
    let server = TestServer::start();
    let page = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let bytes = Arc::new(page.repeat(MILLION));
    let before = resident();
    let mut stream = dial(server.addr);
    let writer = write_all(&stream, &bytes);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an orderly end");
    assert_eq!(answer.windows(9).filter(|nine| nine == b"HTTP/1.1 ").count(), 1, "one answer");
    // The end of the stream came before the last request did; the server takes them until its time is up.
    let _ = writer.join().expect("no panic");
    assert_flat(before);
    drop(stream);

    // Frames behind the first bytes of a request: they are not looked at before the connection is open, nor kept then.
    let (mut client, request) = (dial(server.addr), request("/quiet", ""));
    let frames = [&[0x82, 0xfe, 0x80, 0, 0, 0, 0, 0][..], &[0; 0x8000]].concat().repeat(1000);
    let bytes = Arc::new([&request.as_bytes()[10..], &frames].concat());
    let before = resident();
    client.write_all(&request.as_bytes()[..10]).expect("the server reads");
    let writer = write_all(&client, &bytes);
    writer.join().expect("no panic").expect("the server reads");
    let mut client = Client::shake_hands(client);
    client.close(1000, "");
    assert_eq!(client.rest(), [Got::Close(Some((1000, String::new())))]);
    let (_, told) = server.wait_for(|called| matches!(called, Called::Close { .. }));
    assert_eq!(told.iter().filter(|called| **called == Called::Binary(0x8000)).count(), 1000);
    assert_flat(before);
}
