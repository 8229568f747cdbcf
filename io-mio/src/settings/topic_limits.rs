//! What a connection may subscribe to.

/// Bounds on what a connection may subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicLimits {
    /// Topics that one connection may be subscribed to at a time. Default 1024.
    pub max_per_connection: usize,
    /// Length of a topic's name, in bytes. Default 256.
    pub max_name_len: usize,
}

impl Default for TopicLimits {
    fn default() -> Self {
        Self { max_per_connection: 1024, max_name_len: 256 }
    }
}
