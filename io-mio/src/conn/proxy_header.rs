//! The PROXY protocol, versions 1 and 2: what a proxy sends before anything of the client's.
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header that is read, in bytes: addresses, and as many extensions (TLV) of version 2
/// as they leave room for.
const MAX_PROXY_HEADER: usize = 4096;

/// §2.1: "the maximum line lengths the receiver must support including the CRLF": 107.
const MAX_LINE: usize = 107;

/// §2.2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// §2.1: the shortest line.
const SHORTEST: &[u8; 15] = b"PROXY UNKNOWN\r\n";

/// What a part of a header, or the whole of it, says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announcement {
    /// At least so many bytes of it are still to come.
    Needs(usize),
    /// It is whole. `None`: the client is whoever has connected, such as the proxy itself that sees
    /// whether the server lives.
    From(Option<SocketAddr>),
    /// It is no such header.
    Invalid,
}

/// Reads the bytes that have come. Whoever reads no more than is needed, each time, reads nothing
/// behind the header, which is TLS's or HTTP's.
pub(crate) fn parse(bytes: &[u8]) -> Announcement {
    if bytes.is_empty() {
        return Announcement::Needs(SHORTEST.len());
    }
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(a, b)| a == b);
    if begins(SIGNATURE) {
        return version_2(bytes).unwrap_or(Announcement::Invalid);
    }
    if begins(b"PROXY ") {
        return version_1(bytes);
    }
    Announcement::Invalid
}

/// §2.1.
fn version_1(bytes: &[u8]) -> Announcement {
    if bytes.len() < SHORTEST.len() {
        return Announcement::Needs(SHORTEST.len() - bytes.len());
    }
    let Some(line) = bytes.strip_suffix(b"\r\n") else {
        // It ended otherwise, or goes on behind its end.
        let is_over = bytes.contains(&b'\n');
        let needs = if bytes.ends_with(b"\r") { 1 } else { 2 };
        if is_over || bytes.len() + needs > MAX_LINE {
            return Announcement::Invalid;
        }
        return Announcement::Needs(needs);
    };
    line_of_version_1(line).map_or(Announcement::Invalid, Announcement::From)
}

fn line_of_version_1(line: &[u8]) -> Option<Option<SocketAddr>> {
    let line = std::str::from_utf8(line).ok()?;
    if line.contains(['\r', '\n']) {
        return None;
    }
    let mut words = line.strip_prefix("PROXY ")?.split(' ');
    let is_v4 = match words.next()? {
        // "the receiver must ignore anything presented before the CRLF is found"
        "UNKNOWN" => return Some(None),
        "TCP4" => true,
        "TCP6" => false,
        _ => return None,
    };
    let mut address = || -> Option<IpAddr> {
        let ip = words.next()?;
        if is_v4 { ip.parse().ok().map(IpAddr::V4) } else { ip.parse().ok().map(IpAddr::V6) }
    };
    let (source, _) = (address()?, address()?);
    // "in the range [0..65535] inclusive", "Leading zeroes are not permitted".
    let mut port = || -> Option<u16> {
        let port = words.next()?;
        let is_plain = port == "0" || port.starts_with(|c: char| matches!(c, '1'..='9'));
        port.parse().ok().filter(|_| is_plain)
    };
    let (port, _) = (port()?, port()?);
    words.next().is_none().then_some(Some(SocketAddr::new(source.to_canonical(), port)))
}

