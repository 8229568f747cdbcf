//! The server's side of the opening handshake, and plain HTTP.

use std::io::{self, ErrorKind};

use sansws::handshake::{HandshakeError, HeaderStorage, server};

use crate::app::accept::Accept;
use crate::app::handler::Handler;
use crate::app::request::Request;
use crate::app::response::Response;
use crate::conn::forwarded::{client, header_name};
use crate::hub::command::Decision;
use crate::phases::closing::linger;
use crate::phases::receiving::opened;
use crate::phases::settling::settle_and_go_on;
use crate::phases::turn::{Then, Turn};
use crate::settings::Settings;
use crate::settings::origin::OriginPolicy;
use crate::state::slots::{Deciding, Open, Phase, Slot};
use crate::state::warnings::Warning;

/// What becomes of a request.
enum Answer<S> {
    /// The 101 is written.
    Open(Open<S>, Accept),
    /// The application decides later.
    Later,
    Respond(Response),
    Refuse(HandshakeError),
}

/// Reads the head of the request, and answers it once it is whole.
pub(crate) fn read_request<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    while let Some(read) = turn.read() {
        let len = match read {
            Ok(len @ 1..) => len,
            end => return ended_in_opening(turn, end.err()),
        };
        let buffer = std::mem::take(&mut turn.buffer);
        request_arrived(turn, buffer.get_mut(..len).unwrap_or_default());
        turn.buffer = buffer;
        match turn.slot.phase {
            Phase::Opening(_) => {}
            Phase::Deciding(_) => return Then::Wait,
            Phase::Open(_) => return settle_and_go_on(turn),
            _ => return linger(turn),
        }
    }
    Then::Wait
}

fn request_arrived<H: Handler>(turn: &mut Turn<'_, H>, input: &mut [u8]) {
    let Phase::Opening(head) = &mut turn.slot.phase else { return };
    let mut collected = Vec::new();
    let (head, rest) = match head.add(input, &mut collected) {
        Ok(Some(parts)) => parts,
        Ok(None) => return,
        Err(error) => {
            let is_head = head.is_head();
            return refuse(turn, &error, is_head);
        }
    };
    answer_request(turn, head, rest, None);
}

/// The application has decided about the request.
pub(crate) fn decided<H: Handler>(turn: &mut Turn<'_, H>, decision: Decision) -> Then {
    let Phase::Deciding(deciding) = &mut turn.slot.phase else { return Then::Wait };
    let Deciding { mut bytes, head_len } =
        std::mem::replace(&mut **deciding, Deciding { bytes: Vec::new(), head_len: 0 });
    let Some((head, rest)) = bytes.split_at_mut_checked(head_len) else { return Then::Die };
    answer_request(turn, head, rest, Some(decision));
    match turn.slot.phase {
        Phase::Open(_) => settle_and_go_on(turn),
        Phase::Lingering => linger(turn),
        _ => Then::Wait,
    }
}

/// Does as the application says about a request whose head is whole; `rest` follows it.
fn answer_request<H: Handler>(
    turn: &mut Turn<'_, H>,
    head: &[u8],
    rest: &mut [u8],
    decision: Option<Decision>,
) {
    let is_head = server::method_of(head) == "HEAD";
    match answer(turn, head, decision) {
        Answer::Later => {
            let deciding = Deciding { bytes: [head, rest].concat(), head_len: head.len() };
            turn.slot.phase = Phase::Deciding(Box::new(deciding));
        }
        Answer::Open(open, accept) => {
            let Slot { link, phase, .. } = &mut *turn.slot;
            link.set_subprotocol(accept.subprotocol);
            link.slow_consumer = accept.slow_consumer;
            link.set_high_water(accept.high_water);
            *phase = Phase::Open(open);
            opened(turn, rest);
        }
        Answer::Respond(response) => respond(turn, response, is_head),
        Answer::Refuse(error) => refuse(turn, &error, is_head),
    }
}

