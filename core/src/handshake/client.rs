//! The client's side of the opening handshake, RFC 6455
//! [§4.1](https://datatracker.ietf.org/doc/html/rfc6455#section-4.1).

#[cfg(feature = "alloc")]
pub use super::connector::Connector;
pub use super::offer::Offer;
pub use super::response::Response;
