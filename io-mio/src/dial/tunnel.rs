//! Asking a proxy for a tunnel, as functions over bytes.

use sansws::handshake::{HandshakeError, HeaderStorage, client};

use crate::conn::head::Head;
use crate::settings::Settings;
use crate::target::proxy::{ProxyError, ProxyServer};

/// Responses with a status of 1xx before the one that counts.
const MAX_INTERIM: u32 = 16;

/// Writes the request for a tunnel to `host`, a name or an IP address without brackets.
pub(crate) fn write_connect(
    proxy: &ProxyServer,
    host: &str,
    port: u16,
    out: &mut Vec<u8>,
) -> Result<(), ProxyError> {
    // It comes from a parsed URL. But a line of its own is all that it would take to ask for
    // something else.
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if host.is_empty() || !is_plain(host) {
        return Err(ProxyError::Request);
    }
    // RFC 9110 §9.3.6: "the host and port number of the tunnel destination, separated by a colon …
    // even if … the default port".
    let brackets = if host.contains(':') { ["[", "]"] } else { ["", ""] };
    let destination = format!("{}{host}{}:{port}", brackets[0], brackets[1]);
    out.extend_from_slice(format!("CONNECT {destination} HTTP/1.1\r\nHost: {destination}\r\n").as_bytes());
    if let Some(secret) = &proxy.authorization {
        out.extend_from_slice(format!("Proxy-Authorization: {}\r\n", secret.0).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// The answer to a request for a tunnel, of which a part has arrived.
pub(crate) struct Tunnel {
    head: Head,
    max_len: usize,
    max_headers: usize,
    interim: u32,
}

impl Tunnel {
    pub(crate) fn new(max_len: usize, max_headers: usize) -> Self {
        Self { head: Head::new(max_len), max_len, max_headers, interim: 0 }
    }

    /// Adds what was read from the proxy. `true`: the tunnel is there, and nothing has come through
    /// it.
    pub(crate) fn received(&mut self, input: &mut [u8]) -> Result<bool, ProxyError> {
        let mut collected = Vec::new();
        let Some((mut head, mut rest)) =
            self.head.add(input, &mut collected).map_err(ProxyError::Response)?
        else {
            return Ok(false);
        };
        loop {
            let status = status(head, self.max_headers)?;
            match status {
                // §9.3.6: "Any 2xx (Successful) response indicates that the sender (and all inbound
                // proxies) will switch to tunnel mode immediately after the response header
                // section". Content-Length and Transfer-Encoding then mean nothing.
                200..=299 if rest.is_empty() => return Ok(true),
                // The server speaks second, with TLS and without: nothing can have come from it.
                200..=299 => return Err(ProxyError::EarlyBytes),
                100..=199 if status != 101 => {}
                _ => return Err(ProxyError::Refused { status }),
            }
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(ProxyError::Response(HandshakeError::TooManyInterim));
            }
            self.head = Head::new(self.max_len);
            match self.head.begin(rest).map_err(ProxyError::Response)? {
                None => return Ok(false),
                Some(parts) => (head, rest) = parts,
            }
        }
    }
}

fn status(head: &[u8], max_headers: usize) -> Result<u16, ProxyError> {
    let mut storage = HeaderStorage::<{ Settings::MOST_HEADERS }>::default();
    let parsed = client::Response::parse(head, &mut storage).map_err(ProxyError::Response)?;
    let (response, _) = parsed.ok_or(ProxyError::Response(HandshakeError::MalformedHead))?;
    if response.headers().len() > max_headers {
        return Err(ProxyError::Response(HandshakeError::TooManyHeaders));
    }
    Ok(response.status())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::proxy::Proxy;
    use proptest::prelude::*;

    fn request(url: &str, host: &str, port: u16) -> Result<String, ProxyError> {
        let proxy = Proxy::new(url).expect("a proxy");
        let mut out = Vec::new();
        write_connect(proxy.server_for(false, host, port).expect("no exception"), host, port, &mut out)?;
        Ok(String::from_utf8(out).expect("ASCII"))
    }

    /// Attack A-05.
    #[test]
    fn requests() {
        assert_eq!(
            request("http://p", "example.com", 80).expect("can be asked for"),
            "CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\n"
        );
        assert_eq!(
            request("http://me:pw@p", "2001:db8::1", 443).expect("can be asked for"),
            "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\
             Proxy-Authorization: Basic bWU6cHc=\r\n\r\n"
        );
        for host in ["", "a b", "a\r\nX: y", "ä", "a\0"] {
            assert!(matches!(request("http://p", host, 80), Err(ProxyError::Request)), "{host:?}");
        }
    }

    /// What becomes of an answer that arrives at once.
    fn answer(text: &str) -> Result<bool, String> {
        let mut bytes = text.as_bytes().to_vec();
        Tunnel::new(1024, 20).received(&mut bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn answers() {
        let good = [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.0 200 Connection established\r\nProxy-agent: tinyproxy\r\n\r\n",
            "HTTP/1.1 204 x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\n\r\n",
        ];
        for text in good {
            assert_eq!(answer(text), Ok(true), "{text:?}");
        }
        for text in
            ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 100\r\n\r\nHTTP/1"]
        {
            assert_eq!(answer(text), Ok(false), "{text:?}");
        }
        let bad = [
            ("HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic\r\n\r\n", "407"),
            ("HTTP/1.1 407 Auth\r\nContent-Length: 3\r\n\r\nno!", "407"),
            ("HTTP/1.1 503 No\r\n\r\n", "503"),
            ("HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\n\r\n", "302"),
            ("HTTP/1.1 101 Switching\r\n\r\n", "101"),
            ("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n", "before the server could"),
            ("HTTP/1.1 200 OK\n\n", "HTTP/1.1"),
            ("HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "HTTP/1.1"),
            ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1"),
            ("HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1"),
            ("HTTP/2 200\r\n\r\n", "version"),
            ("\x16\x03\x01", "HTTP/1.1"),
            ("SSH-2.0-OpenSSH\r\n\r\n", "the head is not HTTP/1.1"),
        ];
        for (text, expected) in bad {
            let error = answer(text).expect_err(text);
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn answers_are_bounded() {
        let long = format!("HTTP/1.1 200 {}", "x".repeat(2000));
        assert!(answer(&long).expect_err("too long").contains("too long"));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(21));
        assert!(answer(&many).expect_err("too many").contains("too many"));
        let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(30);
        assert!(answer(&endless).expect_err("too many").contains("too many"));
        // Also when each comes by itself.
        let mut tunnel = Tunnel::new(1024, 20);
        let ends =
            (0..100).find(|_| tunnel.received(&mut b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()).is_err());
        assert!(ends.is_some());
    }

    proptest! {
        /// However an answer is cut up, it comes to the same; and no bytes panic.
        #[test]
        fn cuts_change_nothing(
            text in prop_oneof![
                Just(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nVia: p\r\n\r\n".to_vec()),
                Just(b"HTTP/1.1 407 Auth\r\nVia: p\r\n\r\n".to_vec()),
                prop::collection::vec(any::<u8>(), 0..80),
            ],
            cuts in prop::collection::vec(1..20_usize, 1..30),
        ) {
            let mut whole = text.clone();
            let at_once = Tunnel::new(1024, 20).received(&mut whole).map_err(|error| error.to_string());
            let mut tunnel = Tunnel::new(1024, 20);
            let mut rest = &text[..];
            let mut result = Ok(false);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() || result != Ok(false) {
                    break;
                }
                let (part, after) = rest.split_at((*cut).min(rest.len()));
                rest = after;
                result = tunnel.received(&mut part.to_vec()).map_err(|error| error.to_string());
            }
            prop_assert_eq!(result, at_once);
        }
    }
}
