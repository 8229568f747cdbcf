//! Deadlines of open and closing connections, with short settings.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod support;

use std::time::{Duration, Instant};

use sansws_mio::{By, Settings, Timeouts};
use support::{Called, DEADLINE, Got, TestServer};

fn with(timeouts: Timeouts) -> TestServer {
    TestServer::with(Settings { timeouts, ..Settings::default() })
}

const SHORT: Duration = Duration::from_millis(50);

/// Not before its time. `start` is from before the connection: so it is from before any time that the server took, once in each turn.
#[track_caller]
fn assert_not_early(start: Instant, deadline: Duration) {
    let elapsed = start.elapsed();
    assert!(elapsed >= deadline, "after {elapsed:?}, not {deadline:?}");
}

#[test]
fn a_peer_that_answers_pings_lives() {
    let server = with(Timeouts::new().ping_interval(Some(SHORT)).pong(DEADLINE));
    let mut client = server.connect("/echo");
    for _ in 0..5 {
        assert_eq!(client.next(), Got::Ping(Vec::new()));
    }
    client.send("alive");
    loop {
        match client.next() {
            Got::Ping(_) => {}
            got => break assert_eq!(got, Got::text("alive")),
        }
    }
    server.wait_for(|called| *called == Called::Pong(Vec::new()));
    assert!(!server.calls.try_iter().any(|called| matches!(called, Called::Close { .. })));
}

#[test]
fn a_peer_that_does_not_is_given_up() {
    let server = with(Timeouts::new().ping_interval(Some(SHORT)).pong(SHORT));
    let start = Instant::now();
    let mut client = server.connect("/echo");
    client.polite = false;
    assert_eq!(client.next(), Got::Ping(Vec::new()));
    assert_not_early(start, SHORT);
    assert_eq!(client.rest(), [Got::Close(Some((1011, String::new())))]);
    assert_not_early(start, SHORT * 2);
    assert_eq!(
        server.wait_for_close(),
        Called::Close {
            code: 1006,
            reason: String::new(),
            was_clean: false,
            by: By::Local,
            cause: Some("no sign of life in time".into())
        }
    );
}

#[test]
fn any_byte_is_a_sign_of_life() {
    // Twenty times what lies between two bytes, as this thread may have to wait for a busy machine.
    let pong = SHORT * 20;
    let server = with(Timeouts::new().ping_interval(Some(SHORT)).pong(pong));
    let mut client = server.connect("/quiet");
    client.polite = false;
    // One message, byte by byte, over far more time than a Pong may take; no Pong at all.
    let bytes = client.encode("as slow as can be, for as long as it takes");
    let start = Instant::now();
    for byte in bytes {
        client.raw(&[byte]);
        let next = Instant::now() + SHORT;
        while Instant::now() < next {
            let _ = client.try_next(Duration::from_millis(10));
        }
    }
    assert!(start.elapsed() > pong * 2);
    server.wait_for(|called| *called == Called::Text("as slow as can be, for as long as it takes".into()));
}

#[test]
fn a_peer_that_reads_nothing_while_output_waits_is_given_up() {
    // Long enough for the flood to be sent before.
    const PONG: Duration = Duration::from_secs(2);
    let server = TestServer::with(Settings {
        timeouts: Timeouts::new().ping_interval(Some(SHORT)).pong(PONG).close(SHORT),
        max_buffered: 64 << 20,
        ..Settings::default()
    });
    let start = Instant::now();
    let mut client = server.connect("/commands");
    client.send("flood 300 100000");
    let (flooded, before) = server.wait_for(|called| matches!(called, Called::Flooded { .. }));
    assert!(matches!(flooded, Called::Flooded { sent: 300, .. }), "{flooded:?} after {before:?}");
    // No Ping gets through behind that; but nothing is acknowledged either.
    match server.wait_for_close() {
        Called::Close { was_clean: false, by: By::Local, cause: Some(cause), .. } => {
            assert_eq!(cause, "no sign of life in time");
        }
        other => panic!("{other:?}"),
    }
    assert_not_early(start, SHORT + PONG);
    server.wait_for_connections(0);
}

#[test]
fn silence() {
    let timeouts = Timeouts::new().ping_interval(None).idle(Some(SHORT));
    let server = with(timeouts);
    let start = Instant::now();
    let mut client = server.connect("/echo");
    assert_eq!(client.rest(), [Got::Close(Some((1001, "silent for too long".into())))]);
    assert_not_early(start, SHORT);
    match server.wait_for_close() {
        Called::Close { code: 1001, was_clean: true, by: By::Local, cause: Some(cause), .. } => {
            assert_eq!(cause, "silent for too long");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_close_that_is_not_answered() {
    let server = with(Timeouts::new().close(SHORT));
    let start = Instant::now();
    let mut client = server.connect("/commands");
    client.polite = false;
    client.send("close 1000 bye");
    assert_eq!(client.rest(), [Got::Close(Some((1000, "bye".into())))]);
    assert_not_early(start, SHORT);
    match server.wait_for_close() {
        Called::Close { code: 1006, was_clean: false, by: By::Local, cause: Some(cause), .. } => {
            assert_eq!(cause, "the connection did not close in time");
        }
        other => panic!("{other:?}"),
    }
    server.wait_for_connections(0);
}

/// Rule R-7.1.1-a.
#[test]
fn a_closing_peer_that_keeps_sending_is_dropped() {
    let server = with(Timeouts::new().close(SHORT));
    let start = Instant::now();
    let mut client = server.connect("/echo");
    client.close(1000, "");
    // Never a FIN, but bytes for ever: the deadline does not move.
    use std::io::Write;
    while client.stream.write_all(&[0; 100]).is_ok() {
        assert!(start.elapsed() < DEADLINE, "still there");
    }
    assert_not_early(start, SHORT);
    server.wait_for_connections(0);
}
