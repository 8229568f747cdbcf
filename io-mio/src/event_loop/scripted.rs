//! For this project's own tests and fuzzing, in unit tests and behind the feature `__scripted`: connections over a [`Script`] instead of a socket, and turns at
//! a time that the caller says. The loop does with them what it does with sockets; only the kernel is played.

use std::time::Duration;

use sansws::{Assembler, Connection};

use crate::app::handler::Handler;
use crate::conn::link::Link;
use crate::conn::peer_addr::PeerAddr;
use crate::conn::peer_id::PeerId;
use crate::event_loop::EventLoop;
use crate::event_loop::driver::Readiness;
use crate::kernel::script::Script;
use crate::kernel::transport::Transport;
use crate::random;
use crate::state::deliver::run_deferred;
use crate::state::shared::NOBODY;
use crate::state::slots::{Open, Phase};
use crate::state::timers::tick_at;

/// What an edge-triggered event says of a connection.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "as of mio's events")]
pub struct Edge {
    pub peer: PeerId,
    pub readable: bool,
    pub writable: bool,
    /// The peer's stream has ended, or the connection is broken.
    pub ended: bool,
}

impl<H: Handler> EventLoop<H> {
    /// A connection that was accepted; the request comes first.
    pub fn accept_scripted(&mut self, script: Box<dyn Script>) -> Option<PeerId> {
        let before = self.driver.slots.indices();
        self.driver.accepted(Transport::Scripted(script), PeerAddr::Unknown);
        let index = self.driver.slots.indices().into_iter().find(|index| !before.contains(index))?;
        self.driver.slots.get(index).map(|slot| slot.id)
    }

    /// A connection that was dialled and has just opened.
    pub fn dialled_scripted(&mut self, script: Box<dyn Script>, session: H::Session) -> PeerId {
        self.dialled_over(Transport::Scripted(script), session)
    }

    pub(crate) fn dialled_over(&mut self, transport: Transport, session: H::Session) -> PeerId {
        let driver = &mut self.driver;
        let mut link = Link::new(transport, PeerAddr::Unknown, driver.shared.now);
        (link.readable, link.writable) = (true, true);
        let conn = Connection::client(&driver.shared.settings.message, random::masking_key);
        let open = Open { conn, assembler: Assembler::new(), session, streaming: false };
        let id = driver.insert(link, Phase::Open(open));
        driver.shared.turn_of = id.index;
        driver.opened(id.index, &mut []);
        driver.settle(id.index);
        driver.shared.turn_of = NOBODY;
        run_deferred(&mut driver.slots, &mut driver.shared);
        id
    }

    /// One turn at `now`, with these events. Returns `false` once a shutdown is done.
    pub fn scripted_turn(&mut self, now: Duration, edges: &[Edge]) -> bool {
        self.driver.shared.now = now;
        // The waker is an event of the kernel's too.
        self.driver.woken();
        for edge in edges {
            if self.driver.slots.get_peer(edge.peer).is_some() {
                let Edge { readable, writable, ended, .. } = *edge;
                self.driver.socket_ready(edge.peer.index, Readiness { readable, writable, ended });
            }
        }
        self.driver.rest_of_turn()
    }

    /// Whether the next turn is due without an event.
    pub fn is_busy(&self) -> bool {
        self.driver.is_busy()
    }

    /// When the next turn is due without an event, if it is not due yet.
    pub fn next_deadline(&self) -> Option<Duration> {
        let shutdown = self.driver.shutdown_at.map(tick_at);
        let tick = self.driver.shared.timers.next().into_iter().chain(shutdown).min()?;
        Some(Duration::from_millis(tick))
    }

    /// Memory that the loop owns for its connections together, in bytes.
    pub fn scratch_memory(&self) -> usize {
        self.driver.shared.gathered.capacity() + self.driver.shared.assembly.capacity()
    }

    /// Starts a shutdown, as [`Handle::shutdown`](crate::Handle::shutdown) does.
    pub fn shut_down_scripted(&mut self, deadline: Duration) {
        self.driver.shut_down(deadline);
    }
}
