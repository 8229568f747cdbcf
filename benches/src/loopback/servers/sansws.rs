//! Ours, as the README shows it.

use std::io;

use sansws_mio::{Accept, Handler, Message, Peer, Request, Response, Server, TlsServer};

use super::super::tls;
use super::Start;

/// Returns every message.
#[derive(Debug)]
pub struct Echo;

impl Handler for Echo {
    type Session = ();

    fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
        Ok(())
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        let _ = peer.send(message);
    }
}

/// Publishes what comes on `/publish` to everybody else.
struct Broadcast;

impl Handler for Broadcast {
    type Session = bool;

    fn upgrade(&mut self, request: &Request<'_>, _: &mut Accept) -> Result<bool, Response> {
        Ok(request.path() == super::PUBLISH)
    }

    fn open(&mut self, peer: &mut Peer<'_, bool>) {
        if !peer.session() {
            let _ = peer.subscribe("all");
        }
    }

    fn message(&mut self, peer: &mut Peer<'_, bool>, message: Message<'_>) {
        let _ = peer.publish("all", message);
    }
}

pub(crate) fn echo(start: Start, workers: usize) -> io::Result<()> {
    let server = bind(start)?;
    if workers > 1 { server.run_workers(workers, |_| Echo) } else { server.run(Echo) }
}

pub(crate) fn echo_tls(start: Start) -> io::Result<()> {
    let (certificate, key) = tls::given()?;
    let tls = TlsServer::builder().certificate_pem(certificate, key).build().map_err(io::Error::other)?;
    bind(start)?.tls(&tls).run(Echo)
}

pub(crate) fn broadcast(start: Start) -> io::Result<()> {
    bind(start)?.run(Broadcast)
}

fn bind(start: Start) -> io::Result<Server> {
    let server = Server::bind(("127.0.0.1", start.port))?;
    (start.announce)(server.local_addr().ok_or("no address").map_err(io::Error::other)?);
    Ok(server)
}
