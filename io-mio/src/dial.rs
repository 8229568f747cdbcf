//! Dialled connections, RFC 6455 §4.1.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use mio::Token;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use sansws::handshake::{Fault, Field, HandshakeError, HeaderStorage, client};
use sansws::{Assembler, Connection};

use crate::connect::{Address, Connect};
use crate::driver::Driver;
use crate::handler::{By, Cause, Closed, Handler};
use crate::peer::{Peer, PeerId};
use crate::random;
use crate::settings::Settings;
use crate::slot::{Head, Link, Open, Phase, Slot};
use crate::transport::{PeerAddr, Transport};

/// A connection on its way.
pub(crate) struct Dialling<S> {
    connect: Connect<S>,
    nonce: [u8; 16],
    stage: Stage,
    /// The address with which one opening handshake may go on at a time.
    serialized_by: Option<(IpAddr, u16)>,
}

enum Stage {
    /// For another connection to the same address.
    Waiting,
    /// For the transport.
    Connecting,
    /// For the response.
    Responding(Head),
}

/// §4.1: "If multiple connections to the same IP address are attempted by the client simultaneously, the client MUST serialize them so
/// that there is no more than one connection at a time" in the opening handshake. An address is here while one is; with it those that wait.
#[derive(Default)]
pub(crate) struct Serializer {
    waiting: HashMap<(IpAddr, u16), VecDeque<PeerId>>,
}

impl Serializer {
    /// Whether `id` may connect now; otherwise it is among those that wait.
    fn enter(&mut self, key: (IpAddr, u16), id: PeerId) -> bool {
        match self.waiting.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(VecDeque::new());
                true
            }
            Entry::Occupied(mut entry) => {
                entry.get_mut().push_back(id);
                false
            }
        }
    }

    /// One that was connecting no longer is. Returns who may be next; if that one is gone, leave again.
    fn leave(&mut self, key: (IpAddr, u16)) -> Option<PeerId> {
        let next = self.waiting.get_mut(&key)?.pop_front();
        if next.is_none() {
            self.waiting.remove(&key);
        }
        next
    }
}

impl<S> Connect<S> {
    fn serialized_by(&self) -> Option<(IpAddr, u16)> {
        match self.address {
            Address::Tcp(address) if !self.concurrent => Some((address.ip().to_canonical(), address.port())),
            _ => None,
        }
    }

    fn with_request<T>(&self, use_it: impl FnOnce(&client::Request<'_>) -> T) -> T {
        let subprotocols: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        use_it(&client::Request {
            origin: self.origin.as_deref(),
            subprotocols: &subprotocols,
            headers: &headers,
            ..client::Request::new(&self.authority, &self.resource)
        })
    }
}

impl<H: Handler> Driver<H> {
    /// Starts to dial. A failure is told to the handler.
    pub(crate) fn dial(&mut self, connect: Connect<H::Session>) -> PeerId {
        let remote = match connect.address {
            Address::Tcp(address) => PeerAddr::Tcp(address),
            #[cfg(unix)]
            Address::Unix(_) => PeerAddr::Unix,
        };
        let key = connect.serialized_by();
        let mut link = Link::new(Transport::None, remote, self.shared.now);
        link.slow_consumer = connect.slow_consumer;
        let dialling =
            Dialling { connect, nonce: random::nonce(), stage: Stage::Waiting, serialized_by: key };
        let id = self.insert(link, Phase::Dialling(Box::new(dialling)));
        if self.shutdown_at.is_some() {
            self.dial_failed(id.index, By::Local, Cause::Shutdown);
        } else if key.is_none_or(|key| self.serializer.enter(key, id)) {
            self.start_connecting(id.index);
        }
        id
    }

    pub(crate) fn start_connecting(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        dialling.stage = Stage::Connecting;
        slot.link.keepalive = sansws::KeepAlive::new(self.shared.now);
        let connected = match &dialling.connect.address {
            Address::Tcp(address) => TcpStream::connect(*address).map(Transport::Tcp),
            #[cfg(unix)]
            Address::Unix(path) => UnixStream::connect(path).map(Transport::Unix),
        };
        let registered = connected.and_then(|mut transport| {
            transport.register(&self.registry, Token(index as usize))?;
            Ok(transport)
        });
        match registered {
            Ok(transport) => {
                transport.set_nodelay();
                slot.link.transport = transport;
                self.arm(index);
            }
            Err(error) => self.dial_failed(index, By::Remote, Cause::Io(error)),
        }
    }

    /// Something happened to a connection that is being dialled.
    pub(crate) fn dialling_ready(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        match dialling.stage {
            Stage::Waiting => {}
            Stage::Connecting if slot.link.writable => match slot.link.transport.connected() {
                Ok(true) => self.send_request(index),
                Ok(false) => slot.link.writable = false,
                Err(error) => self.dial_failed(index, By::Remote, Cause::Io(error)),
            },
            Stage::Connecting => {}
            Stage::Responding(_) => self.read_response(index),
        }
    }

    fn send_request(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        let nonce = dialling.nonce;
        let out = &mut self.shared.gathered;
        if let Err(error) = dialling.connect.with_request(|request| request.write(&nonce, out)) {
            out.clear();
            return self.dial_failed(index, By::Local, Cause::Handshake(error));
        }
        self.handler.head(&mut dialling.connect.session, By::Local, out);
        dialling.stage = Stage::Responding(Head::new(self.shared.settings.max_head_len));
        slot.link.flush(&mut self.shared.gathered);
        self.read_response(index);
    }

