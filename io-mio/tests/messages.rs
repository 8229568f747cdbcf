//! Messages, fragments, control frames and closing handshakes over real sockets.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod support;

use std::io::Write;

use sansws::FrameHeader;
use sansws_mio::{By, Settings};
use support::{Called, Client, Got, TestServer, dial, masking_key, request};

#[test]
fn messages_come_back() {
    let server = TestServer::start();
    let mut client = server.connect("/echo");
    for len in [0, 1, 125, 126, 65_535, 65_536, 100_000, 3 << 20] {
        let payload: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        client.send(&*payload);
        assert_eq!(client.next(), Got::Binary(payload));
        let text: String = "grüße 🦀 ".chars().cycle().take(len / 3).collect();
        client.send(&*text);
        assert_eq!(client.next(), Got::Text(text));
    }
}

#[test]
fn many_messages_in_one_write_come_back_in_order() {
    let server = TestServer::start();
    let mut client = server.connect("/echo");
    let mut bytes = Vec::new();
    for i in 0..5000 {
        bytes.extend(client.encode(&*format!("message {i}")));
    }
    client.raw(&bytes);
    for i in 0..5000 {
        client.expect_text(&format!("message {i}"));
    }
}

/// Rule R-5.4-b.
#[test]
fn fragments_with_a_ping_between_them() {
    let server = TestServer::start();
    let mut client = server.connect("/echo");
    let mut out = Vec::new();
    client.conn.send_text_fragment("one ", false, &mut out).expect("open");
    client.conn.send_ping(b"between", &mut out).expect("open");
    client.conn.send_text_fragment("", false, &mut out).expect("open");
    client.conn.send_text_fragment("two", true, &mut out).expect("open");
    client.raw(&out);
    assert_eq!(client.next(), Got::Pong(b"between".into()));
    client.expect_text("one two");
}

/// Rule R-5.5.2-a.
#[test]
fn every_ping_gets_its_pong() {
    let server = TestServer::start();
    let mut client = server.connect("/quiet");
    let mut out = Vec::new();
    for i in 0..1000_u16 {
        client.conn.send_ping(&i.to_be_bytes(), &mut out).expect("open");
    }
    client.raw(&out);
    for i in 0..1000_u16 {
        assert_eq!(client.next(), Got::Pong(i.to_be_bytes().into()));
    }
}

#[test]
fn our_ping_is_answered() {
    let server = TestServer::start();
    let mut client = server.connect("/commands");
    client.send("ping hello");
    assert_eq!(client.next(), Got::Ping(b"hello".into()));
    server.wait_for(|called| *called == Called::Pong(b"hello".into()));
}

#[test]
fn the_request_may_come_byte_by_byte() {
    let server = TestServer::start();
    let mut stream = dial(server.addr);
    for byte in request("/echo", "").as_bytes() {
        stream.write_all(&[*byte]).expect("the server reads");
    }
    let mut client = Client::shake_hands(stream);
    let bytes = client.encode("grüße");
    for byte in bytes {
        client.raw(&[byte]);
    }
    client.expect_text("grüße");
}

/// Rule R-4.2.2-d.
#[test]
fn frames_may_follow_the_request_at_once() {
    let server = TestServer::start();
    // In one write; and with the head cut, so that it has to be collected.
    for cut in [0, 10, 150] {
        let mut bytes = request("/echo", "").into_bytes();
        let mut frames = sansws::Connection::client(&Default::default(), masking_key);
        frames.send_text("first", &mut bytes).expect("open");
        frames.send_binary(&[7; 300], &mut bytes).expect("open");
        let end = bytes.len() - 1;
        let mut stream = dial(server.addr);
        for part in [&bytes[..cut], &bytes[cut..end], &bytes[end..]] {
            stream.write_all(part).expect("the server reads");
        }
        let mut client = Client::shake_hands(stream);
        client.expect_text("first");
        assert_eq!(client.next(), Got::Binary(vec![7; 300]));
    }
}

#[test]
fn a_message_may_be_streamed() {
    let server =
        TestServer::with(Settings { high_water: 64 << 20, max_buffered: 64 << 20, ..Settings::default() });
    let mut client = server.connect("/stream");
    let payload: Vec<u8> = (0..2_000_000_u32).map(|i| (i % 253) as u8).collect();
    let bytes = client.encode(&*payload);
    let mut writer = client.stream.try_clone().expect("a second handle");
    let thread = std::thread::spawn(move || writer.write_all(&bytes));
    assert_eq!(client.next(), Got::Binary(payload));
    thread.join().expect("no panic").expect("written");
    client.send("ü");
    client.expect_text("ü");
    let chunks: Vec<Called> =
        server.calls.try_iter().filter(|called| matches!(called, Called::Chunk { .. })).collect();
    assert!(chunks.len() > 10, "{} chunks", chunks.len());
    assert!(matches!(chunks.first(), Some(Called::Chunk { first: true, last: false, .. })));
    assert!(matches!(chunks.last(), Some(Called::Chunk { first: false, last: true, .. })));
}

