//! What all connections of a loop share.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::conn::gathering::Gathering;
use crate::conn::peer_addr::PeerAddr;
use crate::conn::peer_id::PeerId;
use crate::conn::shared_frame::SharedFrame;
use crate::dial::serializer::{Remote, Serializer};
use crate::hub::Hub;
use crate::hub::admission::{Entrance, Place};
use crate::hub::command::{Command, CommandError};
use crate::hub::inbox::{Inbox, publish_on};
use crate::kernel::poller::Registry;
use crate::metrics::{Counters, Metrics};
use crate::settings::Settings;
use crate::settings::origin::Reach;
use crate::state::assembly::Assembly;
use crate::state::engines::Engines;
use crate::state::timers::{Timers, tick_at};
use crate::state::topics::Topics;
use crate::state::warnings::{Warning, Warnings};
use crate::target::connect::Connect;

/// Loop-wide state that callbacks reach through a [`Peer`](crate::Peer) or a
/// [`Context`](crate::Context).
pub(crate) struct Shared<S> {
    pub(crate) settings: Settings,
    /// Since the loop began; read once a turn.
    pub(crate) now: Duration,
    pub(crate) worker: u16,
    /// Messages that were received since this was published last.
    pub(crate) messages_received: u64,
    pub(crate) counters: Arc<Counters>,
    pub(crate) gathering: Gathering,
    pub(crate) assembly: Assembly,
    pub(crate) engines: Engines,
    /// The connection that the application was lent last, outside of its turn.
    pub(crate) lent: Option<u32>,
    pub(crate) topics: Topics,
    pub(crate) timers: Timers,
    /// What callbacks asked for that concerns other connections, carried out in order once they
    /// have returned.
    pub(crate) deferred: VecDeque<Command>,
    pub(crate) dials: VecDeque<Connect<S>>,
    pub(crate) serializer: Serializer,
    /// Servers whose opening handshakes are over: the next ones may begin.
    pub(crate) given_up: Vec<Remote>,
    /// When the loop ends at the latest, once a shutdown has begun.
    pub(crate) shutdown_at: Option<Duration>,
    pub(crate) entrance: Entrance,
    pub(crate) warnings: Warnings,
    /// Programs on other machines can connect.
    pub(crate) is_public: bool,
    /// Memory for the receivers of one message.
    pub(crate) receivers: Vec<u32>,
    /// Memory for the frames of one batch.
    pub(crate) frames: Vec<SharedFrame>,
    /// Time spent on deliveries that a smaller batch would not have shortened, since the present
    /// connection has its turn.
    pub(crate) undivided: Duration,
    pub(crate) registry: Registry,
    pub(crate) hub: Arc<Hub>,
    pub(crate) inbox: Arc<Inbox>,
    /// The other loops of the server.
    others: Vec<Arc<Inbox>>,
}

/// Memory of an empty queue that is kept between turns, in bytes.
const KEPT_QUEUE: usize = 256 << 10;

/// Gives the memory of a queue back that was long once and is empty now.
#[inline]
pub(crate) fn give_back<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > KEPT_QUEUE / size_of::<T>().max(1) && queue.is_empty() {
        *queue = VecDeque::new();
    }
}

impl<S> Shared<S> {
    pub(crate) fn new(
        settings: Settings,
        hub: Arc<Hub>,
        worker: u16,
        registry: Registry,
    ) -> Result<Self, CommandError> {
        let (inbox, counters) = (hub.inbox(worker)?, hub.counters(worker)?);
        let mut others = hub.inboxes();
        others.retain(|other| !Arc::ptr_eq(other, &inbox));
        Ok(Self {
            gathering: Gathering::new(&settings, Arc::clone(&counters)),
            messages_received: 0,
            counters,
            settings,
            now: Duration::ZERO,
            worker,
            assembly: Assembly::default(),
            engines: Engines::default(),
            lent: None,
            topics: Topics::default(),
            timers: Timers::default(),
            deferred: VecDeque::new(),
            dials: VecDeque::new(),
            serializer: Serializer::default(),
            given_up: Vec::new(),
            shutdown_at: None,
            entrance: Entrance::new(&hub.admission),
            warnings: Warnings::default(),
            is_public: false,
            receivers: Vec::new(),
            frames: Vec::new(),
            undivided: Duration::ZERO,
            registry,
            hub,
            inbox,
            others,
        })
    }

    /// Who could have connected in the way in which this peer did.
    pub(crate) fn reach(&self, is_unix: bool) -> Reach {
        match (self.is_public, is_unix) {
            (true, _) => Reach::Public,
            (false, true) => Reach::UnixSocket,
            (false, false) => Reach::Loopback,
        }
    }

    /// Counts a connection for its address, once, if these are limited. Returns whether there is
    /// room.
    pub(crate) fn count_address(&mut self, place: Option<&mut Place>, remote: PeerAddr) -> bool {
        let max = self.settings.max_connections_per_address;
        let has_room = place.is_none_or(|place| self.entrance.count_address(place, remote, max));
        if !has_room {
            let level = self.warnings.level(Warning::Address, self.now);
            let max = max.unwrap_or_default();
            log::log!(level, "{remote}: more connections than Settings::max_connections_per_address, {max}");
        }
        has_room
    }

    pub(crate) fn wake_after(&mut self, delay: Duration) {
        self.timers.add_wake(tick_at(self.now.saturating_add(delay)));
    }

    pub(crate) fn dial(&mut self, connect: Connect<S>) {
        self.dials.push_back(connect);
    }

    /// Whether a published message would reach nobody.
    pub(crate) fn nobody_wants(&self, topic: &str) -> bool {
        self.others.is_empty() && self.topics.count(topic) == 0
    }

    pub(crate) fn publish_elsewhere(&self, topic: &str, frame: &SharedFrame) -> Result<(), CommandError> {
        match publish_on(&self.others, topic, frame) {
            // During a shutdown some loops end earlier. Nobody is left there who could want it.
            Err(CommandError::Stopped) => Ok(()),
            published => published,
        }
    }

    /// Sends something to a peer that may be on another loop.
    pub(crate) fn command(&mut self, peer: PeerId, command: Command) -> Result<(), CommandError> {
        if peer.worker == self.worker {
            self.deferred.push_back(command);
            Ok(())
        } else {
            self.hub.inbox(peer.worker)?.push(command)
        }
    }

    /// The numbers of this loop.
    pub(crate) fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::sum([&*self.counters]);
        metrics.messages_received += self.messages_received;
        metrics.messages_sent += self.gathering.messages_sent;
        metrics
    }

    /// Publishes what is counted for each message, which is cheaper in fields of its own.
    pub(crate) fn publish_counts(&mut self) {
        self.counters.messages_received.add(std::mem::take(&mut self.messages_received));
        self.counters.messages_sent.add(std::mem::take(&mut self.gathering.messages_sent));
    }

    /// A connection has a socket, or is about to.
    pub(crate) fn count_connection(&self) {
        self.hub.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// It has none any more.
    pub(crate) fn uncount_connection(&self) {
        self.hub.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
