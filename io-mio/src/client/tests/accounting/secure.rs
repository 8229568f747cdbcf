//! The same over TLS, whose records say less of what the kernel has.

use rustls::ServerConnection;

use super::*;
use crate::kernel::socket::Socket;
use crate::kernel::transport::Transport;
use crate::tls::stream::TlsStream;
use crate::tls::{TlsClient, TlsServer};

/// The most plaintext that TLS takes at a time.
const BATCH: usize = 64 << 10;

/// Both ends of a connection over the wire, after the TLS handshake.
fn secured(wire: &Wire) -> (Transport, ServerConnection) {
    let own = rcgen::generate_simple_self_signed(["h".to_owned()]).expect("a certificate");
    let (cert, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let server = TlsServer::builder().certificate_pem(cert.as_bytes(), key).build().expect("a server");
    let mut server = ServerConnection::new(server.config()).expect("a server");
    let client = TlsClient::builder().no_default_roots().ca_pem(cert).build().expect("a client");
    let session = client.session("h").expect("a name");
    let stream = TlsStream::client(session, Socket::Scripted(Box::new(wire.clone())));
    let mut transport = Transport::Tls(Box::new(stream));
    wire.kernel().room = usize::MAX;
    while !transport.handshake().expect("it goes well") {
        let mut kernel = wire.kernel();
        let taken = std::mem::take(&mut kernel.taken);
        server.read_tls(&mut &*taken).expect("memory");
        server.process_new_packets().expect("it goes well");
        server.write_tls(&mut kernel.arrived).expect("memory");
    }
    wire.kernel().room = 0;
    (transport, server)
}

/// Bytes that the server can make out.
fn received(server: &mut ServerConnection, mut records: &[u8]) -> usize {
    let mut plaintext = Vec::new();
    while !records.is_empty() {
        server.read_tls(&mut records).expect("memory");
        server.process_new_packets().expect("records");
        // Until it would have to wait for more.
        let _ = server.reader().read_to_end(&mut plaintext);
    }
    plaintext.len()
}

/// However little of a batch of records the kernel took: a message in it may have arrived.
#[test]
fn what_may_have_arrived_is_not_unsent() {
    const COUNT: usize = 500;
    const LEN: usize = 1000;
    const FRAME: usize = 8 + LEN;
    for breaks in [false, true] {
        for room in (0..9).map(|n| n * 20_000) {
            let wire = Wire::default();
            let (transport, mut server) = secured(&wire);
            let mut client = Client::over(transport);
            (wire.kernel().room, wire.kernel().breaks) = (room, breaks);
            client.send(COUNT, &[7; LEN]);
            if !breaks {
                client.worker.event_loop.abort(client.peer);
            }
            client.wait_for_the_end();
            let arrived = received(&mut server, &wire.kernel().taken) / FRAME;
            let (unsent, buffered) = client.left();
            assert!(room < 20_000 || arrived > 0, "nothing of {room} bytes");
            assert!(arrived + unsent <= COUNT, "{arrived} arrived and {unsent} are unsent");
            let uncertain = COUNT - unsent - arrived;
            assert!(uncertain <= BATCH / FRAME + 1, "{uncertain} more than have arrived");
            assert_eq!(buffered, (unsent * LEN) as u64);
        }
    }
}
