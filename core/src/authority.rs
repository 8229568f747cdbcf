//! `host[:port]`, as it stands in a URI, a Host header and an Origin.

/// The part of an authority that is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidAuthority {
    Host,
    Port,
}

/// Splits `scheme://rest`.
pub(crate) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    // A scheme has no colon (RFC 3986 §3.1).
    let (scheme, rest) = split_once_ascii(text, b':')?;
    Some((scheme, rest.strip_prefix("//")?))
}

/// Splits what follows `scheme://` into the authority and the rest, which is empty or begins with
/// `/` or `?`.
pub(crate) fn split_authority(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| matches!(b, b'/' | b'?'));
    // An ASCII character is a boundary.
    end.and_then(|end| text.split_at_checked(end)).unwrap_or((text, ""))
}

/// [`str::split_once`] for an ASCII character, without the search for any character, which costs a
/// heapless program more flash.
pub(crate) fn split_once_ascii(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|b| b == separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Splits `host[:port]`. An IPv6 address loses its brackets; an empty port is none.
///
/// User information is not part of it: `@` makes the host invalid.
pub(crate) fn split_host_port(text: &str) -> Result<(&str, Option<u16>), InvalidAuthority> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = split_once_ascii(rest, b']').ok_or(InvalidAuthority::Host)?;
            if parse_ipv6(host).is_none() {
                return Err(InvalidAuthority::Host);
            }
            match rest.strip_prefix(':') {
                Some(port) => (host, port),
                None if rest.is_empty() => (host, ""),
                None => return Err(InvalidAuthority::Host),
            }
        }
        None => {
            let (host, port) = split_once_ascii(text, b':').unwrap_or((text, ""));
            if host.is_empty() || !host.bytes().all(is_reg_name) {
                return Err(InvalidAuthority::Host);
            }
            (host, port)
        }
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let number = parse_number(port.as_bytes()).ok_or(InvalidAuthority::Port)?;
    Ok((host, Some(number)))
}

/// Whether two hosts, without brackets, are the same. Names are compared case-insensitively, IPv6
/// addresses by value.
pub(crate) fn same_host(a: &str, b: &str) -> bool {
    match (parse_ipv6(a), parse_ipv6(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.eq_ignore_ascii_case(b),
    }
}

/// RFC 3986 §3.2.2 `reg-name`, without percent-encoding, which no resolver undoes.
pub(crate) const fn is_reg_name(b: u8) -> bool {
    is_unreserved(b) || is_sub_delim(b)
}

/// RFC 3986 §2.3.
pub(crate) const fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 §2.2.
pub(crate) const fn is_sub_delim(b: u8) -> bool {
    matches!(b, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

/// RFC 3986 §3.2.2 `IPv6address`, as its eight groups of 16 bits.
///
/// The parser of `core::net` would cost a heapless program several kilobytes of flash.
fn parse_ipv6(text: &str) -> Option<[u16; 8]> {
    let mut read = [0; 8];
    let mut count = 0;
    // How many groups stand before "::".
    let mut gap = None;
    let mut rest = text.as_bytes();
    if let Some(after) = rest.strip_prefix(b"::") {
        (gap, rest) = (Some(0), after);
    }
    while !rest.is_empty() {
        let len = rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        if rest.get(len) == Some(&b'.') {
            // An IPv4 address stands for the last two groups.
            let address = parse_ipv4(rest)?;
            if count > 6 {
                return None;
            }
            read[count] = (address >> 16) as u16;
            read[count + 1] = address as u16;
            count += 2;
            break;
        }
        if count == 8 || !(1..=4).contains(&len) {
            return None;
        }
        let (digits, after) = rest.split_at(len);
        read[count] = digits.iter().fold(0, |value, &digit| value << 4 | hex_value(digit));
        count += 1;
        rest = if after.is_empty() {
            after
        } else if let Some(after) = after.strip_prefix(b"::") {
            if gap.replace(count).is_some() {
                return None;
            }
            after
        } else {
            // One colon is followed by another group.
            after.strip_prefix(b":").filter(|after| !after.is_empty())?
        };
    }
    let Some(gap) = gap else { return (count == 8).then_some(read) };
    // "::" stands for one group at least.
    if count == 8 {
        return None;
    }
    let mut groups = [0; 8];
    for (i, group) in read[..count].iter().enumerate() {
        groups[if i < gap { i } else { i + 8 - count }] = *group;
    }
    Some(groups)
}

/// RFC 3986 §3.2.2 `IPv4address`: four numbers without leading zeros.
fn parse_ipv4(text: &[u8]) -> Option<u32> {
    let (mut address, mut count) = (0, 0);
    for part in text.split(|&b| b == b'.') {
        let octet = parse_number(part).filter(|&octet| octet <= 255)?;
        if part.len() > 1 && part[0] == b'0' {
            return None;
        }
        address = address << 8 | u32::from(octet);
        count += 1;
    }
    (count == 4).then_some(address)
}

/// Reads `1*DIGIT`, up to 65 535.
#[inline(never)]
fn parse_number(digits: &[u8]) -> Option<u16> {
    let mut number = None;
    for digit in digits {
        let digit = if digit.is_ascii_digit() { digit - b'0' } else { return None };
        let value = u32::from(number.unwrap_or(0_u16)) * 10 + u32::from(digit);
        number = Some(u16::try_from(value).ok()?);
    }
    number
}

/// The value of a hexadecimal digit.
const fn hex_value(digit: u8) -> u16 {
    (match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }) as u16
}

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;

    use super::*;

    /// `core/tests/uri.rs` compares it with `core::net` on generated text; here the values are
    /// compared.
    #[test]
    fn ipv6_addresses_have_the_value_that_the_standard_library_reads() {
        for text in [
            "::",
            "::1",
            "1::",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1::8",
            "2001:DB8::a:0:f",
            "::ffff:192.0.2.1",
            "1:2:3:4:5:6:255.0.1.9",
            "1:2::3:4:1.2.3.4",
            "0000:00:0::1",
            "",
            ":",
            ":::",
            "1:",
            ":1",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8",
            "1::2::3",
            "12345::",
            "g::",
            "1.2.3.4",
            "::1.2.3",
            "::1.2.3.4.5",
            "::1.2.3.256",
            "::1.2.3.04",
            "::1.2.3.4:1",
            "::1.2.3.4::",
            "::a.2.3.4",
            "1:2:3:4:5:6:7:1.2.3.4",
            "1:2:3:4:5:6::1.2.3.4",
            "::1%eth0",
            "[::1]",
        ] {
            let expected = text.parse::<Ipv6Addr>().ok().map(|address| address.segments());
            assert_eq!(parse_ipv6(text), expected, "{text}");
        }
    }
}
