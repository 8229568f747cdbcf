//! `NO_PROXY`: which servers are reached without a proxy.

use std::net::IpAddr;

use crate::settings::network::Network;

/// A list of rules; see [`Proxy::no_proxy`](crate::Proxy::no_proxy).
#[derive(Debug, Clone, Default)]
pub(crate) struct Bypass {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    All,
    /// In lower case, without a dot at either end.
    Name {
        name: String,
        /// Not the host itself, only those below it.
        below_only: bool,
        port: Option<u16>,
    },
    Ip(IpAddr, Option<u16>),
    Block(Network),
}

impl Bypass {
    pub(crate) fn parse(rules: &str) -> Self {
        let separator = |c: char| c == ',' || c.is_ascii_whitespace();
        Self { rules: rules.split(separator).filter_map(Rule::parse).collect() }
    }

    /// Whether a server is reached without the proxy. `host` is a name or an IP address without
    /// brackets.
    pub(crate) fn covers(&self, host: &str, port: u16) -> bool {
        let ip = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        self.rules.iter().any(|rule| rule.covers(&host, ip, port))
    }
}

impl Rule {
    fn parse(rule: &str) -> Option<Self> {
        if rule == "*" {
            return Some(Self::All);
        }
        if rule.contains('/') {
            return Network::parse(rule).map(Self::Block);
        }
        let (host, port) = split_port(rule)?;
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Some(Self::Ip(ip.to_canonical(), port));
        }
        let below = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
        let name = below.unwrap_or(host);
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let is_name = !name.is_empty() && name.bytes().all(legal);
        is_name.then_some(Self::Name { name, below_only: below.is_some(), port })
    }

    fn covers(&self, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
        let fits = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match self {
            Self::All => true,
            Self::Name { name, below_only, port } => {
                let is_below = || host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                fits(port) && ip.is_none() && ((!below_only && host == name) || is_below())
            }
            Self::Ip(own, port) => fits(port) && ip == Some(*own),
            Self::Block(network) => ip.is_some_and(|ip| network.contains(ip)),
        }
    }
}

/// Splits `host[:port]`; an IPv6 address may stand with or without brackets, but has no port
/// without them.
fn split_port(rule: &str) -> Option<(&str, Option<u16>)> {
    if rule.parse::<IpAddr>().is_ok() {
        return Some((rule, None));
    }
    let (host, port) = match rule.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => rule.split_once(':').map_or((rule, None), |(host, port)| (host, Some(port))),
    };
    Some((host, port.map(str::parse).transpose().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Nothing that stands in the variable panics or spoils the rule behind it.
        #[test]
        fn any_rules_are_read(rules in prop_oneof!["[ -~]{0,40}", "[0-9./:,* \\[\\]a]{0,30}"], host in "[a-z0-9.:]{0,20}") {
            let _ = Bypass::parse(&rules).covers(&host, 80);
            let more = format!("{rules},example.com");
            prop_assert!(Bypass::parse(&more).covers("example.com", 80));
        }
    }

    #[test]
    fn rules() {
        let table = [
            // rules, host, port, whether the proxy is passed by
            ("", "example.com", 80, false),
            ("*", "example.com", 80, true),
            ("*", "192.0.2.1", 80, true),
            ("other.test,*", "example.com", 80, true),
            ("example.com", "example.com", 80, true),
            ("example.com", "EXAMPLE.com.", 80, true),
            ("EXAMPLE.COM.", "example.com", 80, true),
            ("example.com", "www.example.com", 80, true),
            ("example.com", "badexample.com", 80, false),
            ("example.com", "example.com.evil.test", 80, false),
            ("example.com", "example.co", 80, false),
            (".example.com", "www.example.com", 80, true),
            (".example.com", "a.b.example.com", 80, true),
            (".example.com", "example.com", 80, false),
            ("*.example.com", "www.example.com", 80, true),
            ("*.example.com", "example.com", 80, false),
            ("example.com:8080", "example.com", 8080, true),
            ("example.com:8080", "www.example.com", 8080, true),
            ("example.com:8080", "example.com", 80, false),
            ("localhost", "localhost", 9001, true),
            ("localhost", "127.0.0.1", 9001, false),
            ("192.0.2.1", "192.0.2.1", 80, true),
            ("192.0.2.1", "192.0.2.10", 80, false),
            ("192.0.2.1:81", "192.0.2.1", 81, true),
            ("192.0.2.1:81", "192.0.2.1", 80, false),
            ("2.1", "192.0.2.1", 80, false),
            (".2.1", "192.0.2.1", 80, false),
            ("::ffff:192.0.2.1", "192.0.2.1", 80, true),
            ("192.0.2.1", "::ffff:192.0.2.1", 80, true),
            ("2001:db8::1", "2001:DB8:0::1", 80, true),
            ("[2001:db8::1]", "2001:db8::1", 80, true),
            ("[2001:db8::1]:81", "2001:db8::1", 81, true),
            ("[2001:db8::1]:81", "2001:db8::1", 80, false),
            ("10.0.0.0/8", "10.255.0.1", 80, true),
            ("10.0.0.0/8", "11.0.0.1", 80, false),
            ("10.1.2.3/8", "10.9.9.9", 80, true),
            ("192.0.2.128/25", "192.0.2.127", 80, false),
            ("192.0.2.128/25", "192.0.2.128", 80, true),
            ("192.0.2.1/32", "192.0.2.1", 80, true),
            ("192.0.2.1/32", "192.0.2.2", 80, false),
            ("0.0.0.0/0", "192.0.2.1", 80, true),
            ("0.0.0.0/0", "example.com", 80, false),
            ("0.0.0.0/0", "2001:db8::1", 80, false),
            ("2001:db8::/32", "2001:db8:1::1", 80, true),
            ("2001:db8::/32", "2001:db9::1", 80, false),
            ("::/0", "2001:db8::1", 80, true),
            ("a.test, b.test\tc.test", "c.test", 80, true),
            (" , ,b.test,", "b.test", 80, true),
            // What is no rule fits nothing, and spoils nothing.
            ("10.0.0.0/33,b.test", "10.0.0.1", 80, false),
            ("10.0.0.0/33,b.test", "b.test", 80, true),
            ("example.com:x,example.com:99999", "example.com", 80, false),
            ("http://example.com", "example.com", 80, false),
            (".", "example.com", 80, false),
            ("*.", "example.com", 80, false),
            ("exam*.com", "example.com", 80, false),
        ];
        for (rules, host, port, expected) in table {
            assert_eq!(Bypass::parse(rules).covers(host, port), expected, "{rules:?} for {host}:{port}");
        }
    }
}
