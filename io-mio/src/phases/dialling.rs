//! A connection that is being dialled: sockets and bytes for what the machine in `dial` needs.

use std::io;
use std::sync::Arc;

use sansws::Connection;

use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::conn::ending::{By, Cause, Closed};
use crate::conn::link::Link;
use crate::conn::peer_addr::PeerAddr;
use crate::dial::dialling::{Answer, Around, Dialling, Needs, Waits};
use crate::dial::resolve::resolve;
use crate::kernel::edges::Edges;
use crate::kernel::poller::Registry;
use crate::kernel::socket::Socket;
use crate::kernel::transport::Transport;
use crate::phases::receiving::opened;
use crate::phases::settling::settle_and_go_on;
use crate::phases::turn::{Then, Turn};
use crate::random;
use crate::settings::resolver::Resolved;
use crate::state::shared::Shared;
use crate::state::slots::{Open, Phase, Slot};
use crate::target::connect::Connect;
use crate::target::proxy::ProxyError;

/// Starts to dial. A failure is told to the handler.
pub(crate) fn start<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    if turn.shared.shutdown_at.is_some() {
        return fail(turn, By::Local, Cause::Shutdown);
    }
    find_address(turn)
}

fn find_address<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    if let Phase::Dialling(dialling) = &turn.slot.phase {
        turn.slot.link.set_remote(dialling.known_address().unwrap_or(PeerAddr::Unknown));
    }
    step(turn, Dialling::find_address)
}

/// A name has its answer.
pub(crate) fn resolved<H: Handler>(turn: &mut Turn<'_, H>, resolved: Resolved) -> Then {
    step(turn, |dialling, around| dialling.resolved(resolved, around))
}

/// A place has come that was waited for.
pub(crate) fn take_places<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    step(turn, Dialling::take_places)
}

/// A moment has come that [`Dialling::poll_timeout`] named.
pub(crate) fn timed_out<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    step(turn, |dialling, around| dialling.timed_out(around.now))
}

/// Something happened to the connection's sockets.
pub(crate) fn go_on<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    let Phase::Dialling(dialling) = &turn.slot.phase else { return Then::Wait };
    let needs = match dialling.waits() {
        Waits::NotForBytes => return Then::Wait,
        Waits::ForSocket => Needs::Race,
        Waits::ForTls => go_on_securing(turn),
        Waits::ForBytes => return read_answer(turn),
    };
    supply(turn, needs)
}