/// Rules R-5.5.1-b and R-5.5.1-c.
#[test]
fn the_client_closes() {
    let server = TestServer::start();
    let mut client = server.connect("/echo");
    client.close(4321, "bye");
    assert_eq!(client.next(), Got::Close(Some((4321, "bye".into()))), "§5.5.1: echoed");
    // §7.1.1: the server closes TCP.
    assert_eq!(client.next(), Got::Eof);
    let close =
        Called::Close { code: 4321, reason: "bye".into(), was_clean: true, by: By::Remote, cause: None };
    assert_eq!(server.wait_for_close(), close);
    drop(client);
    server.wait_for_connections(0);
}

/// Rules R-5.5.1-e and R-7.1.5-b.
#[test]
fn a_close_without_a_code() {
    let server = TestServer::start();
    let mut client = server.connect("/echo");
    let mut out = Vec::new();
    client.conn.close_without_status(&mut out).expect("open");
    client.raw(&out);
    assert_eq!(client.rest(), [Got::Close(None)]);
    let close =
        Called::Close { code: 1005, reason: String::new(), was_clean: true, by: By::Remote, cause: None };
    assert_eq!(server.wait_for_close(), close);
}

/// Rules R-5.5.1-c and R-7.1.5-a.
#[test]
fn the_server_closes() {
    let server = TestServer::start();
    let mut client = server.connect("/commands");
    client.send("close 1000 that is all");
    assert_eq!(client.next(), Got::Close(Some((1000, "that is all".into()))));
    assert_eq!(client.next(), Got::Eof);
    // The code is that of the Close frame received (§7.1.5).
    let close = Called::Close {
        code: 1000,
        reason: "that is all".into(),
        was_clean: true,
        by: By::Local,
        cause: None,
    };
    assert_eq!(server.wait_for_close(), close);
}

/// Rule R-5.5.1-a.
#[test]
fn nothing_is_heard_after_closing() {
    let server = TestServer::start();
    let mut client = server.connect("/commands");
    client.polite = false;
    let mut bytes = client.encode("close 1000 enough");
    bytes.extend(client.encode("flood 1 1"));
    client.raw(&bytes);
    assert_eq!(client.next(), Got::Close(Some((1000, "enough".into()))));
    let mut answer = Vec::new();
    client.conn.poll_transmit(&mut answer).expect("memory");
    client.raw(&answer);
    assert_eq!(client.rest(), []);
    let (close, others) = server.wait_for(|called| matches!(called, Called::Close { .. }));
    assert!(matches!(close, Called::Close { code: 1000, was_clean: true, .. }));
    assert!(!others.iter().any(|called| matches!(called, Called::Flooded { .. })), "{others:?}");
}

/// Rules R-5.1-a, R-7.1.7-a and R-7.1.7-b. Attack A-11.
#[test]
fn wrong_frames_fail_the_connection_with_the_right_code() {
    let cases: [(&[u8], u16, &str); 6] = [
        (&[0x81, 0x01, b'a'], 1002, "not masked"),
        (&[0xc1, 0x80, 0, 0, 0, 0], 1002, "reserved bit"),
        (&[0x83, 0x80, 0, 0, 0, 0], 1002, "reserved opcode"),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007, "not UTF-8"),
        (&[0x82, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0], 1009, "over the limit"),
        (&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed], 1002, "status code"),
    ];
    let server = TestServer::start();
    for (bytes, code, cause) in cases {
        let mut client = server.connect("/echo");
        client.raw(bytes);
        // What follows is not even looked at.
        client.send("after the failure");
        assert_eq!(client.rest(), [Got::Close(Some((code, String::new())))], "{cause}");
        match server.wait_for_close() {
            Called::Close { code: 1006, was_clean: false, by: By::Local, cause: Some(told), .. } => {
                assert!(told.contains(cause), "{told}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Attack A-10.
#[test]
fn too_many_control_frames_are_a_policy_violation() {
    let server = TestServer::with(Settings { max_control_frames: 10, ..Settings::default() });
    let mut client = server.connect("/echo");
    let mut out = Vec::new();
    for _ in 0..11 {
        client.conn.send_ping(b"", &mut out).expect("open");
    }
    client.raw(&out);
    let got = client.rest();
    assert_eq!(got.last(), Some(&Got::Close(Some((1008, String::new())))));
    assert!(matches!(server.wait_for_close(), Called::Close { by: By::Local, was_clean: false, .. }));
}

/// Rule R-10.4-b.
#[test]
fn a_long_frame_header_is_refused_before_its_payload() {
    let server = TestServer::with(Settings {
        message: sansws::Config::new().max_frame_len(1000),
        ..Settings::default()
    });
    let mut client = server.connect("/echo");
    let header = FrameHeader {
        fin: true,
        rsv: sansws::Rsv::NONE,
        opcode: sansws::Opcode::Binary,
        masking_key: Some([0; 4]),
        payload_len: 1001,
    };
    client.raw(header.encode().expect("legal").as_bytes());
    assert_eq!(client.rest(), [Got::Close(Some((1009, String::new())))]);
}
