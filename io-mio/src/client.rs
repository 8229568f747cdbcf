//! The browser's `WebSocket` object, and one that keeps itself alive.

mod builder;
mod clients;
mod error;
mod event;
mod heartbeat;
mod keeper;
mod plan;
mod reconnect;
mod reliable;
mod reliable_builder;
mod reliable_event;
mod socket;
mod thread;
mod websocket;

pub use builder::WebSocketBuilder;
pub use clients::Clients;
pub use error::{CloseError, FailureCause, InvalidStateError, SyntaxError};
pub use event::{BinaryType, CloseEvent, Data, Event, EventKind, ReadyState};
pub use heartbeat::Heartbeat;
pub use reliable::ReliableWebSocket;
pub use reliable_builder::ReliableBuilder;
pub use reliable_event::{Disconnected, MessageId, ReliableEvent, SendRefused, Unsent};
pub use websocket::WebSocket;
