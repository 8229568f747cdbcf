//! For this project's own tests and fuzzing, in unit tests and behind the feature `__scripted`:
//! connections over a [`Script`] instead of a socket, and turns at a time that the caller says. The
//! loop does with them what it does with sockets; only the kernel is played.

use std::time::Duration;

use sansws::Connection;

use crate::app::handler::Handler;
use crate::conn::link::Link;
use crate::conn::peer_addr::PeerAddr;
use crate::conn::peer_id::PeerId;
use crate::event_loop::EventLoop;
use crate::kernel::edges::{Edges, Readiness};
use crate::kernel::script::Script;
use crate::kernel::transport::Transport;
use crate::phases::receiving::opened;
use crate::phases::settling::settle;
use crate::random;
use crate::state::slots::{Open, Phase};

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
        self.driver.accepted(Transport::scripted(script), PeerAddr::Unknown)
    }

    /// A connection that was dialled and has just opened.
    pub fn dialled_scripted(&mut self, script: Box<dyn Script>, session: H::Session) -> PeerId {
        self.dialled_over(Transport::scripted(script), session)
    }

    pub(crate) fn dialled_over(&mut self, transport: Transport, session: H::Session) -> PeerId {
        let shared = &mut self.driver.shared;
        let link = Link::new(PeerAddr::Unknown, shared.now);
        let mut edges = Edges::connected(transport);
        edges.readable = true;
        let conn = Connection::client(&shared.settings.message, random::masking_key);
        let open = Open::new(conn, session, false, &mut shared.engines);
        let id = self.driver.insert(link, edges, Phase::Open(open));
        self.driver.turn_of(id, |turn| {
            opened(turn, &mut []);
            settle(turn)
        });
        id
    }

    /// From now on what input takes is not measured: how much is read at a time does not depend on
    /// the machine.
    pub fn untimed(&mut self) {
        self.driver.is_timed = false;
    }

    /// One turn at `now`, with these events. Returns `false` once a shutdown is done.
    #[inline]
    pub fn scripted_turn(&mut self, now: Duration, edges: &[Edge]) -> bool {
        self.driver.shared.now = now;
        // The waker is an event of the kernel's too.
        self.driver.woken();
        let is_there =
            |edge: &&Edge| self.driver.slots.get(edge.peer.index).is_some_and(|slot| slot.id == edge.peer);
        self.driver.sockets_ready(edges.iter().filter(is_there).count());
        for edge in edges {
            if self.driver.slots.get_peer(edge.peer).is_some() {
                let Edge { readable, writable, ended, .. } = *edge;
                self.driver
                    .socket_ready(edge.peer.index, Readiness { readable, writable, ended, broken: false });
            }
        }
        self.driver.rest_of_turn()
    }

    /// Whether the gauges of [`Metrics`](crate::Metrics) are what counting anew finds. While the
    /// loop is busy, what is to be flushed may be missing.
    pub fn gauges_are_right(&self) -> bool {
        self.driver.slots.gauges_are_right(&self.driver.shared.metrics())
    }

    /// Whether the next turn is due without an event.
    pub fn is_busy(&self) -> bool {
        self.driver.is_busy()
    }

    /// When the next turn is due without an event, if it is not due yet.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.driver.next_tick().map(Duration::from_millis)
    }

    /// Memory that the loop owns for its connections together, in bytes.
    pub fn scratch_memory(&self) -> usize {
        self.driver.shared.gathering.bytes.capacity() + self.driver.shared.assembly.buffer.capacity()
    }

    /// Starts a shutdown, as [`Handle::shutdown`](crate::Handle::shutdown) does.
    pub fn shut_down_scripted(&mut self, deadline: Duration) {
        self.driver.shut_down(deadline);
    }
}
