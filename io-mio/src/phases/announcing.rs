//! The PROXY protocol: a proxy tells who the client is, in front of TLS and HTTP.

use std::net::SocketAddr;

use crate::app::handler::Handler;
use crate::app::response::Response;
use crate::conn::head::Head;
use crate::conn::peer_addr::PeerAddr;
use crate::conn::proxy_header::{self, Announcement};
use crate::event_loop::driver::Driver;
use crate::kernel::transport::Transport;
use crate::state::slots::Phase;
use crate::state::warnings::Warning;

impl<H: Handler> Driver<H> {
    /// Reads the header, and not a byte behind it.
    pub(crate) fn read_announcement(&mut self, index: u32) {
        loop {
            let Some(slot) = self.slots.get_mut(index) else { return };
            let Phase::Announced(announced) = &mut slot.phase else { return };
            let header = &mut announced.header;
            let needs = match proxy_header::parse(header) {
                Announcement::Needs(needs) => needs,
                Announcement::From(client) => return self.announced(index, client),
                Announcement::Invalid => {
                    let level = self.accepting.warnings.level(Warning::Announcement, self.shared.now);
                    log::log!(
                        level,
                        "{}: dropped: it does not begin with a PROXY protocol header, which Settings::trusted_proxies requires",
                        slot.link.remote
                    );
                    return self.die(index);
                }
            };
            let start = header.len();
            header.resize(start + needs, 0);
            let space = header.get_mut(start..).unwrap_or_default();
            let read = slot.link.read(needs, self.shared.now, |transport| transport.read(space));
            let len = match read {
                Some(Ok(len)) => len.min(needs),
                _ => 0,
            };
            header.truncate(start + len);
            match read {
                None => return,
                Some(Ok(1..)) => {}
                // Nobody has heard of this connection.
                Some(Ok(0) | Err(_)) => return self.die(index),
            }
        }
    }

    /// The header is whole.
    fn announced(&mut self, index: u32, client: Option<SocketAddr>) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let head = Box::new(Head::new(self.shared.settings.max_head_len));
        let Phase::Announced(announced) = std::mem::replace(&mut slot.phase, Phase::Opening(head)) else {
            return;
        };
        let link = &mut slot.link;
        // Of the request nothing has been read.
        link.received = 0;
        link.remote = client.map_or(link.remote, PeerAddr::Tcp);
        let socket = std::mem::replace(&mut link.transport, Transport::None);
        match announced.security.secure(socket) {
            Ok(transport) => link.transport = transport,
            Err(error) => {
                log::error!("{}: {error}", link.remote);
                return self.die(index);
            }
        }
        if self.count_address(index) {
            self.read_request(index);
        } else {
            self.respond(index, Response::too_many_from_address(), false);
            self.linger(index);
        }
    }
}
