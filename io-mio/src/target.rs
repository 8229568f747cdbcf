//! Whom to dial, and through what.

pub(crate) mod connect;
pub(crate) mod connect_error;
pub(crate) mod credentials;
pub(crate) mod proxy;
pub(crate) mod redirect;
pub(crate) mod url;
