//! A message encoded once and shared by all its receivers.

use std::sync::Arc;

use bytes::Bytes;
use sansws::{Message, Prepared};

/// Cheap to clone. Clients send it masked, so each of them encodes the message anew; servers share
/// the bytes.
#[derive(Clone)]
pub(crate) struct SharedFrame {
    prepared: Arc<Prepared>,
    bytes: Bytes,
}

struct Owner(Arc<Prepared>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.0.frame()
    }
}

impl SharedFrame {
    pub(crate) fn new(message: Message<'_>) -> Self {
        let prepared = Arc::new(Prepared::new(message));
        let bytes = Bytes::from_owner(Owner(Arc::clone(&prepared)));
        Self { prepared, bytes }
    }

    pub(crate) fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// Header and payload as a server sends them.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Most bytes that it takes in anybody's queue: a client adds a masking-key.
    pub(crate) fn max_len(&self) -> usize {
        self.bytes.len() + 4
    }
}
