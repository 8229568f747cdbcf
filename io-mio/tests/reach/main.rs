//! Reaching a server: names, addresses that do not answer, proxies, redirections, Unix-domain sockets. All of it over loopback.

mod by_name;
mod deadlines;
mod proxies;
mod redirections;
mod refusing;
#[cfg(feature = "__tls")]
mod secure;
mod world;
