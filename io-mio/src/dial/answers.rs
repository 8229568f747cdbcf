//! What is said once there is a byte stream: to the proxy, then to the server.

use sansws::Connection;
use sansws::handshake::{Fault, Field, HandshakeError, HeaderStorage, client};

use crate::app::handler::Handler;
use crate::conn::ending::{By, Cause};
use crate::conn::head::Head;
use crate::conn::link::Link;
use crate::conn::peer_addr::PeerAddr;
use crate::dial::dialling::{Stage, deadline};
use crate::dial::refusal::Refusal;
use crate::dial::tunnel::{Tunnel, write_connect};
use crate::event_loop::driver::Driver;
use crate::kernel::transport::Transport;
use crate::random;
use crate::settings::Settings;
use crate::state::slots::Phase;
use crate::target::connect::Connect;
use crate::target::proxy::ProxyError;
use crate::target::redirect::{RedirectError, is_redirection, redirected};
use crate::target::url::Target;

/// Interim responses before the one that counts.
const MAX_INTERIM: u32 = 16;

/// What a read has led to.
enum Progress {
    /// Nothing yet.
    Waiting,
    /// The tunnel is there.
    Tunnelled,
    /// The connection is to be made anew, to here.
    Redirected(Target),
    /// There will be no connection, and the response that says so has been read.
    Refused,
    Open,
}

/// What a response means.
#[expect(clippy::large_enum_variant, reason = "handed over once, at once")]
enum Verdict {
    Interim,
    Accepted(Connection, Option<Box<str>>),
    Redirected(Target),
    Refused(Refusal),
}

impl<H: Handler> Driver<H> {
    /// There is a byte stream, to the server or to the proxy.
    pub(crate) fn connected(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        let Some(proxy) = dialling.proxy() else { return self.reached(index) };
        let target = &dialling.connect.target;
        let out = &mut self.shared.gathered;
        if let Err(error) = write_connect(proxy, &target.host, target.port, out) {
            out.clear();
            return self.dial_failed(index, By::Local, Cause::Proxy(error));
        }
        let settings = &self.shared.settings;
        dialling.stage = Stage::Tunnelling(Tunnel::new(settings.max_head_len, settings.max_headers));
        slot.link.flush(&mut self.shared.gathered);
        self.read_answer(index);
        self.arm(index);
    }

    /// There is a byte stream to the server.
    fn reached(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        let timeout = dialling.connect.handshake_timeout.unwrap_or(self.shared.settings.timeouts.handshake);
        dialling.deadline = deadline(self.shared.now, timeout);
        // What the proxy took is not the server's.
        slot.link.written = 0;
        if dialling.connect.target.secure {
            self.secure(index);
        } else {
            self.send_request(index);
        }
        self.arm(index);
    }

    pub(crate) fn send_request(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        let nonce = dialling.nonce;
        let out = &mut self.shared.gathered;
        if let Err(error) = dialling.connect.with_request(|request| request.write(&nonce, out)) {
            out.clear();
            return self.dial_failed(index, By::Local, Cause::Handshake(error));
        }
        self.handler.head(&mut dialling.connect.session, By::Local, out);
        let head = Head::new(self.shared.settings.max_head_len);
        dialling.stage = Stage::Responding { head, interim: 0 };
        slot.link.flush(&mut self.shared.gathered);
        self.read_answer(index);
    }

    /// Reads what the proxy or the server answers.
    pub(crate) fn read_answer(&mut self, index: u32) {
        // A content may be long, as settings go: others have their turn.
        for _ in 0..self.shared.settings.reads_per_turn {
            let Some(read) = self.read(index) else { return };
            let mut buffer = std::mem::take(&mut self.buffer);
            let outcome = match read {
                Ok(len) => self.answer_arrived(index, buffer.get_mut(..len).unwrap_or_default()),
                Err(error) => Err(self.broken(index, error)),
            };
            self.buffer = buffer;
            match outcome {
                Ok(Progress::Waiting) => {}
                Ok(Progress::Tunnelled) => return self.reached(index),
                Ok(Progress::Redirected(target)) => return self.redial(index, target),
                // What it failed for is known already.
                Ok(Progress::Refused) => return self.dial_failed(index, By::Remote, Cause::Eof),
                Ok(Progress::Open) => {
                    self.settle(index);
                    return self.read_frames(index);
                }
                Err(cause) => return self.dial_failed(index, By::Remote, cause),
            }
        }
        self.serve_again(index);
    }

    pub(crate) fn broken(&self, index: u32, error: std::io::Error) -> Cause {
        match self.slots.get(index).map(|slot| &slot.phase) {
            Some(Phase::Dialling(dialling)) => dialling.broken(error),
            _ => Cause::of_transport(error),
        }
    }

