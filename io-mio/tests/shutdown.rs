//! The end of a server.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod support;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use sansws_mio::{By, CommandError, Server, Settings};
use support::{Called, Client, Everything, Got, TestServer, dial, exchange};

#[test]
fn everybody_is_told_1001() {
    let server = TestServer::start();
    let mut clients: Vec<Client> = (0..50).map(|_| server.connect("/echo")).collect();
    server.handle.shutdown(Duration::from_secs(20));
    for client in &mut clients {
        assert_eq!(client.rest(), [Got::Close(Some((1001, String::new())))]);
    }
    drop(clients);
    let calls = server.stop();
    let closes: Vec<_> = calls.iter().filter(|called| matches!(called, Called::Close { .. })).collect();
    assert_eq!(closes.len(), 50);
    for close in closes {
        match close {
            Called::Close { code: 1001, was_clean: true, by: By::Local, cause: Some(cause), .. } => {
                assert_eq!(cause, "shutting down");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_was_queued_is_delivered_first() {
    let server = TestServer::with(Settings { max_buffered: 64 << 20, ..Settings::default() });
    let mut client = server.connect("/commands");
    client.send("flood 200 100000");
    server.wait_for(|called| matches!(called, Called::Flooded { .. }));
    server.handle.shutdown(Duration::from_secs(20));
    for i in 0..200 {
        assert_eq!(client.next(), Got::Binary(vec![i as u8; 100_000]));
    }
    assert_eq!(client.rest(), [Got::Close(Some((1001, String::new())))]);
}

#[test]
fn a_worker_without_connections_leaves_the_others_their_time() {
    let server = TestServer::workers(2, Settings::default());
    let mut client = server.connect("/echo");
    client.polite = false;
    server.handle.shutdown(Duration::from_secs(20));
    assert_eq!(client.next(), Got::Close(Some((1001, String::new()))));
    // The other one has ended at once. Longer than a worker has whose companion failed.
    std::thread::sleep(Duration::from_millis(2500));
    // The answer, masked with zeros.
    client.raw(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]);
    let close = server.wait_for_close();
    assert!(matches!(close, Called::Close { code: 1001, was_clean: true, .. }), "{close:?}");
}

#[test]
fn nobody_is_accepted_any_more() {
    let mut server = TestServer::start();
    let mut client = server.connect("/echo");
    client.polite = false;
    server.handle.shutdown(Duration::from_millis(500));
    assert_eq!(client.next(), Got::Close(Some((1001, String::new()))));
    assert!(std::net::TcpStream::connect(server.addr).is_err());
    // A client that does not answer holds the server up for no longer than that.
    let start = Instant::now();
    server.join();
    assert!(start.elapsed() < Duration::from_secs(4), "less than the time for a closing handshake");
    assert!(matches!(
        server.wait_for_close(),
        Called::Close { code: 1006, was_clean: false, by: By::Local, .. }
    ));
    assert_eq!(server.handle.publish("t", "x"), Err(CommandError::Stopped));
    assert_eq!(server.handle.connections(), 0);
}

#[test]
fn requests_in_progress_are_answered_with_503() {
    let server = TestServer::start();
    let mut begun = dial(server.addr);
    begun.write_all(b"GET / HT").expect("the server reads");
    let mut silent = dial(server.addr);
    server.wait_for_connections(2);
    // Another one gets an answer: what `begun` sent before it has been read.
    let page = exchange(server.addr, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    server.handle.shutdown(Duration::from_secs(20));
    let mut answer = String::new();
    begun.read_to_string(&mut answer).expect("an answer and FIN");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("shutting down"), "{answer:?}");
    assert_eq!(silent.read(&mut [0]).expect("FIN"), 0, "no answer where nothing was asked");
    drop(begun);
    server.stop();
}

#[test]
fn a_handler_can_end_it() {
    let mut server = TestServer::workers(2, Settings::default());
    let mut client = server.connect("/commands");
    client.send("shutdown");
    assert_eq!(client.rest(), [Got::Close(Some((1001, String::new())))]);
    drop(client);
    server.join();
}

#[test]
fn before_the_start() {
    let server = Server::bind("127.0.0.1:0").expect("a free port");
    server.handle().shutdown(Duration::from_secs(1));
    let (told, _calls) = std::sync::mpsc::channel();
    server.run(Everything { told, worker: 0 }).expect("it ends at once");
}

#[test]
fn a_port_is_free_again_afterwards() {
    let server = TestServer::start();
    let addr = server.addr;
    let mut client = server.connect("/echo");
    client.send("x");
    client.expect_text("x");
    assert!(Server::bind(addr).is_err(), "in use");
    server.stop();
    let again = TestServer::run(Server::bind(addr).expect("free"), 1);
    drop(again.connect("/echo"));
}