/// §2.2.
fn version_2(bytes: &[u8]) -> Option<Announcement> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<16>() else {
        return Some(Announcement::Needs(16 - bytes.len()));
    };
    let [.., version, family, high, low] = *fixed;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if 16 + len > MAX_PROXY_HEADER {
        return None;
    }
    // "The highest four bits contains the version. As of this specification, it must always be sent
    // as \x2 and the receiver must only accept this value." "other values are unassigned and must
    // not be emitted by senders. Receivers must drop connections presenting unexpected values
    // here."
    let is_local = match version {
        0x20 => true,
        0x21 => false,
        _ => return None,
    };
    let needed = match family {
        0x00 => 0,
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        // LOCAL: "must discard the protocol block including the family which is ignored".
        _ if is_local => 0,
        // "Other values are unspecified and must not be emitted … and must be rejected as invalid
        // by receivers."
        _ => return None,
    };
    if !is_local && len < needed {
        return None;
    }
    if rest.len() < len {
        return Some(Announcement::Needs(len - rest.len()));
    }
    if rest.len() > len {
        return None;
    }
    if is_local {
        return Some(Announcement::From(None));
    }
    Some(Announcement::From(match family {
        0x11 => {
            let (ip, rest) = rest.split_first_chunk::<4>()?;
            let ports = rest.get(4..)?.first_chunk::<2>()?;
            Some(SocketAddr::new(Ipv4Addr::from(*ip).into(), u16::from_be_bytes(*ports)))
        }
        0x21 => {
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let ports = rest.get(16..)?.first_chunk::<2>()?;
            Some(SocketAddr::new(
                IpAddr::from(Ipv6Addr::from(*ip)).to_canonical(),
                u16::from_be_bytes(*ports),
            ))
        }
        // UDP and Unix-domain sockets: a receiver that does not support them "automatically falls
        // back to the UNSPEC mode".
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a header in the steps that it asks for, or smaller ones; returns what it says and how
    /// much was read.
    fn read(bytes: &[u8], most: usize) -> (Announcement, usize) {
        let mut end = 0;
        loop {
            match parse(&bytes[..end]) {
                Announcement::Needs(0) => panic!("it needs nothing after {end}"),
                Announcement::Needs(needs) if end + needs <= bytes.len() => end += needs.min(most),
                said => return (said, end),
            }
        }
    }

    fn v2(version: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([version, family]);
        bytes.extend((block.len() as u16).to_be_bytes());
        bytes.extend(block);
        bytes
    }

    fn from(text: &str) -> Announcement {
        Announcement::From(Some(text.parse().expect("an address")))
    }

    #[test]
    fn lines_of_version_1() {
        for (line, said) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443", from("192.0.2.1:56324")),
            ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535", from("255.255.255.255:65535")),
            ("PROXY TCP4 1.1.1.1 1.1.1.1 0 1", from("1.1.1.1:0")),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 1 2", from("[2001:db8::1]:1")),
            ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2", from("192.0.2.1:1")),
            ("PROXY UNKNOWN", Announcement::From(None)),
            ("PROXY UNKNOWN ffff:: ::1 65535 65535 and more", Announcement::From(None)),
        ] {
            let whole = format!("{line}\r\nGET / HTTP/1.1\r\n");
            for most in [1, 2, usize::MAX] {
                assert_eq!(read(whole.as_bytes(), most), (said, line.len() + 2), "{line}");
            }
            // With LF alone it is none, and that is seen at once.
            let (said, end) = read(format!("{line}\nGET / HTTP/1.1\r\n\r\n").as_bytes(), 2);
            assert!(said == Announcement::Invalid && end <= line.len() + 2, "{line}: {end}");
        }
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE - 16));
        assert_eq!(read(longest.as_bytes(), usize::MAX), (Announcement::From(None), MAX_LINE));
        for line in [
            "GET / HTTP/1.1",
            "PROXY",
            "proxy TCP4 192.0.2.1 198.51.100.1 1 2",
            "PROXY  TCP4 192.0.2.1 198.51.100.1 1 2",
            "PROXY TCP5 192.0.2.1 198.51.100.1 1 2",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 ",
            "PROXY TCP4 192.0.2.1  198.51.100.1 1 2",
            "PROXY TCP4 192.0.2.1\t198.51.100.1 1 2",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 2",
            "PROXY TCP6 192.0.2.1 198.51.100.1 1 2",
            "PROXY TCP4 192.0.2.1 198.51.100.1 01 2",
            "PROXY TCP4 192.0.2.1 198.51.100.1 +1 2",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 65536",
            "PROXY TCP4 192.0.2.1 198.51.100.1 -1 2",
            "PROXY TCP4 192.0.2.256 198.51.100.1 1 2",
            "PROXY TCP4 192.0.02.1 198.51.100.1 1 2",
            "PROXY TCP4 192.0.2.1 proxy.test 1 2",
            "PROXY TCP6 fe80::1%eth0 ::1 1 2",
            "PROXY UNKNOWN\rx",
            "PROXY UNKNOWN\nPROXY TCP4 192.0.2.1 198.51.100.1 1 2",
        ] {
            assert_eq!(
                read(format!("{line}\r\n more than enough of it").as_bytes(), 2).0,
                Announcement::Invalid,
                "{line}"
            );
        }
        let too_long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE));
        assert_eq!(read(too_long.as_bytes(), usize::MAX).0, Announcement::Invalid);
    }

    #[test]
    fn headers_of_version_2() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 4, 1, 187];
        let mut v6 = [0; 36];
        v6[..16].copy_from_slice(&Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets());
        v6[33] = 99;
        let with_tlv = |block: &[u8]| [block, &[4, 0, 3, 1, 2, 3]].concat();
        for (bytes, said) in [
            (v2(0x21, 0x11, &v4), from("192.0.2.1:56324")),
            (v2(0x21, 0x11, &with_tlv(&v4)), from("192.0.2.1:56324")),
            (v2(0x21, 0x21, &v6), from("[2001:db8::1]:99")),
            (v2(0x21, 0x21, &with_tlv(&v6)), from("[2001:db8::1]:99")),
            (v2(0x21, 0x00, &[]), Announcement::From(None)),
            (v2(0x21, 0x00, &[1, 2, 3]), Announcement::From(None)),
            (v2(0x21, 0x12, &v4), Announcement::From(None)),
            (v2(0x21, 0x31, &[7; 216]), Announcement::From(None)),
            (v2(0x20, 0x11, &v4), Announcement::From(None)),
            (v2(0x20, 0xff, &[]), Announcement::From(None)),
        ] {
            let whole = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
            for most in [1, 5, usize::MAX] {
                assert_eq!(read(&whole, most), (said, bytes.len()), "{bytes:?}");
            }
        }
        for bytes in [
            v2(0x11, 0x11, &v4),
            v2(0x31, 0x11, &v4),
            v2(0x22, 0x11, &v4),
            v2(0x21, 0x13, &v4),
            v2(0x21, 0x41, &v4),
            v2(0x21, 0x01, &v4),
            v2(0x21, 0x11, &v4[..11]),
            v2(0x21, 0x21, &v6[..35]),
            v2(0x21, 0x31, &[7; 215]),
            v2(0x21, 0x00, &[0; MAX_PROXY_HEADER]),
            v2(0x20, 0x00, &[0; 65_535]),
        ] {
            assert_eq!(read(&bytes, usize::MAX).0, Announcement::Invalid, "{:?}", &bytes[..16]);
        }
    }

    proptest! {
        /// Whatever comes: no panic, an end, and never a byte more than the limit.
        #[test]
        fn anything_is_read(start in 0..4_u8, bytes in prop::collection::vec(any::<u8>(), 0..300), most in 1..20_usize) {
            let begin: &[u8] = match start {
                0 => b"",
                1 => b"PROXY ",
                2 => SIGNATURE,
                _ => b"PROXY TCP4 192.0.2.1 ",
            };
            let bytes = [begin, &bytes].concat();
            let (said, end) = read(&bytes, most);
            prop_assert!(end <= MAX_PROXY_HEADER);
            if let Announcement::From(_) = said {
                // A part of it is none.
                for part in 0..end {
                    prop_assert!(!matches!(parse(&bytes[..part]), Announcement::From(_)));
                }
            }
        }

        /// What a proxy writes is read.
        #[test]
        fn what_is_written_is_read(ip: u128, is_v4: bool, port: u16, tlv in prop::collection::vec(any::<u8>(), 0..50)) {
            let ip = if is_v4 { IpAddr::V4((ip as u32).into()) } else { IpAddr::V6(ip.into()) };
            let family = if is_v4 { "TCP4" } else { "TCP6" };
            let line = format!("PROXY {family} {ip} {ip} {port} 443\r\n");
            let said = Announcement::From(Some(SocketAddr::new(ip.to_canonical(), port)));
            prop_assert_eq!(read(line.as_bytes(), usize::MAX), (said, line.len()));
            let octets = match ip {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let block = [&octets[..], &octets, &port.to_be_bytes(), &[1, 187], &tlv].concat();
            let bytes = v2(0x21, if is_v4 { 0x11 } else { 0x21 }, &block);
            prop_assert_eq!(read(&bytes, usize::MAX), (said, bytes.len()));
        }
    }
}
