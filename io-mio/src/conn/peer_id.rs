//! The name of a connection.

use std::fmt;

/// Names a connection for as long as the server runs; never used again for another one.
// Packed, since every connection has one: ten bytes instead of twelve.
#[repr(Rust, packed(2))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId {
    pub(crate) generation: u32,
    pub(crate) index: u32,
    pub(crate) worker: u16,
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generation, index, worker } = *self;
        write!(f, "{worker}.{index}.{generation}")
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}
