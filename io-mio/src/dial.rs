//! From a URL to an open connection, RFC 6455 §4.1.

pub(crate) mod answers;
pub(crate) mod dialling;
pub(crate) mod eyeballs;
pub(crate) mod race;
pub(crate) mod refusal;
pub(crate) mod resolve;
pub(crate) mod serializer;
pub(crate) mod tunnel;
