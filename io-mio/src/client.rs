//! The browser's `WebSocket` object, and one that keeps itself alive.

mod error;
mod event;
mod panics;
mod plan;
mod reliable;
mod socket;
mod thread;
mod websocket;

#[cfg(test)]
mod tests;

pub use error::{CloseError, FailureCause, InvalidStateError, SyntaxError};
pub use event::{BinaryType, CloseEvent, Data, Event, EventKind, ReadyState};
pub use reliable::ReliableWebSocket;
pub use reliable::attempt::Attempt;
pub use reliable::backoff::Backoff;
pub use reliable::builder::ReliableBuilder;
pub use reliable::event::{Disconnected, MessageId, ReliableEvent, SendRefused, Unsent};
pub use reliable::heartbeat::Heartbeat;
pub use reliable::reconnect::{Next, Reconnect};
pub use thread::clients::Clients;
pub use websocket::WebSocket;
pub use websocket::builder::WebSocketBuilder;