/// One step of the machine, and what it leads to.
fn step<H: Handler>(
    turn: &mut Turn<'_, H>,
    step: impl FnOnce(&mut Dialling<H::Session, Socket>, &mut Around<'_>) -> Needs,
) -> Then {
    let Turn { slot, shared, .. } = turn;
    let Slot { id, phase: Phase::Dialling(dialling), .. } = &mut **slot else { return Then::Wait };
    let (mut around, _, _) = around(*id, shared);
    let needs = step(dialling, &mut around);
    supply(turn, needs)
}

/// What the machine is lent, the output, and the kernel.
fn around<S>(id: crate::PeerId, shared: &mut Shared<S>) -> (Around<'_>, &mut Vec<u8>, &Registry) {
    let Shared { now, settings, serializer, given_up, gathering, registry, .. } = shared;
    (Around { id, now: *now, settings, serializer, given_up }, &mut gathering.bytes, registry)
}

/// Gives the machine what it needs, until that has to be waited for.
fn supply<H: Handler>(turn: &mut Turn<'_, H>, mut needs: Needs) -> Then {
    loop {
        needs = match needs {
            Needs::Nothing => return Then::Wait,
            Needs::Name { host, port } => match ask_for(turn, &host, port) {
                Ok(()) => return Then::Wait,
                Err(error) => return resolved(turn, Err(error)),
            },
            Needs::Race => race(turn),
            Needs::Reached => reached(turn),
            Needs::Tls => secure(turn),
            Needs::Bytes => {
                turn.flush();
                return read_answer(turn);
            }
            Needs::Anew => {
                let slow_consumer = turn.slot.link.slow_consumer;
                turn.slot.link = Link::new(PeerAddr::Unknown, turn.shared.now);
                turn.slot.link.slow_consumer = slow_consumer;
                turn.slot.edges = Edges::new(Transport::None);
                return find_address(turn);
            }
            Needs::Failed(by, cause) => return fail(turn, by, cause),
        };
    }
}

fn ask_for<H: Handler>(turn: &mut Turn<'_, H>, host: &str, port: u16) -> io::Result<()> {
    let Turn { slot, shared, .. } = turn;
    let Slot { id, phase: Phase::Dialling(dialling), .. } = &mut **slot else { return Ok(()) };
    let (id, inbox) = (*id, Arc::clone(&shared.inbox));
    let answer = move |resolved| inbox.resolved(id, resolved);
    let interest = resolve(&shared.settings.resolver, host, port, answer)
        .ok_or_else(|| io::Error::other("too many names wait to be resolved"))?;
    dialling.awaits(interest);
    Ok(())
}

fn race<H: Handler>(turn: &mut Turn<'_, H>) -> Needs {
    let Turn { slot, shared, .. } = turn;
    let Slot { id, phase: Phase::Dialling(dialling), link, edges, .. } = &mut **slot else {
        return Needs::Nothing;
    };
    let (mut around, out, registry) = around(*id, shared);
    // All have the token of the one connection they race for.
    let watched = |socket: io::Result<Socket>| {
        let mut socket = socket?;
        registry.watch(&mut socket, id.index)?;
        Ok(socket)
    };
    let won = dialling.race(
        &mut around,
        |address| watched(Socket::connect(address)),
        #[cfg(unix)]
        |path| watched(Socket::connect_unix(path)),
        Socket::connected,
    );
    let (remote, mut socket) = match won {
        Ok(Some(won)) => won,
        Ok(None) => return Needs::Nothing,
        Err(cause) => return Needs::Failed(By::Remote, cause),
    };
    // What the loop was told was about any of the sockets; now it is told again, about this one.
    if let Err(error) = registry.watch_anew(&mut socket, id.index) {
        return Needs::Failed(By::Remote, dialling.broken(error));
    }
    socket.set_nodelay();
    link.set_remote(remote);
    *edges = Edges::connected(Transport::Plain(socket));
    dialling.connected(out, &around)
}

fn reached<H: Handler>(turn: &mut Turn<'_, H>) -> Needs {
    let Turn { slot, shared, handler, .. } = turn;
    let Slot { id, phase: Phase::Dialling(dialling), link, .. } = &mut **slot else { return Needs::Nothing };
    // What the proxy took is not the server's.
    link.written = 0;
    let (around, out, _) = around(*id, shared);
    dialling.reached(out, &around, |session, by, head| handler.head(session, by, head))
}

/// TLS, between the socket and the opening handshake.
fn secure<H: Handler>(turn: &mut Turn<'_, H>) -> Needs {
    let Slot { phase: Phase::Dialling(dialling), edges, .. } = &mut *turn.slot else { return Needs::Nothing };
    let Transport::Plain(socket) = std::mem::replace(&mut edges.transport, Transport::None) else {
        return Needs::Nothing;
    };
    match secured(dialling.connect(), socket) {
        Ok(transport) => {
            edges.transport = transport;
            go_on_securing(turn)
        }
        Err(cause) => Needs::Failed(By::Local, cause),
    }
}

fn go_on_securing<H: Handler>(turn: &mut Turn<'_, H>) -> Needs {
    let Turn { slot, shared, handler, .. } = turn;
    let Slot { id, phase: Phase::Dialling(dialling), edges, .. } = &mut **slot else { return Needs::Nothing };
    match edges.transport.handshake() {
        Ok(true) => {
            // Bytes that came with the end of the handshake have been read, and no event will tell
            // of them.
            edges.readable = true;
            let (around, out, _) = around(*id, shared);
            dialling.secured(out, &around, |session, by, head| handler.head(session, by, head))
        }
        Ok(false) => Needs::Nothing,
        Err(error) => Needs::Failed(By::Remote, Cause::of_transport(error)),
    }
}

/// TLS over a connected socket.
#[cfg(feature = "__tls")]
fn secured<S>(connect: &Connect<S>, socket: Socket) -> Result<Transport, Cause> {
    let tls = match &connect.tls {
        Some(tls) => tls.clone(),
        None => crate::TlsClient::new().map_err(|error| Cause::Io(io::Error::other(error)))?,
    };
    let session = tls.session(&connect.target.host).map_err(Cause::Tls)?;
    Ok(Transport::Tls(Box::new(crate::tls::stream::TlsStream::client(session, socket))))
}

/// No target is secure without the feature.
#[cfg(not(feature = "__tls"))]
fn secured<S>(_: &Connect<S>, _: Socket) -> Result<Transport, Cause> {
    Err(Cause::Io(io::ErrorKind::Unsupported.into()))
}

/// Reads what the proxy or the server answers.
fn read_answer<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    // A content may be long, as settings go: others have their turn.
    for _ in 0..turn.shared.settings.reads_per_turn {
        let Some(read) = turn.read() else { return Then::Wait };
        let len = match read {
            Ok(len) => len,
            Err(error) => {
                let Phase::Dialling(dialling) = &turn.slot.phase else { return Then::Wait };
                let cause = dialling.broken(error);
                return fail(turn, By::Remote, cause);
            }
        };
        let buffer = std::mem::take(&mut turn.buffer);
        let needs = answer_arrived(turn, buffer.get_mut(..len).unwrap_or_default());
        turn.buffer = buffer;
        match needs {
            Some(Needs::Nothing) => {}
            Some(needs) => return supply(turn, needs),
            None => return settle_and_go_on(turn),
        }
    }
    turn.again = true;
    Then::Wait
}

