//! `wss:`. What is wrong with a certificate looks like everything else that is wrong.

use super::*;

use sansws_mio::{
    Accept, Handle, Handler, Message, Peer, ReliableEvent, Request, Response, Server, TlsClient, TlsServer,
};

use crate::certificates::{Authority, Issued, self_signed};

struct Echo;

impl Handler for Echo {
    type Session = ();

    fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
        Ok(())
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        let _ = peer.send(message);
    }
}

/// A server on a thread: its port, and what ends it.
fn secure_server(issued: &Issued) -> (u16, Handle, std::thread::JoinHandle<()>) {
    let tls =
        TlsServer::builder().certificate_pem(&*issued.chain, &*issued.key).build().expect("a certificate");
    let server = Server::bind("127.0.0.1:0").expect("a port").tls(&tls);
    let port = server.local_addr().expect("an address").port();
    let handle = server.handle();
    (port, handle, std::thread::spawn(move || server.run(Echo).expect("it runs")))
}

fn trusting(authority: &Authority) -> TlsClient {
    TlsClient::builder().no_default_roots().ca_pem(&*authority.pem).build().expect("an authority")
}

/// Attack A-21.
#[test]
fn bad_certificates() {
    let authority = Authority::new("Tests");
    for (what, issued) in [
        ("self-signed", self_signed(&["localhost"])),
        ("expired", authority.issue_expired(&["localhost"])),
        ("for another name", authority.issue(&["other.example"])),
        ("by nobody known", Authority::new("Others").issue(&["localhost"])),
    ] {
        let (port, handle, thread) = secure_server(&issued);
        let url = format!("wss://localhost:{port}/");
        let socket = WebSocket::builder(&url).tls(&trusting(&authority)).open().expect("a good URL");
        assert_eq!(rest(&socket), failed(), "{what}");
        assert!(
            matches!(socket.failure_cause(), Some(FailureCause::Certificate(_))),
            "{what}: {:?}",
            socket.failure_cause()
        );
        // Waiting does not make it better.
        let tls = trusting(&authority);
        let reliable = WebSocket::builder(&url).tls(&tls).reliable().max_retries(None);
        let events: Vec<_> = reliable.open().expect("a good URL").events().collect();
        assert!(
            matches!(&events[..], [ReliableEvent::Disconnected(how), ReliableEvent::GaveUp { attempts: 0, .. }]
                if how.is_final),
            "{what}: {events:?}"
        );
        handle.shutdown(Duration::ZERO);
        thread.join().expect("the server ends");
    }
}

#[test]
fn a_good_certificate() {
    let authority = Authority::new("Tests");
    let (port, handle, thread) = secure_server(&authority.issue(&["localhost"]));
    let url = format!("https://localhost:{port}/");
    let socket = WebSocket::builder(&url).tls(&trusting(&authority)).open().expect("a good URL");
    assert_eq!(socket.url(), format!("wss://localhost:{port}/"));
    assert_eq!(next(&socket), E::Open);
    let payload = vec![7_u8; 10 << 20];
    socket.send(&payload[..]).expect("open");
    assert_eq!(next(&socket), E::Binary(payload));
    assert_eq!(socket.buffered_amount(), 0);
    socket.close();
    assert_eq!(rest(&socket), [close(1005, "", true)]);
    handle.shutdown(Duration::ZERO);
    thread.join().expect("the server ends");
}
