//! Reaching event loops from other threads.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use sansws::{CloseCode, MAX_REASON_LEN, Message};

use crate::frame::SharedFrame;
use crate::peer::PeerId;
use crate::resolve::Resolved;
use crate::settings::Settings;

/// Reaches a server or an event loop from any thread, and from inside its own callbacks.
///
/// Commands are carried out in the order in which they were given, as soon as the loop comes round to them.
#[derive(Clone)]
pub struct Handle {
    hub: Arc<Hub>,
}

impl Handle {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }

    /// Sends a message to all subscribers of a topic, on all workers.
    ///
    /// # Errors
    ///
    /// [`CommandError::Full`] or [`CommandError::Stopped`] if a worker could not be told; the others were.
    pub fn publish<'m>(&self, topic: &str, message: impl Into<Message<'m>>) -> Result<(), CommandError> {
        let frame = SharedFrame::new(message.into());
        publish_on(&self.hub.inboxes(), topic, &frame)
    }

    /// Sends a message to one peer, if it is there by then. What happens if it reads too slowly is up to its
    /// [`SlowConsumer`](crate::SlowConsumer).
    ///
    /// # Errors
    ///
    /// [`CommandError::Full`], [`CommandError::Stopped`].
    pub fn send<'m>(&self, peer: PeerId, message: impl Into<Message<'m>>) -> Result<(), CommandError> {
        let frame = SharedFrame::new(message.into());
        self.hub.inbox(peer.worker)?.push(Command::Send { peer, frame })
    }

    /// Starts the closing handshake with one peer, if it is there by then.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn close(&self, peer: PeerId, code: CloseCode, reason: &str) -> Result<(), CommandError> {
        let command = Command::close(peer, code, reason)?;
        self.hub.inbox(peer.worker)?.push(command)
    }

    /// Has [`Handler::wake`](crate::Handler::wake) called, on each worker. Several wakes may become one call.
    pub fn wake(&self) {
        for inbox in self.hub.inboxes() {
            inbox.wake();
        }
    }

    /// Ends the server: it stops accepting, sends Close 1001 to every peer, and stops once all have answered, after `deadline` at the
    /// latest. Then `run` returns.
    ///
    /// Given before `run`, it ends that at once.
    pub fn shutdown(&self, deadline: Duration) {
        self.hub.shutdown(deadline);
    }

    /// Connections that were accepted or dialled and still have a socket, on all workers; those in a handshake count.
    pub fn connections(&self) -> usize {
        self.hub.connections.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

/// Why a command was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// [`max_commands`](crate::Settings::max_commands) commands wait already, or this one goes beyond
    /// [`max_command_bytes`](crate::Settings::max_command_bytes).
    Full,
    /// The loop has ended.
    Stopped,
    /// The status code [must not be sent](CloseCode::may_be_sent).
    InvalidCloseCode,
    /// The close reason is longer than 123 bytes.
    ReasonTooLong,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many commands wait for the event loop",
            Self::Stopped => "the event loop has ended",
            Self::InvalidCloseCode => "the status code must not be sent",
            Self::ReasonTooLong => "the close reason is longer than 123 bytes",
        })
    }
}

impl std::error::Error for CommandError {}

/// What one loop asks of another, or of itself once a callback has returned.
pub(crate) enum Command {
    Publish { topic: Arc<str>, frame: SharedFrame, except: Option<PeerId> },
    Send { peer: PeerId, frame: SharedFrame },
    Close { peer: PeerId, code: CloseCode, reason: Box<str> },
}

impl Command {
    /// The memory that waits with it, in bytes; what several commands share counts for each.
    fn len(&self) -> usize {
        match self {
            Self::Publish { topic, frame, .. } => topic.len() + frame.bytes().len(),
            Self::Send { frame, .. } => frame.bytes().len(),
            Self::Close { reason, .. } => reason.len(),
        }
    }

    pub(crate) fn close(peer: PeerId, code: CloseCode, reason: &str) -> Result<Self, CommandError> {
        if !code.may_be_sent() {
            return Err(CommandError::InvalidCloseCode);
        }
        if reason.len() > MAX_REASON_LEN {
            return Err(CommandError::ReasonTooLong);
        }
        Ok(Self::Close { peer, code, reason: reason.into() })
    }
}

/// Tells each of `inboxes`, and then what went wrong with one of them.
pub(crate) fn publish_on(
    inboxes: &[Arc<Inbox>],
    topic: &str,
    frame: &SharedFrame,
) -> Result<(), CommandError> {
    let mut result = Ok(());
    if inboxes.is_empty() {
        return result;
    }
    let topic: Arc<str> = topic.into();
    for inbox in inboxes {
        let command = Command::Publish { topic: Arc::clone(&topic), frame: frame.clone(), except: None };
        // Who has ended misses nothing; who is full does.
        match inbox.push(command) {
            Err(error) if result.is_ok() || error == CommandError::Full => result = Err(error),
            _ => {}
        }
    }
    result
}

