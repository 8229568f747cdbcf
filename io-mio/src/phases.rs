//! What a connection does now.

pub(crate) mod announcing;
pub(crate) mod closing;
pub(crate) mod opening;
pub(crate) mod receiving;
