//! What one loop keeps.

pub(crate) mod assembly;
pub(crate) mod deliver;
pub(crate) mod engines;
pub(crate) mod names;
pub(crate) mod shared;
pub(crate) mod slots;
pub(crate) mod small_set;
pub(crate) mod timers;
pub(crate) mod topics;
pub(crate) mod warnings;
