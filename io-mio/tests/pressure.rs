//! Slow readers, half-closed and broken connections, and very many of them.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod support;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use sansws_mio::{By, Settings};
use support::{Called, Client, DEADLINE, Got, TestServer, dial, open_files, request};

/// Small marks, so that little has to be sent.
fn narrow() -> Settings {
    Settings { high_water: 64 << 10, low_water: 16 << 10, max_buffered: 4 << 20, ..Settings::default() }
}

/// A client for which the kernel does not take many megabytes. (With a window below the 64 KiB segments of loopback TCP would crawl.)
fn slow_client(server: &TestServer, path: &str) -> Client {
    let stream = dial(server.addr);
    socket2::SockRef::from(&stream).set_recv_buffer_size(512 << 10).expect("an option");
    let mut stream = stream;
    stream.write_all(request(path, "").as_bytes()).expect("the server reads");
    Client::shake_hands(stream)
}

fn drained(server: &TestServer) -> usize {
    server.calls.try_iter().filter(|called| *called == Called::Drained).count()
}

#[test]
fn a_slow_reader_gets_everything_in_the_end() {
    let server = TestServer::with(Settings { max_buffered: 64 << 20, ..narrow() });
    let mut client = slow_client(&server, "/commands");
    // 20 MB, of which the kernel takes a part.
    client.send("flood 200 100000");
    // What is sent meanwhile waits: the server does not read from a congested connection.
    client.send("and then this");
    let mut other = server.connect("/echo");
    for i in 0..50 {
        other.send(&*format!("not held up {i}"));
        other.expect_text(&format!("not held up {i}"));
    }
    assert_eq!(drained(&server), 0);
    for i in 0..200 {
        assert_eq!(client.next(), Got::Binary(vec![i as u8; 100_000]));
    }
    client.expect_text("and then this");
    server.wait_for(|called| *called == Called::Drained);
    client.send("still here");
    client.expect_text("still here");
    assert_eq!(drained(&server), 0, "drained is called once");
}

#[test]
fn a_paused_connection_is_not_read_from() {
    let server = TestServer::with(Settings { max_buffered: 64 << 20, ..narrow() });
    let mut client = slow_client(&server, "/commands");
    // More than all the buffers of the kernel together: it cannot be written before the server reads again.
    let flood = client.encode("flood 200 100000");
    let bytes = client.encode(&*vec![0; 15 << 20]);
    client.raw(&flood);
    server.wait_for(|called| matches!(called, Called::Flooded { .. }));
    let flooded = Instant::now();
    let mut writer = client.stream.try_clone().expect("a second handle");
    writer.set_write_timeout(None).expect("no time-out");
    let thread = std::thread::spawn(move || {
        writer.write_all(&bytes).expect("the server reads in the end");
        Instant::now()
    });
    while flooded.elapsed() < Duration::from_millis(300) {
        assert!(!thread.is_finished(), "a congested connection was read from");
        std::thread::yield_now();
    }
    for i in 0..200 {
        assert_eq!(client.next(), Got::Binary(vec![i as u8; 100_000]));
    }
    thread.join().expect("written");
}

#[test]
fn over_the_hard_limit_nothing_is_queued_and_nothing_is_lost() {
    let server = TestServer::with(Settings { max_buffered: 1 << 20, ..narrow() });
    let mut client = slow_client(&server, "/commands");
    client.send("flood 2000 10000");
    let flooded = server.wait_for(|called| matches!(called, Called::Flooded { .. })).0;
    let Called::Flooded { sent, refused } = flooded else { panic!("{flooded:?}") };
    assert!(sent > 100 && refused > 100, "{flooded:?}");
    // Those that were not refused arrive, all of them: the first ones, as the queue did not shrink meanwhile.
    for i in 0..sent {
        assert_eq!(client.next(), Got::Binary(vec![i as u8; 10_000]));
    }
    client.send("that was all");
    client.expect_text("that was all");
}