    fn read_response(&mut self, index: u32) {
        while let Some(read) = self.read(index) {
            let mut buffer = std::mem::take(&mut self.buffer);
            let outcome = match read {
                Ok(0) => Err(Cause::Eof),
                Ok(len) => self.response_arrived(index, buffer.get_mut(..len).unwrap_or_default()),
                Err(error) => Err(Cause::Io(error)),
            };
            self.buffer = buffer;
            match outcome {
                Ok(Progress::Waiting) => {}
                Ok(Progress::Open) => return self.read_frames(index),
                Err(cause) => return self.dial_failed(index, By::Remote, cause),
            }
        }
    }

    fn response_arrived(&mut self, index: u32, input: &mut [u8]) -> Result<Progress, Cause> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(Progress::Waiting) };
        let Phase::Dialling(dialling) = &mut slot.phase else { return Ok(Progress::Waiting) };
        let Stage::Responding(head) = &mut dialling.stage else { return Ok(Progress::Waiting) };
        let max_len = self.shared.settings.max_head_len;
        let mut collected = Vec::new();
        let Some((mut head_bytes, mut rest)) = head.add(input, &mut collected).map_err(Cause::Handshake)?
        else {
            return Ok(Progress::Waiting);
        };
        // §4.1 (1) has other statuses handled "per HTTP procedures": 1xx responses come before the one that counts.
        let mut interim = 0;
        let (conn, subprotocol) = loop {
            self.handler.head(&mut dialling.connect.session, By::Remote, head_bytes);
            if let Some(accepted) =
                check_response(&dialling.connect, &dialling.nonce, head_bytes, &self.shared.settings)?
            {
                break accepted;
            }
            interim += 1;
            if interim > MAX_INTERIM {
                return Err(Cause::Handshake(HandshakeError::TooManyHeaders));
            }
            let mut next = Head::new(max_len);
            let Some(parts) = next.begin(rest).map_err(Cause::Handshake)? else {
                *head = next;
                return Ok(Progress::Waiting);
            };
            (head_bytes, rest) = parts;
        };
        self.dialled(index, conn, subprotocol, rest);
        Ok(Progress::Open)
    }

    /// The connection is open; `rest` are its first frames.
    fn dialled(&mut self, index: u32, conn: Connection, subprotocol: Option<Box<str>>, rest: &mut [u8]) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = std::mem::replace(&mut slot.phase, Phase::Lingering) else { return };
        let Connect { session, streaming, .. } = dialling.connect;
        slot.link.subprotocol = subprotocol;
        slot.phase = Phase::Open(Open { conn, assembler: Assembler::new(), session, streaming });
        let key = dialling.serialized_by;
        self.opened(index, rest);
        self.next_in_line(key);
    }

    /// Tells the application that there will be no connection.
    pub(crate) fn dial_failed(&mut self, index: u32, by: By, cause: Cause) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = std::mem::replace(&mut slot.phase, Phase::Lingering) else { return };
        log::debug!("{}: dialling failed: {cause}", slot.link.remote);
        // Nothing can be sent: a connection that has ended says so.
        let mut conn = Connection::client(&self.shared.settings.message, random::masking_key);
        conn.receive_eof();
        let mut session = dialling.connect.session;
        let closed =
            Closed { code: conn.close_code(), reason: "", was_clean: false, by, cause: Some(&cause) };
        let mut peer = Peer::new(slot.id, &mut conn, &mut slot.link, &mut session, &mut self.shared);
        self.handler.close(&mut peer, closed);
        self.die(index);
        // One that still waits has no place to give up; its turn comes and finds it gone.
        let key = dialling.serialized_by.filter(|_| !matches!(dialling.stage, Stage::Waiting));
        self.next_in_line(key);
    }

    /// The opening handshake with this address is over: the next one may begin.
    fn next_in_line(&mut self, key: Option<(IpAddr, u16)>) {
        let Some(key) = key else { return };
        while let Some(id) = self.serializer.leave(key) {
            if let Some(Slot { phase: Phase::Dialling(_), .. }) = self.slots.get_peer(id) {
                return self.start_next.push_back(id.index);
            }
        }
    }
}

/// A connection and its subprotocol.
type Dialled = (Connection, Option<Box<str>>);

enum Progress {
    Waiting,
    Open,
}

/// Interim responses before the one that counts.
const MAX_INTERIM: u32 = 16;

/// The connection and its subprotocol; `None` if the response is only an interim one.
fn check_response<S>(
    connect: &Connect<S>,
    nonce: &[u8; 16],
    head: &[u8],
    settings: &Settings,
) -> Result<Option<Dialled>, Cause> {
    let mut storage = HeaderStorage::<{ Settings::MOST_HEADERS }>::default();
    let parsed = client::parse_response(head, &mut storage).map_err(Cause::Handshake)?;
    let (response, _) = parsed.ok_or(Cause::Handshake(HandshakeError::MalformedHead))?;
    if response.headers().iter().count() > settings.max_headers {
        return Err(Cause::Handshake(HandshakeError::TooManyHeaders));
    }
    if response.is_interim() {
        return Ok(None);
    }
    let lacks_subprotocol = connect.subprotocol_required
        && !connect.subprotocols.is_empty()
        && response.status() == 101
        && response.subprotocol().is_none();
    if lacks_subprotocol {
        return Err(Cause::Handshake(HandshakeError::Response(Field::Subprotocol, Fault::Missing)));
    }
    let accepted = connect
        .with_request(|request| response.accept(request, nonce, &settings.message, random::masking_key));
    match accepted {
        Ok(conn) => Ok(Some((conn, response.subprotocol().map(Into::into)))),
        Err(HandshakeError::Status(status)) => Err(Cause::Refused { status }),
        Err(error) => Err(Cause::Handshake(error)),
    }
}
