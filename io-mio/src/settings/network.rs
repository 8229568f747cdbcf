//! Blocks of IP addresses.

use std::net::IpAddr;

/// An address, or all that begin with the same bits (RFC 4632 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    ip: IpAddr,
    bits: u8,
}

impl Network {
    /// `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`. An IPv4 address in an IPv6 one is itself.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (ip, bits) = match text.split_once('/') {
            // `parse` takes a sign.
            Some((_, bits)) if !bits.bytes().all(|byte| byte.is_ascii_digit()) => return None,
            Some((ip, bits)) => (ip.parse::<IpAddr>().ok()?, Some(bits.parse::<u8>().ok()?)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most {
            return None;
        }
        Some(match ip.to_canonical() {
            v4 @ IpAddr::V4(_) if ip.is_ipv6() && bits >= 96 => Self { ip: v4, bits: bits - 96 },
            v4 @ IpAddr::V4(_) if ip.is_ipv4() => Self { ip: v4, bits },
            _ => Self { ip, bits },
        })
    }

    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        let bits = u32::from(self.bits);
        match (self.ip, ip.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                (own.to_bits() ^ ip.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                (own.to_bits() ^ ip.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn networks() {
        for (network, ip, expected) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("::ffff:192.0.2.0/120", "192.0.2.99", true),
            ("::ffff:192.0.2.0/120", "192.0.3.1", false),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("0.0.0.0/0", "198.51.100.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::1", "::1", true),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
        ] {
            let network = Network::parse(network).expect(network);
            assert_eq!(network.contains(ip.parse().expect("an address")), expected, "{network:?} {ip}");
        }
        for text in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "10.0.0",
            "010.0.0.1",
            "::/129",
            "[::1]",
            "fe80::1%eth0",
            "example.com",
            "10.0.0.1:80",
            " 10.0.0.1",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    proptest! {
        /// What is in it has its first bits, one by one.
        #[test]
        fn the_first_bits_are_the_same(own: u32, ip: u32, bits in 0..=32_u8, near: bool) {
            let ip = if near { own ^ (ip & 0xff) } else { ip };
            let address = |bits: u32| IpAddr::V4(bits.into());
            let network = Network::parse(&format!("{}/{bits}", address(own))).expect("a network");
            let expected = (0..bits).all(|bit| (own ^ ip) & (1 << (31 - bit)) == 0);
            prop_assert_eq!(network.contains(address(ip)), expected);
        }
    }
}
