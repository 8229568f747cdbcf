//! The small programs that embed the engine: each is an echo, and refuses what is no WebSocket.

mod support;

use support::{Heard, Server};

fn is_an_echo(program: &str, path: &str) {
    let server = Server::start_silent(program);
    let (mut a, mut b) = (server.client(path), server.client(path));
    let long: Vec<u8> = (0..300_000_u32).map(|i| i as u8).collect();
    for client in [&mut a, &mut b] {
        client.send("Grüße 🦀");
        assert_eq!(client.hear(), Heard::Text("Grüße 🦀".into()));
        client.write(|ws, out| {
            ws.send_binary_fragment(&long[..1000], false, out).unwrap();
            ws.send_ping(b"are you there?", out).unwrap();
            ws.send_binary_fragment(&long[1000..], true, out).unwrap();
        });
        assert_eq!(client.hear(), Heard::Pong(b"are you there?".into()));
        assert!(client.hear() == Heard::Binary(long.clone()));
    }
    a.write(|ws, out| ws.close(3000.into(), "bye", out).unwrap());
    assert_eq!(a.hear(), Heard::Close(3000));
    assert_eq!(a.hear(), Heard::Eof, "the server closes TCP first");
    b.send("still here");
    assert_eq!(b.hear(), Heard::Text("still here".into()));
    assert!(server.http("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").starts_with("HTTP/1.1 426 "));
}

#[test]
fn blocking() {
    is_an_echo(env!("CARGO_BIN_EXE_echo-blocking"), "/");
}

#[test]
fn mio() {
    is_an_echo(env!("CARGO_BIN_EXE_echo-mio"), "/");
}

#[test]
fn mio_accepts_while_others_are_busy() {
    let server = Server::start_silent(env!("CARGO_BIN_EXE_echo-mio"));
    let mut busy: Vec<_> = (0..4).map(|_| server.client("/")).collect();
    for _ in 0..50 {
        for client in &mut busy {
            for _ in 0..10 {
                client.send("busy");
            }
        }
        let mut late = server.client("/");
        late.send("late");
        assert_eq!(late.hear(), Heard::Text("late".into()));
        for client in &mut busy {
            for _ in 0..10 {
                assert_eq!(client.hear(), Heard::Text("busy".into()));
            }
        }
    }
}
