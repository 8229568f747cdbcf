//! What one loop asks of another, or of itself once a callback has returned.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use sansws::{CloseCode, MAX_REASON_LEN};

use crate::conn::peer_id::PeerId;
use crate::conn::shared_frame::SharedFrame;

/// Why a command was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// [`max_commands`](crate::Settings::max_commands) commands wait already, or this one goes
    /// beyond [`max_command_bytes`](crate::Settings::max_command_bytes).
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
    Decide { peer: PeerId, decision: Decision },
}

/// What was decided about an upgrade; the application knows its type.
pub(crate) type Decision = Box<dyn Any + Send>;

impl Command {
    /// The memory that waits with it, in bytes; what several commands share counts for each.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Publish { topic, frame, .. } => topic.len() + frame.bytes().len(),
            Self::Send { frame, .. } => frame.bytes().len(),
            Self::Close { reason, .. } => reason.len(),
            // What is behind it is the application's.
            Self::Decide { .. } => 0,
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
