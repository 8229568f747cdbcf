//! `X-Forwarded-For` and `Forwarded` (RFC 7239): the client's address, as passed on by proxies.

use std::net::{IpAddr, SocketAddr};

use crate::conn::peer_addr::PeerAddr;
use crate::settings::trusted_proxies::{ProxyHeader, TrustedProxies};

/// The most proxies in a row that are trusted.
const MAX_HOPS: usize = 32;

/// A client, or a proxy on the way. `None`: it is not told, or not in a way that is understood.
type Node = Option<SocketAddr>;

/// The name of the header that has them, if it is one of HTTP.
pub(crate) fn header_name(proxies: &TrustedProxies) -> Option<&'static str> {
    match proxies.header() {
        ProxyHeader::XForwardedFor => Some("X-Forwarded-For"),
        ProxyHeader::Forwarded => Some("Forwarded"),
        ProxyHeader::ProxyProtocol => None,
    }
}

/// The client of a request that came from `remote`, by the lines of the header in their order.
///
/// Each proxy appends the address from which it was reached: the last element comes from the proxy
/// that connects to this server, the one before it from the proxy before, and so on. If an element
/// is missing or malformed, the result is the proxy that should have written it.
pub(crate) fn client<'a>(
    remote: PeerAddr,
    proxies: &TrustedProxies,
    lines: impl Iterator<Item = &'a [u8]>,
) -> PeerAddr {
    let mut client = remote;
    let parse = match proxies.header() {
        ProxyHeader::XForwardedFor => x_forwarded_for,
        ProxyHeader::Forwarded => forwarded,
        ProxyHeader::ProxyProtocol => return client,
    };
    let lines: Vec<&[u8]> = lines.collect();
    let nodes = lines.iter().rev().flat_map(|line| parse(line).into_iter().rev());
    for node in nodes.take(MAX_HOPS) {
        if client == PeerAddr::Unknown || !proxies.trusts(client.ip()) {
            break;
        }
        let Some(node) = node else { break };
        client = PeerAddr::Tcp(node);
    }
    client
}

/// The elements of one line.
fn x_forwarded_for(line: &[u8]) -> Vec<Node> {
    let elements = line.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    elements.filter(|element| !element.is_empty()).map(address).collect()
}

/// The elements of one line. If it is malformed, none of it is believed: a client could begin a
/// quoted string in which that disappears which a proxy has appended.
fn forwarded(line: &[u8]) -> Vec<Node> {
    let mut rest = Cursor(line);
    let mut nodes = Vec::new();
    loop {
        while rest.skip_blanks().take(b',') {}
        if rest.0.is_empty() {
            return nodes;
        }
        match rest.element() {
            Some(node) => nodes.push(node),
            None => return vec![None],
        }
    }
}

