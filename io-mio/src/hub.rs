//! What the loops of one server share.

pub(crate) mod admission;
pub(crate) mod command;
pub(crate) mod handle;
pub(crate) mod inbox;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::hub::admission::Admission;
use crate::hub::command::CommandError;
use crate::hub::inbox::{Inbox, InboxLimits};
use crate::metrics::{Counters, Metrics};

/// What the loops of one server share.
pub(crate) struct Hub {
    inboxes: RwLock<Vec<Arc<Inbox>>>,
    /// Of each loop.
    counters: RwLock<Vec<Arc<Counters>>>,
    /// All that have a socket.
    pub(crate) connections: AtomicUsize,
    pub(crate) admission: Arc<Admission>,
}

impl Hub {
    /// A hub with one loop to come.
    pub(crate) fn new(limits: InboxLimits) -> Arc<Self> {
        Arc::new(Self {
            inboxes: RwLock::new(vec![Inbox::new(limits)]),
            counters: RwLock::new(vec![Arc::default()]),
            connections: AtomicUsize::new(0),
            admission: Arc::default(),
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
        let mut counters = self.counters.write().unwrap_or_else(PoisonError::into_inner);
        counters.resize_with(loops, Arc::default);
    }

    pub(crate) fn inboxes(&self) -> Vec<Arc<Inbox>> {
        self.inboxes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn inbox(&self, worker: u16) -> Result<Arc<Inbox>, CommandError> {
        let inboxes = self.inboxes.read().unwrap_or_else(PoisonError::into_inner);
        inboxes.get(usize::from(worker)).cloned().ok_or(CommandError::Stopped)
    }

    /// The numbers of a loop.
    pub(crate) fn counters(&self, worker: u16) -> Result<Arc<Counters>, CommandError> {
        let counters = self.counters.read().unwrap_or_else(PoisonError::into_inner);
        counters.get(usize::from(worker)).cloned().ok_or(CommandError::Stopped)
    }

    /// The numbers of all loops together.
    pub(crate) fn metrics(&self) -> Metrics {
        let counters = self.counters.read().unwrap_or_else(PoisonError::into_inner);
        Metrics::sum(counters.iter().map(|counters| &**counters))
    }

    pub(crate) fn shutdown(&self, deadline: Duration) {
        for inbox in self.inboxes() {
            inbox.shutdown(deadline);
        }
    }
}
