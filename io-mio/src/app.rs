//! What an application sees.

pub(crate) mod accept;
pub(crate) mod context;
pub(crate) mod handler;
pub(crate) mod peer;
pub(crate) mod request;
pub(crate) mod response;