/// What is left of a line.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// RFC 7239 §4: `forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )`. `None`:
    /// malformed.
    fn element(&mut self) -> Option<Node> {
        let mut node = None;
        loop {
            if !matches!(self.skip_blanks().0, [] | [b';' | b',', ..]) {
                let name = self.token()?;
                if !self.take(b'=') {
                    return None;
                }
                let value = if self.take(b'"') { self.quoted()? } else { self.token()?.to_vec() };
                if name.eq_ignore_ascii_case(b"for") {
                    // "Each parameter MUST NOT occur more than once per field-value."
                    if node.is_some() {
                        return None;
                    }
                    node = Some(address(&value));
                }
            }
            if self.skip_blanks().take(b';') {
                continue;
            }
            return matches!(self.0, [] | [b',', ..]).then_some(node.flatten());
        }
    }

    fn skip_blanks(&mut self) -> &mut Self {
        while let [b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
        self
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.0 {
            [first, rest @ ..] if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let len = self.0.iter().position(|byte| !is_token(byte)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at_checked(len).filter(|(token, _)| !token.is_empty())?;
        self.0 = rest;
        Some(token)
    }

    /// A quoted string, RFC 9110 §5.6.4, behind its first quote.
    fn quoted(&mut self) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        loop {
            let (byte, rest) = match self.0 {
                [b'"', rest @ ..] => {
                    self.0 = rest;
                    return Some(value);
                }
                [b'\\', byte, rest @ ..] | [byte, rest @ ..] => (*byte, rest),
                [] => return None,
            };
            value.push(byte);
            self.0 = rest;
        }
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`; the port may be
/// hidden behind an identifier (RFC 7239 §6). The port is 0 if it is not told.
fn address(text: &[u8]) -> Node {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip.to_canonical(), 0));
    }
    let (ip, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (ip, port) = rest.split_once(']')?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?) };
            (IpAddr::V6(ip.parse().ok()?), port)
        }
        None => {
            let (ip, port) = text.split_once(':')?;
            (IpAddr::V4(ip.parse().ok()?), Some(port))
        }
    };
    let of_identifier = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let port = match port {
        None => 0,
        Some(hidden) if hidden.len() > 1 && hidden.starts_with('_') && hidden.bytes().all(of_identifier) => 0,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok()?,
        Some(_) => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRUSTED: &str = "10.0.0.1 10.0.0.2 2001:db8::1";

    fn of(header: ProxyHeader, remote: &str, lines: &[&str]) -> String {
        let proxies = TrustedProxies::new(TRUSTED, header).expect("addresses");
        let remote = PeerAddr::Tcp(SocketAddr::new(remote.parse().expect("an address"), 1000));
        client(remote, &proxies, lines.iter().map(|line| line.as_bytes())).to_string()
    }

    /// Rule R-7239-a.
    #[test]
    fn x_forwarded_for_is_read_from_its_end() {
        let of = |remote, lines: &[&str]| of(ProxyHeader::XForwardedFor, remote, lines);
        for (lines, client) in [
            (&["192.0.2.1"][..], "192.0.2.1:0"),
            (&["192.0.2.1:4711"], "192.0.2.1:4711"),
            (&["2001:db8::9"], "[2001:db8::9]:0"),
            (&["[2001:db8::9]:4711"], "[2001:db8::9]:4711"),
            (&["::ffff:192.0.2.1"], "192.0.2.1:0"),
            (&[" 192.0.2.1 ,, "], "192.0.2.1:0"),
            // Through two proxies.
            (&["192.0.2.1, 10.0.0.2"], "192.0.2.1:0"),
            (&["192.0.2.1", "10.0.0.2"], "192.0.2.1:0"),
            (&["192.0.2.1, 2001:db8::1, 10.0.0.2"], "192.0.2.1:0"),
            // What the client itself claims stands before what the proxy saw.
            (&["203.0.113.9, 192.0.2.1"], "192.0.2.1:0"),
            (&["203.0.113.9", "192.0.2.1"], "192.0.2.1:0"),
            (&["10.0.0.2, 192.0.2.1"], "192.0.2.1:0"),
            (&["203.0.113.9, 192.0.2.1, 10.0.0.2"], "192.0.2.1:0"),
            (&["garbage, 192.0.2.1"], "192.0.2.1:0"),
            (&["\"", "192.0.2.1"], "192.0.2.1:0"),
            // Nobody else is there.
            (&["10.0.0.2"], "10.0.0.2:0"),
            (&["10.0.0.2, 10.0.0.1"], "10.0.0.2:0"),
            // What is not told.
            (&[], "10.0.0.1:1000"),
            (&[""], "10.0.0.1:1000"),
            (&["unknown"], "10.0.0.1:1000"),
            (&["192.0.2.1, unknown"], "10.0.0.1:1000"),
            (&["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2:0"),
        ] {
            assert_eq!(of("10.0.0.1", lines), client, "{lines:?}");
        }
        for remote in ["192.0.2.7", "10.0.0.3", "::1"] {
            let own = PeerAddr::Tcp(SocketAddr::new(remote.parse().expect("an address"), 1000)).to_string();
            assert_eq!(of(remote, &["203.0.113.9"]), own, "no proxy of ours says so");
        }
        for malformed in [
            "192.0.2",
            "192.0.2.01",
            "192.0.2.256",
            "192.0.2.1:",
            "192.0.2.1:65536",
            "192.0.2.1:+1",
            "192.0.2.1:1:1",
            "[192.0.2.1]",
            "[2001:db8::9",
            "[2001:db8::9]4711",
            "2001:db8::9%eth0",
            "0x7f.1",
            "example.com",
            "\u{661}92.0.2.1",
            "192.0.2.1\u{0}",
        ] {
            assert_eq!(of("10.0.0.1", &[malformed]), "10.0.0.1:1000", "{malformed:?}");
        }
        let many = vec!["10.0.0.2"; 10_000].join(",");
        assert_eq!(of("10.0.0.1", &["192.0.2.1", &many]), "10.0.0.2:0", "there is an end to believing");
    }

    /// Rule R-7239-a.
    #[test]
    fn forwarded_is_read_from_its_end() {
        let of = |remote, lines: &[&str]| of(ProxyHeader::Forwarded, remote, lines);
        for (lines, client) in [
            (&["for=192.0.2.1"][..], "192.0.2.1:0"),
            // RFC 7239 §4 and §6.
            (&["For=\"[2001:db8:cafe::17]:4711\""], "[2001:db8:cafe::17]:4711"),
            (&["for=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60:0"),
            (&["by=203.0.113.43 ; proto=https;;FOR=\"192.0.2.60:99\";"], "192.0.2.60:99"),
            (&["for=\"192.0.2.60:_hidden\""], "192.0.2.60:0"),
            (&["for=\"19\\2.0.2.60\""], "192.0.2.60:0"),
            (&["for=192.0.2.43, for=\"10.0.0.2:1\""], "192.0.2.43:0"),
            (&["for=192.0.2.43", "for=10.0.0.2"], "192.0.2.43:0"),
            (&["for=203.0.113.9, for=192.0.2.1"], "192.0.2.1:0"),
            (&["for=203.0.113.9;x=\"a, for=10.0.0.2\", for=192.0.2.1"], "192.0.2.1:0"),
            // A line of the client's does not spoil that of the proxy.
            (&["for=\"", "for=192.0.2.1"], "192.0.2.1:0"),
            // Nothing that is understood.
            (&["for=unknown"], "10.0.0.1:1000"),
            (&["for=_hidden"], "10.0.0.1:1000"),
            (&["for=203.0.113.9, proto=http"], "10.0.0.1:1000"),
            (&["192.0.2.1"], "10.0.0.1:1000"),
            (&["for = 192.0.2.1"], "10.0.0.1:1000"),
            (&["for=192.0.2.1:80"], "10.0.0.1:1000"),
            (&["for=[2001:db8::9]"], "10.0.0.1:1000"),
            (&["for=203.0.113.9;for=203.0.113.9"], "10.0.0.1:1000"),
            (&["for=203.0.113.9 x"], "10.0.0.1:1000"),
            (&["for=\"203.0.113.9\"x"], "10.0.0.1:1000"),
            (&["for="], "10.0.0.1:1000"),
            (&["=203.0.113.9"], "10.0.0.1:1000"),
            // Quotes that the client leaves open, and a proxy that appends to its line.
            (&["for=203.0.113.9;x=\", for=192.0.2.1"], "10.0.0.1:1000"),
            (&["for=203.0.113.9;x=\", for=\"[2001:db8::9]\""], "10.0.0.1:1000"),
            (&["for=203.0.113.9;x=\"\\", "for=10.0.0.2"], "10.0.0.2:0"),
            (&["for=203.0.113.9", "for=\", for=192.0.2.1"], "10.0.0.1:1000"),
            (&["for=203.0.113.9, for=\", for=192.0.2.1"], "10.0.0.1:1000"),
        ] {
            assert_eq!(of("10.0.0.1", lines), client, "{lines:?}");
        }
        assert_eq!(of("192.0.2.7", &["for=203.0.113.9"]), "192.0.2.7:1000");
    }

    #[test]
    fn one_header_is_not_taken_for_another() {
        assert_eq!(of(ProxyHeader::XForwardedFor, "10.0.0.1", &["for=192.0.2.1"]), "10.0.0.1:1000");
        assert_eq!(of(ProxyHeader::ProxyProtocol, "10.0.0.1", &["192.0.2.1"]), "10.0.0.1:1000");
        let unix = TrustedProxies::new("unix", ProxyHeader::XForwardedFor).expect("an entry");
        let lines = || [&b"192.0.2.1"[..]].into_iter();
        assert_eq!(client(PeerAddr::Unix, &unix, lines()).to_string(), "192.0.2.1:0");
        assert_eq!(client(PeerAddr::Unknown, &unix, lines()), PeerAddr::Unknown);
        let tcp = TrustedProxies::new(TRUSTED, ProxyHeader::XForwardedFor).expect("addresses");
        assert_eq!(client(PeerAddr::Unix, &tcp, lines()), PeerAddr::Unix);
    }

    proptest! {
        /// Rule R-7239-a. Whatever a client has sent, the address that a proxy appends is what
        /// counts, or none.
        #[test]
        fn no_client_can_claim_an_address(
            claims in prop::collection::vec("[ -~]{0,40}|(for=)?\"?[0-9.:,;\"\\\\ ]{0,30}", 0..4),
            joined: bool,
            is_quoted: bool,
        ) {
            for header in [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded] {
                let appended = match (header, is_quoted) {
                    (ProxyHeader::Forwarded, false) => "for=192.0.2.1",
                    (ProxyHeader::Forwarded, true) => "for=\"192.0.2.1\"",
                    _ => "192.0.2.1",
                };
                let mut lines = claims.clone();
                match lines.last_mut() {
                    Some(last) if joined => *last += &format!(", {appended}"),
                    _ => lines.push(appended.into()),
                }
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                let client = of(header, "10.0.0.1", &lines);
                prop_assert!(client == "192.0.2.1:0" || client == "10.0.0.1:1000", "{client}");
            }
        }
    }
}
