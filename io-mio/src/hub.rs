//! What the loops of one server share.

pub(crate) mod command;
pub(crate) mod handle;
pub(crate) mod inbox;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use crate::hub::command::CommandError;
use crate::hub::inbox::{Inbox, InboxLimits};

/// What the loops of one server share.
pub(crate) struct Hub {
    inboxes: RwLock<Vec<Arc<Inbox>>>,
    /// All that have a socket.
    pub(crate) connections: AtomicUsize,
    /// Those that count for the limit.
    pub(crate) accepted: AtomicUsize,
    /// Connections by address; only kept if they are limited.
    by_address: Mutex<BTreeMap<IpAddr, usize>>,
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
        let shutdown = inboxes.first().and_then(|first| first.asked_to_shut_down());
        for inbox in inboxes.iter() {
            // A shutdown before the start is for every loop.
            inbox.start_anew(limits, shutdown);
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
        let group = address_group(ip);
        let count = by_address.get(&group).copied().unwrap_or(0);
        let has_room = count < max;
        if has_room {
            by_address.insert(group, count + 1);
        }
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
