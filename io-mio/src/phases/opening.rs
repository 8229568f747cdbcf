//! The server's side of the opening handshake, and plain HTTP.

use std::io::{self, ErrorKind};

use sansws::Assembler;
use sansws::handshake::{HandshakeError, HeaderStorage, server};

use crate::app::accept::Accept;
use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::app::request::Request;
use crate::app::response::Response;
use crate::conn::forwarded::{client, header_name};
use crate::event_loop::driver::Driver;
use crate::settings::Settings;
use crate::settings::origin::OriginPolicy;
use crate::state::slots::{Open, Phase};
use crate::state::warnings::Warning;

/// What becomes of a request.
#[expect(clippy::large_enum_variant, reason = "it lives for a moment, on the stack")]
enum Answer<S> {
    /// The 101 is written.
    Open(Open<S>, Accept),
    Respond(Response),
    Refuse(HandshakeError),
}

impl<H: Handler> Driver<H> {
    pub(crate) fn read_request(&mut self, index: u32) {
        while let Some(read) = self.read(index) {
            let len = match read {
                Ok(len @ 1..) => len,
                end => return self.ended_in_opening(index, end.err()),
            };
            let mut buffer = std::mem::take(&mut self.buffer);
            self.request_arrived(index, buffer.get_mut(..len).unwrap_or_default());
            self.buffer = buffer;
            match self.slots.get(index).map(|slot| &slot.phase) {
                Some(Phase::Opening(_)) => {}
                Some(Phase::Open(_)) => {
                    self.settle(index);
                    return self.read_frames(index);
                }
                _ => return self.linger(index),
            }
        }
    }

