//! What connections may subscribe to.

/// Bounds on what connections may subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicLimits {
    /// Topics that one connection may be subscribed to at a time. Default 1024.
    pub max_per_connection: usize,
    /// Length of a topic's name, in bytes. Default 256.
    pub max_name_len: usize,
    /// Subscriptions of all connections of a loop at a time; a connection counts once for each of
    /// its topics. Default 1 048 576.
    ///
    /// A subscription takes about 20 bytes. A topic with one subscriber takes about 100 bytes plus
    /// its name.
    pub max_per_loop: usize,
}

impl Default for TopicLimits {
    fn default() -> Self {
        Self { max_per_connection: 1024, max_name_len: 256, max_per_loop: 1 << 20 }
    }
}
