//! Sockets. mio is named nowhere else but in the polling part of the event loop.

pub(crate) mod edges;
pub(crate) mod listener;
pub(crate) mod poller;
#[cfg(any(test, feature = "__scripted"))]
pub(crate) mod script;
pub(crate) mod socket;
pub(crate) mod transport;
