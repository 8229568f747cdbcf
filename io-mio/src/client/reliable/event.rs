//! What a connection that is kept alive tells.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use crate::client::error::FailureCause;
use crate::client::event::{CloseEvent, Data, OVERHEAD};

/// What happened to a [`ReliableWebSocket`](crate::ReliableWebSocket).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReliableEvent {
    /// A connection is open.
    Opened {
        /// How many retries it took since a connection was last
        /// [proven](crate::Backoff::proven_after); 0 for the very first one.
        attempt: u32,
    },
    /// A message arrived.
    Message(Data),
    /// A connection, or the attempt at one, has ended.
    Disconnected(Disconnected),
    /// The next attempt begins after this delay.
    Retrying {
        /// Which retry in a row it will be, from 1 on.
        attempt: u32,
        /// The delay.
        delay: Duration,
    },
    /// No more attempts are made: [enough](crate::ReliableBuilder::max_retries) have failed, or
    /// what the last one failed for is [final](Disconnected::is_final). The last event.
    GaveUp {
        /// How many retries have failed in a row.
        attempts: u32,
        /// What waited in the [offline queue](crate::ReliableBuilder::offline_queue).
        unsent: Vec<Unsent>,
    },
    /// It was closed: by [`close`](crate::ReliableWebSocket::close), by a [final
    /// code](crate::ReliableBuilder::final_codes), by the end of its client thread. The last event.
    Closed {
        /// How the last connection ended; 1006 if there was none just then.
        close: CloseEvent,
        /// What waited in the [offline queue](crate::ReliableBuilder::offline_queue).
        unsent: Vec<Unsent>,
    },
}

impl ReliableEvent {
    /// Whether no event follows.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::GaveUp { .. } | Self::Closed { .. })
    }

    /// What it holds of the program's or a server's, in bytes: that counts for the limit on events
    /// that wait.
    pub(crate) fn len(&self) -> usize {
        let unsent = |unsent: &[Unsent]| unsent.iter().map(|message| message.data.len() + OVERHEAD).sum();
        match self {
            Self::Message(data) => data.len(),
            Self::Disconnected(how) => {
                let content = match &how.cause {
                    Some(FailureCause::Refused { content, .. }) => content.len(),
                    _ => 0,
                };
                content + unsent(&how.unsent)
            }
            Self::GaveUp { unsent: left, .. } | Self::Closed { unsent: left, .. } => unsent(left),
            Self::Opened { .. } | Self::Retrying { .. } => 0,
        }
    }
}

/// The end of one connection, and what became of the messages.
///
/// The numbers of all messages that were sent on it fall in three: those before `uncertain` have
/// been received, for the server answered a Ping that came after them; those in `uncertain` may
/// have been; the rest has not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disconnected {
    /// What the close event of a [`WebSocket`](crate::WebSocket) says.
    pub close: CloseEvent,
    /// What went wrong, if something did.
    pub cause: Option<FailureCause>,
    /// Whether it had been open, rather than an attempt that failed.
    pub was_open: bool,
    /// Whether no other attempt is made because it would fail [in the same way](crate::Backoff);
    /// [`ReliableEvent::GaveUp`] follows.
    pub is_final: bool,
    /// Messages handed to the kernel for a connection that then ended: the server may have received
    /// them, or not. Over TLS also those that were encrypted, at most 64 KiB, and of which the
    /// kernel perhaps did not take every byte.
    pub uncertain: Range<u64>,
    /// The other messages, of which the kernel did not take every byte: the server has received
    /// none of them. With an [offline queue](crate::ReliableBuilder::offline_queue) there are none
    /// here: they are in `queued`.
    pub unsent: Vec<Unsent>,
    /// Messages that wait for the next connection; if there is none, they come with the last event.
    pub queued: Range<u64>,
}

impl Disconnected {
    /// An attempt that did not even begin.
    pub(crate) fn never_open(cause: FailureCause) -> Self {
        Self {
            close: CloseEvent::abnormal(),
            cause: Some(cause),
            was_open: false,
            is_final: false,
            uncertain: 0..0,
            unsent: Vec::new(),
            queued: 0..0,
        }
    }
}

/// The number of a message: 0, 1, 2 … in the order in which they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A message that was accepted for sending and never sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// What `send` returned for it.
    pub id: MessageId,
    /// The message.
    pub data: Data,
}

/// Why a message was not accepted for sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendRefused {
    /// There is no connection just now, and no [offline
    /// queue](crate::ReliableBuilder::offline_queue).
    NotConnected,
    /// The queue has no room for it.
    QueueFull,
    /// It was closed, or has given up.
    Closed,
}

impl fmt::Display for SendRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConnected => "Cannot send - not connected",
            Self::QueueFull => "Cannot send - the queue is full",
            Self::Closed => "Cannot send - closed",
        })
    }
}

impl std::error::Error for SendRefused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_event_gives_back_counts() {
        let unsent = || vec![Unsent { id: MessageId(0), data: Data::Text("x".repeat(1000)) }; 3];
        let disconnected = |cause, unsent| {
            let close = CloseEvent::abnormal();
            ReliableEvent::Disconnected(Disconnected {
                close,
                cause,
                was_open: true,
                is_final: false,
                uncertain: 0..0,
                unsent,
                queued: 0..0,
            })
        };
        let refused = FailureCause::Refused { status: 503, content: vec![0; 500].into(), retry_after: None };
        for (event, len) in [
            (ReliableEvent::Opened { attempt: 0 }, 0),
            (ReliableEvent::Message(Data::Text("abc".into())), 3),
            (disconnected(Some(FailureCause::Eof), unsent()), 3 * 1064),
            (disconnected(Some(refused), Vec::new()), 500),
            (ReliableEvent::GaveUp { attempts: 1, unsent: unsent() }, 3 * 1064),
            (ReliableEvent::Closed { close: CloseEvent::abnormal(), unsent: unsent() }, 3 * 1064),
        ] {
            assert_eq!(event.len(), len, "{event:?}");
        }
    }
}
