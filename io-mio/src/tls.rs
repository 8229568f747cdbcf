//! TLS by rustls, for servers and for `wss:` URLs.

mod client;
mod config;
mod pem;
mod server;
pub(crate) mod stream;

pub use client::{TlsClient, TlsClientBuilder};
pub use config::TlsConfigError;
pub use server::{TlsServer, TlsServerBuilder};
pub(crate) use stream::TlsStream;
