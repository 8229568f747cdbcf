//! A receiver over TLS, which keeps records that the kernel has not taken.

use std::io::Read;

use rustls::ClientConnection;

use super::*;
use crate::conn::peer_addr::PeerAddr;
use crate::kernel::socket::Socket as Kernel;
use crate::kernel::transport::Transport;
use crate::tls::stream::TlsStream;
use crate::tls::{TlsClient, TlsServer};

/// A client over TLS, and what it has been sent.
struct Secure {
    session: ClientConnection,
    peer: PeerId,
    socket: Socket,
    heard: Vec<u8>,
}

impl Secure {
    /// Opens a connection to this loop.
    fn new(scene: &mut Scene) -> Self {
        let own = rcgen::generate_simple_self_signed(["h".to_owned()]).expect("a certificate");
        let (cert, key) = (own.cert.pem(), own.signing_key.serialize_pem());
        let server = TlsServer::builder().certificate_pem(cert.as_bytes(), key).build().expect("a server");
        let client = TlsClient::builder().no_default_roots().ca_pem(cert).build().expect("a client");
        let socket = Socket::with_room(usize::MAX);
        let stream = TlsStream::server(server.config(), Kernel::Scripted(Box::new(socket.clone())));
        let transport = Transport::Tls(Box::new(stream.expect("a stream")));
        let peer = scene.event_loop.driver.accepted(transport, PeerAddr::Unknown).expect("a place");
        let session = client.session("h").expect("a name");
        let mut secure = Self { session, peer, socket, heard: Vec::new() };
        std::io::Write::write_all(&mut secure.session.writer(), &request("/")).expect("memory");
        while !secure.heard.ends_with(b"\r\n\r\n") {
            secure.session.write_tls(&mut secure.socket.buffers().arrived).expect("memory");
            scene.turn(&[Edge { writable: true, ..readable(peer) }]);
            secure.read();
        }
        secure.heard.clear();
        scene.forget();
        secure
    }

    /// Reads all that the kernel has taken.
    fn read(&mut self) {
        let written = std::mem::take(&mut self.socket.buffers().written);
        let mut records = &written[..];
        while !records.is_empty() {
            self.session.read_tls(&mut records).expect("memory");
            self.session.process_new_packets().expect("records");
            // Until it would have to wait for more.
            let _ = self.session.reader().read_to_end(&mut self.heard);
        }
    }

    /// Bytes that wait for the kernel.
    fn buffered(&self, scene: &mut Scene) -> usize {
        scene.event_loop.context().peer(self.peer).expect("open").buffered_amount()
    }
}

/// Wherever in its records the kernel stops, and with whatever is published until it goes on.
#[test]
fn a_batch_comes_behind_the_records_that_wait() {
    let mut scene = Scene::new(2, Settings::default());
    let mut secure = Secure::new(&mut scene);
    // The header of a record takes 5 bytes, and the end of one 17.
    for room in 0..40 {
        for others in [&[][..], &[(1, &[][..])]] {
            secure.socket.buffers().room = room;
            scene.say(&[&[(0, &["a1", "a2"][..])], others].concat());
            let is_whole = room >= 5 + 8 + 17;
            assert_eq!(secure.buffered(&mut scene), if is_whole { 0 } else { 8 }, "{room} bytes");
            scene.say(&[&[(0, &["a3"][..])], others].concat());
            scene.say(&[&[(0, &["a4", "b5"][..])], others].concat());
            assert_eq!(secure.buffered(&mut scene), if is_whole { 12 } else { 20 }, "{room} bytes");
            assert_eq!(scene.heard(1).0, "a1 a2 a3 a4 b5 ");

            secure.socket.buffers().room = usize::MAX;
            scene.turn(&[writable(secure.peer)]);
            secure.read();
            assert_eq!(frames(&secure.heard), "a1 a2 a3 a4 b5 ", "{room} bytes");
            assert_eq!(secure.buffered(&mut scene), 0);
            secure.heard.clear();
            scene.forget();
        }
    }
}

/// What TLS has taken is not written yet.
#[test]
fn a_receiver_is_told_when_its_records_were_written() {
    let mut scene = Scene::new(2, Settings::default());
    let mut secure = Secure::new(&mut scene);
    for room in [0, 10, usize::MAX] {
        secure.socket.buffers().room = room;
        scene.say(&[(0, &["a1"])]);
        // Once, whether it was written at once or at the end of the loop's turn.
        assert_eq!(scene.event_loop.driver.handler.told.get(&secure.peer), Some(&1), "{room} bytes");
        assert_eq!(secure.buffered(&mut scene), if room == usize::MAX { 0 } else { 4 });
        secure.socket.buffers().room = usize::MAX;
        scene.turn(&[writable(secure.peer)]);
        assert_eq!(secure.buffered(&mut scene), 0);
        secure.read();
        assert_eq!(frames(&secure.heard), "a1 ");
        secure.heard.clear();
        scene.forget();
    }
}
