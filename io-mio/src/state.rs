//! What one loop keeps.

pub(crate) mod assembly;
pub(crate) mod deliver;
pub(crate) mod shared;
pub(crate) mod slots;
pub(crate) mod timers;
pub(crate) mod topics;
