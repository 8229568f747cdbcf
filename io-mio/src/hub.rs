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

/// What the loops of one server share.
pub(crate) struct Hub {
    inboxes: RwLock<Vec<Arc<Inbox>>>,
    /// All that have a socket.
    pub(crate) connections: AtomicUsize,
    pub(crate) admission: Arc<Admission>,
}

impl Hub {
    /// A hub with one loop to come.
    pub(crate) fn new(limits: InboxLimits) -> Arc<Self> {
        Arc::new(Self {
            inboxes: RwLock::new(vec![Inbox::new(limits)]),
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
}
