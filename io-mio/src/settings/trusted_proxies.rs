//! Reverse proxies that are trusted to pass on the client's address.

use std::fmt;
use std::net::IpAddr;

use crate::settings::network::Network;

/// Reverse proxies in front of the server, and how they pass on the client's address.
///
/// Behind them, [`Request::remote_addr`](crate::Request::remote_addr),
/// [`Peer::remote_addr`](crate::Peer::remote_addr) and
/// [`Settings::max_connections_per_address`](crate::Settings::max_connections_per_address) refer to
/// the client. Values that come from any other address are ignored.
///
/// List only the addresses of the proxies, not a network that also contains clients: a client with
/// such an address could claim any address.
///
/// ```
/// use sansws_mio::{ProxyHeader, Settings, TrustedProxies};
///
/// let proxies = TrustedProxies::new("127.0.0.1, ::1, 10.1.0.0/28", ProxyHeader::XForwardedFor)?;
/// let settings = Settings {
///     trusted_proxies: Some(proxies),
///     max_connections_per_address: Some(20),
///     ..Settings::default()
/// };
/// # let _ = settings;
/// # Ok::<(), sansws_mio::InvalidProxies>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    /// Whoever connects to a Unix-domain socket.
    unix: bool,
    header: ProxyHeader,
}

/// How a proxy passes on the client's address.
///
/// Choose the one that your proxy sets. It may forward the others as the client wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeader {
    /// The header `X-Forwarded-For`. Each proxy appends the address from which it was reached. The
    /// client is the last address in the list that is not a trusted proxy's.
    XForwardedFor,
    /// The header `Forwarded` (RFC 7239), parameter `for`, evaluated in the same way.
    Forwarded,
    /// The PROXY protocol, version 1 or 2, which precedes TLS and HTTP. A connection from a trusted
    /// address that does not begin with its header is dropped. A connection from any other address
    /// must begin with TLS or HTTP.
    ProxyProtocol,
}

impl TrustedProxies {
    /// Trusts these addresses, which are separated by commas or blanks: IP addresses, blocks of
    /// them such as `10.1.0.0/28`, and `unix` for every connection to a Unix-domain socket.
    ///
    /// # Errors
    ///
    /// Fails if an entry is none of these, or if there is no entry.
    pub fn new(addresses: &str, header: ProxyHeader) -> Result<Self, InvalidProxies> {
        let mut proxies = Self { networks: Vec::new(), unix: false, header };
        let separator = |c: char| c == ',' || c.is_ascii_whitespace();
        for entry in addresses.split(separator).filter(|entry| !entry.is_empty()) {
            if entry == "unix" {
                proxies.unix = true;
                continue;
            }
            let network = Network::parse(entry).ok_or_else(|| InvalidProxies { entry: entry.into() })?;
            proxies.networks.push(network);
        }
        if proxies.networks.is_empty() && !proxies.unix {
            return Err(InvalidProxies { entry: String::new() });
        }
        Ok(proxies)
    }

    pub(crate) fn header(&self) -> ProxyHeader {
        self.header
    }

    /// Whether this is the address of a trusted proxy. `None` is a Unix-domain socket.
    pub(crate) fn trusts(&self, ip: Option<IpAddr>) -> bool {
        match ip {
            Some(ip) => self.networks.iter().any(|network| network.contains(ip)),
            None => self.unix,
        }
    }
}

/// Why [`TrustedProxies::new`] failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidProxies {
    /// Empty: there is none.
    entry: String,
}

impl fmt::Display for InvalidProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.entry.is_empty() {
            return f.write_str("no address of a trusted proxy");
        }
        write!(
            f,
            "{:?} is not the address of a trusted proxy: expected an IP address, a block of them ",
            self.entry
        )?;
        f.write_str("such as 10.1.0.0/28, or unix")
    }
}

impl std::error::Error for InvalidProxies {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_is_trusted() {
        let ip = |text: &str| Some(text.parse().expect("an address"));
        let proxies =
            TrustedProxies::new("127.0.0.1,::1  10.1.0.0/28,", ProxyHeader::Forwarded).expect("addresses");
        for trusted in ["127.0.0.1", "::ffff:127.0.0.1", "::1", "10.1.0.15"] {
            assert!(proxies.trusts(ip(trusted)), "{trusted}");
        }
        for other in ["127.0.0.2", "10.1.0.16", "::2", "192.0.2.1"] {
            assert!(!proxies.trusts(ip(other)), "{other}");
        }
        assert!(!proxies.trusts(None));
        let unix = TrustedProxies::new("unix", ProxyHeader::Forwarded).expect("an entry");
        assert!(unix.trusts(None) && !unix.trusts(ip("127.0.0.1")));
        for wrong in ["proxy.test", "10.1.0.0/40", "10.1.0.0/28;::1", "*", "unix:"] {
            let error = TrustedProxies::new(wrong, ProxyHeader::XForwardedFor).expect_err(wrong);
            assert!(error.to_string().starts_with(&format!("{wrong:?}")), "{error}");
        }
        for nothing in ["", " , "] {
            assert!(TrustedProxies::new(nothing, ProxyHeader::XForwardedFor).is_err());
        }
    }
}
