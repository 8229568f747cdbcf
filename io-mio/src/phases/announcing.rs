//! The PROXY protocol: a proxy tells who the client is, in front of TLS and HTTP.

use std::net::SocketAddr;

use crate::app::handler::Handler;
use crate::app::response::Response;
use crate::conn::head::Head;
use crate::conn::peer_addr::PeerAddr;
use crate::conn::proxy_header::{self, Announcement};
use crate::kernel::transport::Transport;
use crate::phases::closing::linger;
use crate::phases::opening::{read_request, respond};
use crate::phases::turn::{Then, Turn};
use crate::state::slots::{Phase, Slot};
use crate::state::warnings::Warning;

/// Reads the header, and not a byte behind it.
pub(crate) fn read_announcement<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    loop {
        let now = turn.shared.now;
        let Slot { link, edges, phase: Phase::Announced(announced), .. } = &mut *turn.slot else {
            return Then::Wait;
        };
        let header = &mut announced.header;
        let needs = match proxy_header::parse(header) {
            Announcement::Needs(needs) => needs,
            Announcement::From(client) => return announced_from(turn, client),
            Announcement::Invalid => {
                let level = turn.shared.warnings.level(Warning::Announcement, now);
                log::log!(
                    level,
                    "{}: dropped: it does not begin with a PROXY protocol header, which Settings::trusted_proxies requires",
                    link.remote()
                );
                return Then::Die;
            }
        };
        let start = header.len();
        header.resize(start + needs, 0);
        let space = header.get_mut(start..).unwrap_or_default();
        let read = edges.read(needs, |transport| transport.read(space));
        let len = match read {
            Some(Ok(len)) => len.min(needs),
            _ => 0,
        };
        header.truncate(start + len);
        match read {
            None => return Then::Wait,
            Some(Ok(1..)) => link.keepalive.received(now),
            // Nobody has heard of this connection.
            Some(Ok(0) | Err(_)) => return Then::Die,
        }
    }
}

/// The header is whole.
fn announced_from<H: Handler>(turn: &mut Turn<'_, H>, client: Option<SocketAddr>) -> Then {
    let Slot { link, edges, phase, place, .. } = &mut *turn.slot;
    let head = Box::new(Head::new(turn.shared.settings.max_head_len));
    let Phase::Announced(announced) = std::mem::replace(phase, Phase::Opening(head)) else {
        return Then::Wait;
    };
    link.set_remote(client.map_or(link.remote(), PeerAddr::Tcp));
    let Transport::Plain(socket) = std::mem::replace(&mut edges.transport, Transport::None) else {
        return Then::Die;
    };
    match announced.security.secure(socket) {
        Ok(transport) => edges.transport = transport,
        Err(error) => {
            log::error!("{}: {error}", link.remote());
            return Then::Die;
        }
    }
    if turn.shared.count_address(place.as_mut(), link.remote()) {
        return read_request(turn);
    }
    respond(turn, Response::too_many_from_address(), false);
    linger(turn)
}