#[test]
fn one_large_message_is_written_from_where_it_is() {
    // 40 MB with an echo: the payload goes by `writev`, what the kernel does not take is queued.
    let server = TestServer::with(Settings {
        max_buffered: 64 << 20,
        message: sansws::Config::new().max_frame_len(64 << 20).max_message_len(64 << 20),
        ..Settings::default()
    });
    let mut client = server.connect("/echo");
    let payload: Vec<u8> = (0..40_000_000_u32).map(|i| (i / 7) as u8).collect();
    let bytes = client.encode(&*payload);
    let mut writer = client.stream.try_clone().expect("a second handle");
    let thread = std::thread::spawn(move || writer.write_all(&bytes));
    assert!(client.next() == Got::Binary(payload), "what comes back is what was sent");
    thread.join().expect("no panic").expect("written");
}

#[test]
fn published_messages_pass_by_a_slow_consumer_that_wants_them_dropped() {
    let server = TestServer::with(narrow());
    let mut slow = slow_client(&server, "/drop");
    slow.send("subscribe news");
    slow.expect_text("Ok(())");
    let mut fast = server.connect("/commands");
    fast.send("subscribe news");
    fast.expect_text("Ok(())");
    let text = "x".repeat(10_000);
    for i in 0..2000 {
        fast.send(&*format!("publish news {i} {text}"));
        fast.expect_text(&format!("{i} {text}"));
    }
    // The slow one gets the first messages, whole and in order, and then none of those that would have had to wait.
    slow.send("dropped");
    let mut count = 0;
    let dropped = loop {
        match slow.next() {
            Got::Text(text) if text.ends_with('x') => {
                assert!(text.starts_with(&format!("{count} ")), "{}", &text[..20]);
                count += 1;
            }
            Got::Text(dropped) => break dropped,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(dropped.parse::<i32>().ok(), Some(2000 - count));
    assert!((1..2000).contains(&count), "{count} arrived");
    server.wait_for(|called| *called == Called::Drained);
    // From here on it is served again.
    fast.send("publish news again");
    fast.expect_text("again");
    slow.expect_text("again");
}

#[test]
fn a_slow_consumer_may_be_closed() {
    let server = TestServer::with(narrow());
    for path in ["/close-slow", "/commands"] {
        // With the second policy it is the hard limit that closes.
        let mut slow = slow_client(&server, path);
        slow.send("subscribe news");
        slow.expect_text("Ok(())");
        let mut fast = server.connect("/commands");
        let text = "x".repeat(100_000);
        for _ in 0..200 {
            fast.send(&*format!("others news {text}"));
        }
        let got = slow.rest();
        assert_eq!(got.last(), Some(&Got::Close(Some((1013, "reads too slowly".into())))));
        assert!(got.len() < 200, "{path}: {}", got.len());
        server.wait_for(|called| match called {
            Called::Close { by: By::Local, cause: Some(cause), was_clean: true, .. } => {
                cause == "the peer reads too slowly"
            }
            _ => false,
        });
    }
}

#[test]
fn half_closed_connections_get_their_answers() {
    let server = TestServer::start();
    let mut client = server.connect("/echo");
    client.send("one");
    client.send(&*vec![1; 1 << 20]);
    client.half_close();
    assert_eq!(client.rest(), [Got::text("one"), Got::Binary(vec![1; 1 << 20])]);
    match server.wait_for_close() {
        Called::Close { code: 1006, was_clean: false, by: By::Remote, cause: Some(_), .. } => {}
        other => panic!("{other:?}"),
    }
    server.wait_for_connections(0);
}

#[test]
fn what_is_owed_to_a_slow_reader_comes_behind_what_is_queued() {
    let server = TestServer::with(Settings { max_buffered: 64 << 20, ..narrow() });
    // Read from although it is congested.
    let mut client = slow_client(&server, "/drop");
    client.send("flood 200 100000");
    client.ping(b"one");
    client.ping(b"two");
    client.close(1000, "");
    let got = client.rest();
    assert!(got[..200].iter().all(|got| matches!(got, Got::Binary(_))));
    assert_eq!(got.last(), Some(&Got::Close(Some((1000, String::new())))));
    assert!(matches!(server.wait_for_close(), Called::Close { was_clean: true, .. }));
}

#[test]
fn a_half_closed_slow_reader_gets_all_that_was_queued() {
    let server = TestServer::with(Settings { max_buffered: 64 << 20, ..narrow() });
    let mut client = slow_client(&server, "/commands");
    client.send("flood 200 100000");
    client.half_close();
    let got = client.rest();
    assert_eq!(got.len(), 200);
}

/// Attacks.
#[test]
fn resets_at_any_point_leave_nothing_behind() {
    let server = TestServer::start();
    let whole = request("/commands", "");
    let mut opened = 0;
    // In the middle of the request.
    for cut in [0, 1, 50, whole.len() - 1] {
        let mut stream = dial(server.addr);
        stream.write_all(&whole.as_bytes()[..cut]).expect("the server reads");
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an option");
    }
    // In the middle of frames, and with output on its way.
    for commands in
        [&[][..], &["x"], &["flood 1000 10000"], &["close 1000 bye"], &["subscribe a", "publish a b"]]
    {
        for cut in [0, 1, 3] {
            let mut client = slow_client(&server, "/commands");
            opened += 1;
            for command in commands {
                client.send(*command);
            }
            let bytes = client.encode("cut");
            client.raw(&bytes[..cut]);
            client.reset();
        }
    }
    server.wait_for_connections(0);
    let closed = server.calls.try_iter().filter(|called| matches!(called, Called::Close { .. })).count();
    assert_eq!(closed, opened, "each has its one last call");
}

#[test]
fn thousands_of_connections() {
    // Both ends are files of this process, and other tests need some: where a shell allows 1024 it is hundreds.
    let count = (open_files().saturating_sub(200) / 4 * 2).min(2000);
    let server = TestServer::start();
    let mut clients: Vec<Client> = (0..count).map(|_| server.connect("/echo")).collect();
    server.wait_for_connections(count);
    for (i, client) in clients.iter_mut().enumerate() {
        client.send(&*format!("message {i}"));
    }
    for (i, client) in clients.iter_mut().enumerate() {
        client.expect_text(&format!("message {i}"));
    }
    // Half of them say good-bye, half of them do not.
    for (i, mut client) in clients.into_iter().enumerate() {
        if i % 2 == 0 {
            client.close(1000, "");
        }
    }
    server.wait_for_connections(0);
    let clean = |called: &Called| matches!(called, Called::Close { was_clean: true, .. });
    let (clean, not): (Vec<Called>, Vec<Called>) =
        server.calls.try_iter().filter(|called| matches!(called, Called::Close { .. })).partition(clean);
    assert_eq!((clean.len(), not.len()), (count / 2, count / 2));
}

#[test]
fn a_busy_connection_does_not_starve_the_others() {
    let server = TestServer::start();
    let mut busy = server.connect("/quiet");
    let bytes = busy.encode(&*vec![0; 60_000]);
    let mut writer = busy.stream.try_clone().expect("a second handle");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            writer.write_all(&bytes).expect("the server reads");
        }
    });
    let mut other = server.connect("/echo");
    for i in 0..200 {
        other.send(&*format!("{i}"));
        other.expect_text(&format!("{i}"));
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    thread.join().expect("no panic");
}

/// Rule R-7.1.1-a.
#[test]
fn the_last_frame_arrives_though_input_was_not_read() {
    let server = TestServer::start();
    // The server fails the connection at the first frame; the megabytes behind it are unread then. A plain close would
    // reset the connection and take the Close frame away.
    let mut client = server.connect("/echo");
    let mut bytes = vec![0x83, 0x80, 0, 0, 0, 0];
    bytes.extend(client.encode(&*vec![0; 4 << 20]));
    let mut writer = client.stream.try_clone().expect("a second handle");
    let thread = std::thread::spawn(move || writer.write_all(&bytes));
    assert_eq!(client.next(), Got::Close(Some((1002, String::new()))));
    thread.join().expect("no panic").expect("the server reads on");
    let mut rest = Vec::new();
    client.stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    client.stream.read_to_end(&mut rest).expect("an orderly end");
}