    /// `input` is empty at the end of the stream.
    fn answer_arrived(&mut self, index: u32, input: &mut [u8]) -> Result<Progress, Cause> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(Progress::Waiting) };
        let Phase::Dialling(dialling) = &mut slot.phase else { return Ok(Progress::Waiting) };
        match &mut dialling.stage {
            Stage::Tunnelling(_) if input.is_empty() => Err(Cause::Proxy(ProxyError::Eof)),
            Stage::Tunnelling(tunnel) => match tunnel.received(input) {
                Ok(true) => Ok(Progress::Tunnelled),
                Ok(false) => Ok(Progress::Waiting),
                Err(error) => Err(Cause::Proxy(error)),
            },
            _ if input.is_empty() => Err(Cause::Eof),
            Stage::Refused(refusal) => {
                Ok(if refusal.add(input) { Progress::Refused } else { Progress::Waiting })
            }
            _ => self.response_arrived(index, input),
        }
    }

    fn response_arrived(&mut self, index: u32, input: &mut [u8]) -> Result<Progress, Cause> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(Progress::Waiting) };
        let Phase::Dialling(dialling) = &mut slot.phase else { return Ok(Progress::Waiting) };
        let Stage::Responding { head, interim } = &mut dialling.stage else { return Ok(Progress::Waiting) };
        let max_len = self.shared.settings.max_head_len;
        let mut collected = Vec::new();
        let Some((mut head_bytes, mut rest)) = head.add(input, &mut collected).map_err(Cause::Handshake)?
        else {
            return Ok(Progress::Waiting);
        };
        // §4.1 (1) has other statuses handled "per HTTP procedures": 1xx responses come before the one that counts.
        let (conn, subprotocol) = loop {
            self.handler.head(&mut dialling.connect.session, By::Remote, head_bytes);
            match check_response(&dialling.connect, &dialling.nonce, head_bytes, &self.shared.settings)? {
                Verdict::Accepted(conn, subprotocol) => break (conn, subprotocol),
                Verdict::Redirected(target) => return Ok(Progress::Redirected(target)),
                Verdict::Refused(mut refusal) => {
                    let is_all = refusal.add(rest);
                    dialling.stage = Stage::Refused(refusal);
                    // The opening handshake has failed: others may have theirs (§4.1).
                    let places = std::mem::take(&mut dialling.places);
                    self.give_up_places(places);
                    return Ok(if is_all { Progress::Refused } else { Progress::Waiting });
                }
                Verdict::Interim => {}
            }
            *interim += 1;
            if *interim > MAX_INTERIM {
                return Err(Cause::Handshake(HandshakeError::TooManyInterim));
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

    /// Begins anew, with another server or another resource.
    fn redial(&mut self, index: u32, target: Target) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        log::debug!("{}: redirected to {}", slot.link.remote, target.authority);
        let connect = &mut dialling.connect;
        connect.redirects = connect.redirects.saturating_sub(1);
        connect.redirected = true;
        if !connect.target.same_origin(&target) {
            connect.drop_secrets();
        }
        connect.target = target;
        // §4.1: the nonce "MUST be selected randomly for each connection".
        dialling.nonce = random::nonce();
        dialling.stage = Stage::Resolving;
        let places = std::mem::take(&mut dialling.places);
        let link = &mut slot.link;
        // The lists of the loop that this connection is on go on naming it.
        let (armed, dirty, ready) = (link.armed, link.dirty, link.ready);
        let fresh = Link::new(Transport::None, PeerAddr::Unknown, self.shared.now);
        *link = Link { armed, dirty, ready, slow_consumer: link.slow_consumer, ..fresh };
        self.give_up_places(places);
        self.find_address(index);
    }
}

fn check_response<S>(
    connect: &Connect<S>,
    nonce: &[u8; 16],
    head: &[u8],
    settings: &Settings,
) -> Result<Verdict, Cause> {
    let mut storage = HeaderStorage::<{ Settings::MOST_HEADERS }>::default();
    let parsed = client::Response::parse(head, &mut storage).map_err(Cause::Handshake)?;
    let (response, _) = parsed.ok_or(Cause::Handshake(HandshakeError::MalformedHead))?;
    if response.headers().len() > settings.max_headers {
        return Err(Cause::Handshake(HandshakeError::TooManyHeaders));
    }
    if response.is_interim() {
        return Ok(Verdict::Interim);
    }
    if is_redirection(response.status()) && (connect.redirects > 0 || connect.redirected) {
        if connect.redirects == 0 {
            return Err(Cause::Redirect(RedirectError::TooMany));
        }
        let target = redirected(&connect.target, response.headers().all("Location"));
        return target.map(Verdict::Redirected).map_err(Cause::Redirect);
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
        Ok(conn) => Ok(Verdict::Accepted(conn, response.subprotocol().map(Into::into))),
        Err(HandshakeError::Status(_)) => {
            Ok(Verdict::Refused(Refusal::new(&response, settings.max_refusal_content)))
        }
        Err(error) => Err(Cause::Handshake(error)),
    }
}