/// What the loops of one server share.
pub(crate) struct Hub {
    inboxes: RwLock<Vec<Arc<Inbox>>>,
    /// All that have a socket.
    pub(crate) connections: AtomicUsize,
    /// Those that count for the limit.
    pub(crate) accepted: AtomicUsize,
    /// Connections by address; only kept if they are limited.
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Hub {
    /// A hub with one loop to come.
    pub(crate) fn new(limits: InboxLimits) -> Arc<Self> {
        Arc::new(Self {
            inboxes: RwLock::new(vec![Inbox::new(limits)]),
            connections: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            by_address: Mutex::default(),
        })
    }

    /// Settles how many loops there are, before any of them runs.
    pub(crate) fn set_loops(&self, loops: usize, limits: InboxLimits) {
        let mut inboxes = self.inboxes.write().unwrap_or_else(PoisonError::into_inner);
        inboxes.resize_with(loops, || Inbox::new(limits));
        let shutdown = inboxes.first().and_then(|first| first.lock().shutdown);
        for inbox in inboxes.iter() {
            let mut state = inbox.lock();
            state.limits = limits;
            // A shutdown before the start is for every loop.
            state.shutdown = shutdown;
        }
    }

    pub(crate) fn inboxes(&self) -> Vec<Arc<Inbox>> {
        self.inboxes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn inbox(&self, worker: u16) -> Result<Arc<Inbox>, CommandError> {
        let inboxes = self.inboxes.read().unwrap_or_else(PoisonError::into_inner);
        inboxes.get(usize::from(worker)).cloned().ok_or(CommandError::Stopped)
    }

    pub(crate) fn shutdown(&self, deadline: Duration) {
        for inbox in self.inboxes() {
            inbox.shutdown(deadline);
        }
    }

    /// Counts an accepted connection, unless there are `max` of them.
    pub(crate) fn enter(&self, max: usize) -> bool {
        let has_room = self.accepted.fetch_add(1, Ordering::Relaxed) < max;
        if !has_room {
            self.leave();
        }
        has_room
    }

    pub(crate) fn leave(&self) {
        self.accepted.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a connection from this address, unless there are `max` of them.
    pub(crate) fn enter_address(&self, ip: IpAddr, max: usize) -> bool {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.entry(address_group(ip)).or_insert(0);
        let has_room = *count < max;
        *count += usize::from(has_room);
        has_room
    }

    pub(crate) fn leave_address(&self, ip: IpAddr) {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let group = address_group(ip);
        if let Some(count) = by_address.get_mut(&group) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                by_address.remove(&group);
            }
        }
    }
}

/// One subscriber line usually has a whole IPv6 /64.
fn address_group(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

/// How much may wait for one loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InboxLimits {
    commands: usize,
    bytes: usize,
}

impl InboxLimits {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self { commands: settings.max_commands, bytes: settings.max_command_bytes }
    }
}

/// What waits for one loop.
pub(crate) struct Inbox {
    state: Mutex<InboxState>,
}

struct InboxState {
    commands: VecDeque<Command>,
    /// Of the commands together.
    bytes: usize,
    limits: InboxLimits,
    /// Answers for connections of this loop, one for each that asked: a full inbox does not keep them out.
    resolved: Vec<(PeerId, Resolved)>,
    wake: bool,
    shutdown: Option<Duration>,
    /// The loop has been woken and has not looked yet.
    notified: bool,
    waker: Option<Arc<mio::Waker>>,
    stopped: bool,
}

/// What a loop takes out of its inbox.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) commands: VecDeque<Command>,
    pub(crate) resolved: Vec<(PeerId, Resolved)>,
    pub(crate) wake: bool,
    pub(crate) shutdown: Option<Duration>,
}

