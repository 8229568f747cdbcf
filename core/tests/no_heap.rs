//! A conversation in fixed slices: what a device without a heap does.

use sansws::handshake::{HeaderStorage, client, server};
use sansws::{
    CloseCode, CloseFrame, Config, Connection, Event, ProtocolError, SendError, SliceOutput, State,
};

fn pair(tx: &mut [u8]) -> (Connection, Connection) {
    let (request, nonce) = (client::Offer::new("localhost", "/"), [3; 16]);
    let mut asked = [0; 256];
    let mut out = SliceOutput::new(&mut asked);
    request.write(&nonce, &mut out).unwrap();
    let mut answer = SliceOutput::new(tx);
    let (server, used) = server::accept(out.filled(), &Config::default(), &mut answer).unwrap().unwrap();
    assert_eq!(used, out.filled().len());
    let mut storage = HeaderStorage::<16>::default();
    let (response, used) = client::Response::parse(answer.filled(), &mut storage).unwrap().unwrap();
    assert_eq!(used, answer.filled().len());
    (server, response.accept(&request, &nonce, &Config::default(), || [1, 2, 3, 4]).unwrap())
}

#[test]
fn messages_go_both_ways_and_the_connection_closes() {
    let mut tx = [0; 256];
    let (mut server, mut client) = pair(&mut tx);
    let (mut up, mut down) = ([0; 64], [0; 64]);
    let mut up = SliceOutput::new(&mut up);
    client.send_text("hello", &mut up).unwrap();
    client.close(1000.into(), "", &mut up).unwrap();

    let mut bytes = [0; 64];
    let len = up.filled().len();
    bytes[..len].copy_from_slice(up.filled());
    let (mut input, mut out) = (&mut bytes[..len], SliceOutput::new(&mut down));
    let mut heard = 0;
    while let Some(event) = server.receive(&mut input) {
        if let Event::Text(chunk) = event {
            assert_eq!(chunk.whole(), Some("hello"));
            server.send_text(chunk.text, &mut out).unwrap();
            heard += 1;
        }
    }
    server.poll_transmit(&mut out).unwrap();
    assert_eq!((heard, server.state()), (1, State::Closed));
    assert_eq!(out.filled(), b"\x81\x05hello\x88\x02\x03\xe8");

    let len = out.filled().len();
    bytes[..len].copy_from_slice(out.filled());
    let mut input = &mut bytes[..len];
    let Some(Event::Text(chunk)) = client.receive(&mut input) else { panic!("the echo") };
    assert_eq!(chunk.whole(), Some("hello"));
    let close = CloseFrame { code: CloseCode::NORMAL, reason: "" };
    assert_eq!(client.receive(&mut input), Some(Event::Close(Some(close))));
    assert!(input.is_empty() && client.was_clean());
}

/// Attack A-06.
#[test]
fn a_frame_that_is_only_announced_needs_no_room() {
    // 2⁶³ − 1 bytes, of which one comes.
    let to_server = b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0!";
    let to_client = b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff!";
    let unlimited = Config::new().max_frame_len(u64::MAX).max_message_len(u64::MAX);
    for config in [unlimited, Config::default()] {
        let ends = [
            (Connection::server(&config), &to_server[..]),
            (Connection::client(&config, || [1, 2, 3, 4]), &to_client[..]),
        ];
        for (mut connection, bytes) in ends {
            let (header, payload) = bytes.split_at(bytes.len() - 1);
            for &byte in &header[..header.len() - 1] {
                assert_eq!(connection.receive(&mut &mut [byte][..]), None);
            }
            let mut last = [header[header.len() - 1], payload[0]];
            let mut input = &mut last[..];
            let mut room = [0; 8];
            let mut out = SliceOutput::new(&mut room);
            if config == unlimited {
                let Some(Event::Binary(chunk)) = connection.receive(&mut input) else { panic!("a chunk") };
                assert_eq!((&*chunk.payload, chunk.first, chunk.last), (&b"!"[..], true, false));
                connection.poll_transmit(&mut out).unwrap();
                assert!(out.is_empty() && connection.state() == State::Open);
            } else {
                let failed = Event::Failed(ProtocolError::FrameTooBig);
                assert_eq!(connection.receive(&mut input), Some(failed));
                connection.poll_transmit(&mut out).unwrap();
                assert_eq!(out.filled()[0], 0x88);
            }
        }
    }
}

#[test]
fn a_slice_is_used_again() {
    let mut tx = [0; 8];
    let (mut server, mut out) = (Connection::server(&Config::default()), SliceOutput::new(&mut tx));
    server.send_binary(b"1234", &mut out).unwrap();
    assert_eq!(server.send_binary(b"5", &mut out), Err(SendError::OutputFull));
    out.consume(4);
    assert_eq!((out.filled(), out.remaining()), (&b"34"[..], 6));
    server.send_binary(b"5", &mut out).unwrap();
    assert_eq!(out.filled(), b"34\x82\x015");
    out.clear();
    assert!(out.is_empty());
    server.send_binary(b"6", &mut out).unwrap();
    assert_eq!(out.filled(), b"\x82\x016");
}