    fn request_arrived(&mut self, index: u32, input: &mut [u8]) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Opening(head) = &mut slot.phase else { return };
        let mut collected = Vec::new();
        let (head, rest) = match head.add(input, &mut collected) {
            Ok(Some(parts)) => parts,
            Ok(None) => return,
            Err(error) => {
                let is_head = head.is_head();
                return self.refuse_request(index, &error, is_head);
            }
        };
        let is_head = server::method_of(head) == "HEAD";
        match self.answer(index, head) {
            Answer::Open(open, accept) => {
                let Some(slot) = self.slots.get_mut(index) else { return };
                slot.link.subprotocol = accept.subprotocol;
                slot.link.slow_consumer = accept.slow_consumer;
                slot.link.high_water = accept.high_water;
                slot.phase = Phase::Open(open);
                self.opened(index, rest);
            }
            Answer::Respond(response) => self.respond(index, response, is_head),
            Answer::Refuse(error) => self.refuse_request(index, &error, is_head),
        }
    }

    fn answer(&mut self, index: u32, head: &[u8]) -> Answer<H::Session> {
        let Some(slot) = self.slots.get(index) else { return Answer::Refuse(HandshakeError::MalformedHead) };
        let settings = &self.shared.settings;
        let mut storage = HeaderStorage::<{ Settings::MOST_HEADERS }>::default();
        let head = match server::Request::parse(head, &mut storage) {
            Ok(Some((head, _))) if head.headers().iter().count() <= settings.max_headers => head,
            Ok(Some(_)) => return Answer::Refuse(HandshakeError::TooManyHeaders),
            Ok(None) => return Answer::Refuse(HandshakeError::MalformedHead),
            Err(error) => return Answer::Refuse(error),
        };
        // What HTTP requires of every request, for a page too.
        if let Err(error) = head.check_head() {
            return Answer::Refuse(error);
        }
        let mut remote = slot.link.remote;
        let proxies = settings.trusted_proxies.as_ref();
        if let Some((proxies, name)) = proxies.and_then(|proxies| Some((proxies, header_name(proxies)?))) {
            remote = client(remote, proxies, head.headers().all(name));
            if let Some(slot) = self.slots.get_mut(index) {
                slot.link.remote = remote;
            }
            if !self.count_address(index) {
                return Answer::Respond(Response::too_many_from_address());
            }
        }
        let Some(slot) = self.slots.get(index) else { return Answer::Refuse(HandshakeError::MalformedHead) };
        let settings = &self.shared.settings;
        let request = Request::new(&head, remote);
        if !head.is_upgrade() {
            return Answer::Respond(self.handler.request(&request));
        }
        let upgrade = match head.upgrade() {
            Ok(upgrade) => upgrade,
            Err(error) => return Answer::Refuse(error),
        };
        // §10.2: "Servers that are not intended to process input from any web page but only for certain sites SHOULD verify the
        // |Origin| field is an origin they expect." §4.2.2: otherwise "403 Forbidden".
        if let Some(origin) = head.origin() {
            let reach = self.accepting.reach(slot.link.transport.is_unix());
            let secure = slot.link.transport.is_secure();
            if !settings.origin.allows(origin, head.host(), reach, secure) {
                let level = self.accepting.warnings.level(Warning::Origin, self.shared.now);
                let (remote, hint) = (slot.link.remote, OriginPolicy::hint(reach));
                log::log!(
                    level,
                    "{remote}: Settings::origin does not allow {origin:?}; Host: {:?}; {hint}",
                    head.host()
                );
                return Answer::Refuse(HandshakeError::OriginNotAllowed);
            }
        }
        let mut accept = Accept::default();
        let session = match self.handler.upgrade(&request, &mut accept) {
            Ok(session) => session,
            Err(response) => return Answer::Respond(response),
        };
        let headers: Vec<(&str, &str)> =
            accept.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let chosen = server::Accept::new().subprotocol(accept.subprotocol.as_deref()).headers(&headers);
        let mut config = settings.message;
        config.max_message_len = accept.max_message_len.unwrap_or(u64::MAX).min(config.max_message_len);
        match upgrade.accept(&chosen, &config, &mut self.shared.gathered) {
            Ok(conn) => {
                let streaming = accept.streaming;
                Answer::Open(Open { conn, assembler: Assembler::new(), session, streaming }, accept)
            }
            Err(error) => {
                log::error!("Handler::upgrade: {error}");
                Answer::Refuse(error)
            }
        }
    }

    /// The connection is open; `rest` are its first frames. What is sent is gathered.
    pub(crate) fn opened(&mut self, index: u32, rest: &mut [u8]) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Open(open) = &mut slot.phase else { return };
        slot.link.keepalive.opened(self.shared.now);
        self.handler.open(&mut Peer::new(
            slot.id,
            &mut open.conn,
            &mut slot.link,
            &mut open.session,
            &mut self.shared,
        ));
        self.feed(index, 0, rest);
    }

    /// Nobody has heard of this connection yet: when it ends, nobody has to be told but, if the TLS handshake failed, the peer.
    fn ended_in_opening(&mut self, index: u32, error: Option<io::Error>) {
        let Some(slot) = self.slots.get(index) else { return };
        if let Some(error) = error {
            log::debug!("{}: before a request: {error}", slot.link.remote);
            if error.kind() == ErrorKind::InvalidData {
                self.end_of_http(index);
                return self.linger(index);
            }
        } else if slot.link.received > 0 {
            // §4.2.1: "If the server, while reading the handshake, finds that the client did not send a handshake that matches the
            // description below …, the server MUST stop processing the client's handshake and return an HTTP response with an
            // appropriate error code (such as 400 Bad Request)." The client has ended its own half only, as far as anyone knows.
            let is_head = matches!(&slot.phase, Phase::Opening(head) if head.is_head());
            self.refuse_request(index, &HandshakeError::MalformedHead, is_head);
            return self.linger(index);
        }
        self.die(index);
    }

    /// Counts a connection by the address of its client, once that is known; whether there is room
    /// for it.
    pub(crate) fn count_address(&mut self, index: u32) -> bool {
        let Some(slot) = self.slots.get_mut(index) else { return true };
        let link = &mut slot.link;
        let max = self.shared.settings.max_connections_per_address;
        if let (false, Some(max), Some(ip)) = (link.address_counted, max, link.remote.ip()) {
            link.address_counted = self.shared.hub.enter_address(ip, max);
            if !link.address_counted {
                let level = self.accepting.warnings.level(Warning::Address, self.shared.now);
                log::log!(
                    level,
                    "{}: more connections than Settings::max_connections_per_address, {max}",
                    link.remote
                );
                return false;
            }
        }
        true
    }

    pub(crate) fn request_timed_out(&mut self, index: u32) {
        let Some(slot) = self.slots.get(index) else { return };
        // Nothing can be said that would be understood.
        if slot.link.transport.is_handshaking() {
            return self.die(index);
        }
        let is_head = matches!(&slot.phase, Phase::Opening(head) if head.is_head());
        self.respond(index, Response::text(408, "no request in time\n"), is_head);
        self.linger(index);
    }

    /// The server ends before the request is there. Who has sent none of it yet waits for no answer.
    pub(crate) fn shut_down_opening(&mut self, index: u32) {
        let Some(slot) = self.slots.get(index) else { return };
        if slot.link.received == 0 {
            return self.die(index);
        }
        let is_head = matches!(&slot.phase, Phase::Opening(head) if head.is_head());
        self.respond(index, Response::text(503, "the server is shutting down\n"), is_head);
        self.linger(index);
    }

    fn refuse_request(&mut self, index: u32, error: &HandshakeError, is_head: bool) {
        let Some(slot) = self.slots.get(index) else { return };
        log::debug!("{}: {error}", slot.link.remote);
        self.respond(index, Response::refusal(error), is_head);
    }

    pub(crate) fn respond(&mut self, index: u32, response: Response, is_head: bool) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let (head, body) = response.encode(is_head);
        slot.link.out.push(head.into());
        slot.link.out.push(body);
        self.end_of_http(index);
    }

    fn end_of_http(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.phase = Phase::Lingering;
        slot.link.keepalive.closing(self.shared.now);
    }
}