impl Inbox {
    fn new(limits: InboxLimits) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(InboxState {
                commands: VecDeque::new(),
                resolved: Vec::new(),
                bytes: 0,
                limits,
                wake: false,
                shutdown: None,
                notified: false,
                waker: None,
                stopped: false,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, command: Command) -> Result<(), CommandError> {
        let mut state = self.lock();
        if state.stopped {
            return Err(CommandError::Stopped);
        }
        let bytes = state.bytes.saturating_add(command.len());
        // One that is longer than all of the limit goes alone.
        let is_too_much = bytes > state.limits.bytes && !state.commands.is_empty();
        if is_too_much || state.commands.len() >= state.limits.commands {
            return Err(CommandError::Full);
        }
        state.bytes = bytes;
        state.commands.push_back(command);
        notify(state);
        Ok(())
    }

    /// The answer to a name that this loop asked for.
    pub(crate) fn resolved(&self, peer: PeerId, resolved: Resolved) {
        let mut state = self.lock();
        if !state.stopped {
            state.resolved.push((peer, resolved));
            notify(state);
        }
    }

    fn wake(&self) {
        let mut state = self.lock();
        state.wake = true;
        notify(state);
    }

    pub(crate) fn shutdown(&self, deadline: Duration) {
        let mut state = self.lock();
        state.shutdown = Some(state.shutdown.map_or(deadline, |earlier| earlier.min(deadline)));
        notify(state);
    }

    /// The loop is there: what was left in the inbox before wakes it at once.
    pub(crate) fn set_waker(&self, waker: mio::Waker) {
        let mut state = self.lock();
        state.waker = Some(Arc::new(waker));
        state.notified = false;
        if !state.commands.is_empty() || state.wake || state.shutdown.is_some() {
            notify(state);
        }
    }

    /// Empties the inbox. `commands` is an empty queue whose memory can be used.
    pub(crate) fn take(&self, received: &mut Received) {
        let mut state = self.lock();
        std::mem::swap(&mut state.commands, &mut received.commands);
        state.bytes = 0;
        received.resolved.append(&mut state.resolved);
        received.wake |= std::mem::take(&mut state.wake);
        received.shutdown = received.shutdown.into_iter().chain(state.shutdown.take()).min();
        state.notified = false;
    }

    /// No command is taken any more.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.commands = VecDeque::new();
        state.resolved = Vec::new();
        state.waker = None;
    }
}

/// Wakes the loop, once until it looks.
fn notify(mut state: MutexGuard<'_, InboxState>) {
    if state.notified {
        return;
    }
    let Some(waker) = state.waker.clone() else { return };
    state.notified = true;
    drop(state);
    if let Err(error) = waker.wake() {
        log::error!("cannot wake the event loop: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_most(commands: usize) -> InboxLimits {
        InboxLimits { commands, ..InboxLimits::of(&Settings::default()) }
    }

    #[test]
    fn bytes_are_bounded() {
        let hub = Hub::new(InboxLimits { commands: usize::MAX, bytes: 1000 });
        let handle = Handle::new(Arc::clone(&hub));
        // "t", two bytes of header, and the payload.
        assert_eq!(handle.publish("t", &[0; 2000][..]), Ok(()), "alone");
        assert_eq!(handle.publish("t", ""), Err(CommandError::Full));
        let mut received = Received::default();
        hub.inboxes()[0].take(&mut received);
        for _ in 0..10 {
            assert_eq!(handle.publish("t", &[0; 97][..]), Ok(()));
        }
        assert_eq!(handle.publish("t", ""), Err(CommandError::Full));
    }

    #[test]
    fn commands_are_bounded() {
        let hub = Hub::new(at_most(2));
        let handle = Handle::new(Arc::clone(&hub));
        assert_eq!(handle.publish("t", "1"), Ok(()));
        assert_eq!(handle.publish("t", "2"), Ok(()));
        assert_eq!(handle.publish("t", "3"), Err(CommandError::Full));
        let mut received = Received::default();
        hub.inboxes()[0].take(&mut received);
        assert_eq!(received.commands.len(), 2);
        assert_eq!(handle.publish("t", "4"), Ok(()));
        hub.inboxes()[0].stop();
        assert_eq!(handle.publish("t", "5"), Err(CommandError::Stopped));
    }

    #[test]
    fn a_shutdown_before_the_start_reaches_every_loop() {
        let hub = Hub::new(at_most(1));
        Handle::new(Arc::clone(&hub)).shutdown(Duration::from_secs(1));
        hub.set_loops(3, at_most(1));
        for inbox in hub.inboxes() {
            let mut received = Received::default();
            inbox.take(&mut received);
            assert_eq!(received.shutdown, Some(Duration::from_secs(1)));
        }
    }

    #[test]
    fn addresses_are_counted_by_ipv4_address_and_ipv6_prefix() {
        let hub = Hub::new(at_most(1));
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(hub.enter_address(ip("192.0.2.1"), 1));
        assert!(!hub.enter_address(ip("::ffff:192.0.2.1"), 1));
        assert!(hub.enter_address(ip("192.0.2.2"), 1));
        assert!(hub.enter_address(ip("2001:db8::1"), 1));
        assert!(!hub.enter_address(ip("2001:db8::2"), 1));
        assert!(hub.enter_address(ip("2001:db8:0:1::1"), 1));
        hub.leave_address(ip("192.0.2.1"));
        assert!(hub.enter_address(ip("192.0.2.1"), 1));
        for address in ["192.0.2.1", "192.0.2.2", "2001:db8::9", "2001:db8:0:1::1"] {
            hub.leave_address(ip(address));
        }
        assert!(hub.by_address.lock().expect("not poisoned").is_empty());
    }
}
