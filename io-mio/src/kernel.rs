//! Sockets. mio is named nowhere else but in the polling part of the event loop.

pub(crate) mod listener;
#[cfg(any(test, feature = "__scripted"))]
pub(crate) mod script;
pub(crate) mod transport;
