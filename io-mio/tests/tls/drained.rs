//! Back-pressure where TLS has records of its own that wait.

use std::io::Read;
use std::thread;
use std::time::Duration;

use sansws_mio::{Accept, CloseCode, EventLoop, Handler, Message, Peer, Request, Response, Settings};

use crate::certificates::Authority;
use crate::peers::{cramped_listener, tls_server};
use crate::{open_websocket, raw_client_on};

struct Filler;

impl Handler for Filler {
    type Session = ();

    fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
        Ok(())
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, _: Message<'_>) {
        while peer.send(&[7; 40_000][..]).is_ok() {}
        assert!(peer.buffered_amount() > 0, "something waits");
    }

    fn drained(&mut self, peer: &mut Peer<'_, ()>) {
        let _ = peer.close(CloseCode::NORMAL, "drained");
    }
}

#[test]
fn drained_is_called_after_a_message_was_refused() {
    let authority = Authority::new("Tests");
    let listener = cramped_listener();
    let addr = listener.local_addr().unwrap();
    // One message has room, and with it nothing waits but records.
    let settings = Settings { max_buffered: 64 << 10, ..Settings::default() };
    let mut event_loop = EventLoop::new(Filler, settings).unwrap();
    event_loop.listen_tls(listener, &tls_server(&authority.issue(&["localhost"]))).unwrap();
    let handle = event_loop.handle();
    let server = thread::spawn(move || event_loop.run().unwrap());

    let mut client = raw_client_on(std::net::TcpStream::connect(addr).unwrap(), &authority);
    open_websocket(&mut client);
    std::io::Write::write_all(&mut client, b"\x82\x80\0\0\0\0").unwrap();
    let mut received = Vec::new();
    // A Close, and then nothing before the time is up: the client has not answered.
    while !received.ends_with(b"drained") {
        let mut buffer = [0; 4096];
        match client.read(&mut buffer) {
            Ok(len @ 1..) => received.extend_from_slice(&buffer[..len]),
            end => panic!("{end:?} after {} bytes", received.len()),
        }
    }
    handle.shutdown(Duration::ZERO);
    server.join().unwrap();
}