fn answer<H: Handler>(turn: &mut Turn<'_, H>, head: &[u8], decision: Option<Decision>) -> Answer<H::Session> {
    let Turn { slot, handler, shared, .. } = turn;
    let settings = &shared.settings;
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
    let proxies = settings.trusted_proxies.as_ref();
    if let Some((proxies, name)) = proxies.and_then(|proxies| Some((proxies, header_name(proxies)?))) {
        slot.link.set_remote(client(slot.link.remote(), proxies, head.headers().all(name)));
        if !shared.count_address(slot.place.as_mut(), slot.link.remote()) {
            return Answer::Respond(Response::too_many_from_address());
        }
    }
    let (remote, settings) = (slot.link.remote(), &shared.settings);
    let request = Request::new(&head, remote);
    if !head.is_upgrade() {
        return Answer::Respond(handler.request(&request));
    }
    let upgrade = match head.upgrade() {
        Ok(upgrade) => upgrade,
        Err(error) => return Answer::Refuse(error),
    };
    // §10.2: "Servers that are not intended to process input from any web page but only for certain
    // sites SHOULD verify the |Origin| field is an origin they expect." §4.2.2: otherwise "403
    // Forbidden".
    if let Some(origin) = head.origin() {
        let transport = &slot.edges.transport;
        let reach = shared.reach(transport.is_unix());
        if !settings.origin.allows(origin, head.host(), reach, transport.is_secure()) {
            let level = shared.warnings.level(Warning::Origin, shared.now);
            let (host, hint) = (head.host().unwrap_or_default(), OriginPolicy::hint(reach));
            log::log!(level, "{remote}: Settings::origin does not allow {origin:?}; Host: {host:?}; {hint}");
            return Answer::Refuse(HandshakeError::OriginNotAllowed);
        }
    }
    let mut accept = Accept::new(slot.id, decision);
    let session = match handler.upgrade(&request, &mut accept) {
        Ok(session) => session,
        Err(response) if response.is_later() => return Answer::Later,
        Err(response) => return Answer::Respond(response),
    };
    let headers: Vec<(&str, &str)> = accept.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let chosen = server::Accept::new().subprotocol(accept.subprotocol.as_deref()).headers(&headers);
    let mut config = settings.message;
    config.max_message_len = accept.max_message_len.unwrap_or(u64::MAX).min(config.max_message_len);
    match upgrade.accept(&chosen, &config, &mut shared.gathering.bytes) {
        Ok(conn) => {
            let streaming = accept.streaming;
            Answer::Open(Open::new(conn, session, streaming, &mut shared.engines), accept)
        }
        Err(error) => {
            log::error!("Handler::upgrade: {error}");
            Answer::Refuse(error)
        }
    }
}

/// Nobody has heard of this connection yet: when it ends, nobody has to be told but, if the TLS
/// handshake failed, the peer.
fn ended_in_opening<H: Handler>(turn: &mut Turn<'_, H>, error: Option<io::Error>) -> Then {
    let link = &turn.slot.link;
    if let Some(error) = error {
        log::debug!("{}: before a request: {error}", link.remote());
        if error.kind() == ErrorKind::InvalidData {
            end_of_http(turn);
            return linger(turn);
        }
    } else if link.received > 0 {
        // §4.2.1: "If the server, while reading the handshake, finds that the client did not send a
        // handshake that matches the description below …, the server MUST stop processing the
        // client's handshake and return an HTTP response with an appropriate error code (such as
        // 400 Bad Request)." The client has ended its own half only, as far as anyone knows.
        let is_head = is_head(turn);
        refuse(turn, &HandshakeError::MalformedHead, is_head);
        return linger(turn);
    }
    Then::Die
}

/// The request is late.
pub(crate) fn timed_out<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    // Nothing can be said that would be understood.
    if turn.slot.edges.transport.is_handshaking() {
        return Then::Die;
    }
    let response = match turn.slot.phase {
        Phase::Deciding(_) => Response::later(),
        _ => Response::text(408, "no request in time\n"),
    };
    let is_head = is_head(turn);
    respond(turn, response, is_head);
    linger(turn)
}

/// The server ends before the request is there. Who has sent none of it yet waits for no answer.
pub(crate) fn shut_down<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    if turn.slot.link.received == 0 {
        return Then::Die;
    }
    let is_head = is_head(turn);
    respond(turn, Response::text(503, "the server is shutting down\n"), is_head);
    linger(turn)
}

fn is_head<H: Handler>(turn: &Turn<'_, H>) -> bool {
    matches!(&turn.slot.phase, Phase::Opening(head) if head.is_head())
}

fn refuse<H: Handler>(turn: &mut Turn<'_, H>, error: &HandshakeError, is_head: bool) {
    log::debug!("{}: {error}", turn.slot.link.remote());
    respond(turn, Response::refusal(error), is_head);
}

pub(crate) fn respond<H: Handler>(turn: &mut Turn<'_, H>, response: Response, is_head: bool) {
    turn.shared.counters.answered(response.status());
    let (head, body) = response.encode(is_head);
    let out = &mut turn.slot.link.out;
    out.push(head.into());
    out.push(body);
    end_of_http(turn);
}

fn end_of_http<H: Handler>(turn: &mut Turn<'_, H>) {
    turn.slot.phase = Phase::Lingering;
    turn.slot.link.keepalive.closing(turn.shared.now);
}