/// `input` is empty at the end of the stream. `None`: the connection is open.
fn answer_arrived<H: Handler>(turn: &mut Turn<'_, H>, input: &mut [u8]) -> Option<Needs> {
    let Turn { slot, shared, handler, .. } = turn;
    let Slot { id, phase: Phase::Dialling(dialling), .. } = &mut **slot else { return None };
    let mut around = around(*id, shared).0;
    let mut collected = Vec::new();
    let head = |session: &mut _, by, head: &[u8]| handler.head(session, by, head);
    match dialling.received(input, &mut collected, &mut around, head) {
        Answer::Needs(needs) => Some(needs),
        Answer::Open { conn, subprotocol, rest } => {
            become_open(turn, conn, subprotocol, rest);
            None
        }
    }
}

/// The connection is open; `rest` are its first frames.
fn become_open<H: Handler>(
    turn: &mut Turn<'_, H>,
    conn: Connection,
    subprotocol: Option<Box<str>>,
    rest: &mut [u8],
) {
    let Slot { id, link, phase, .. } = &mut *turn.slot;
    if !matches!(phase, Phase::Dialling(_)) {
        return;
    }
    let Phase::Dialling(dialling) = std::mem::replace(phase, Phase::Lingering) else { return };
    let Connect { session, streaming, .. } = dialling.into_opened(&mut around(*id, turn.shared).0);
    link.set_subprotocol(subprotocol);
    *phase = Phase::Open(Open::new(conn, session, streaming, &mut turn.shared.engines));
    opened(turn, rest);
}

/// Tells the application that there will be no connection.
pub(crate) fn fail<H: Handler>(turn: &mut Turn<'_, H>, by: By, cause: Cause) -> Then {
    let Turn { slot, shared, handler, .. } = turn;
    let Slot { id, link, edges, phase, .. } = &mut **slot;
    if !matches!(phase, Phase::Dialling(_)) {
        return Then::Wait;
    }
    let Phase::Dialling(dialling) = std::mem::replace(phase, Phase::Lingering) else { return Then::Wait };
    let (mut session, by, cause) = dialling.into_failed(by, cause, &mut around(*id, shared).0);
    shared.counters.dials_failed.add(1);
    match &cause {
        // If it was not resolved for another reason, the resolver has said so.
        Cause::Resolve(_) | Cause::Proxy(ProxyError::Resolve(_)) if by == By::Local => {
            shared.counters.timeouts_resolve.add(1);
        }
        Cause::ConnectTimedOut => shared.counters.timeouts_connect.add(1),
        Cause::TimedOut(_) => shared.counters.timeouts_handshake.add(1),
        _ => {}
    }
    // Nothing can be sent: a connection that has ended says so.
    let mut conn = Connection::client(&shared.settings.message, random::masking_key);
    conn.receive_eof();
    let closed = Closed { code: conn.close_code(), reason: "", was_clean: false, by, cause: Some(&cause) };
    handler.close(&mut Peer::in_turn(*id, &mut conn, link, edges, &mut session, shared), closed);
    Then::Die
}
