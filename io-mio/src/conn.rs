//! One connection: its bytes, and how it sends. No sockets, no application.

pub(crate) mod ending;
pub(crate) mod forwarded;
pub(crate) mod gathering;
pub(crate) mod head;
pub(crate) mod link;
pub(crate) mod out_queue;
pub(crate) mod pace;
pub(crate) mod peer_addr;
pub(crate) mod peer_id;
pub(crate) mod proxy_header;
pub(crate) mod sending;
pub(crate) mod shared_frame;
pub(crate) mod wire;
