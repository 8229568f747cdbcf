//! RFC 6455 §4 a second time, as simply as it can be said: what is wrong with the head of a request or of a response, by its lines as they
//! stand and without a line of `sansws`.
#![allow(dead_code, reason = "each target takes what it needs")]

/// A head, line by line.
pub struct Head<'a> {
    first: Vec<&'a [u8]>,
    /// Names, and values without the blanks around them.
    headers: Vec<(&'a [u8], &'a [u8])>,
    verdict: Verdict,
}

/// What is to be said of a head.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// For each thing that is wrong the status of its refusal.
    pub faults: Vec<u16>,
    /// Something in it is more than these few lines understand, be it right or wrong.
    pub is_odd: bool,
}

impl Verdict {
    pub fn allows_acceptance(&self) -> bool {
        self.faults.is_empty()
    }

    /// Never if it is plainly right.
    pub fn allows_refusal(&self, status: u16) -> bool {
        self.faults.contains(&status) || (self.is_odd && matches!(status, 400 | 505))
    }

    fn expect(&mut self, status: u16, is_right: bool) {
        if !is_right {
            self.faults.push(status);
        }
    }
}

impl<'a> Head<'a> {
    /// Of bytes that end with the empty line.
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut lines = bytes
            .split(|&b| b == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default().splitn(3, |&b| b == b' ').collect();
        let (mut headers, mut verdict) = (Vec::new(), Verdict::default());
        for line in lines {
            let (name, value) = split_once(line, b':').unwrap_or_default();
            // RFC 7230 §3.2: a token, the colon at once, no control characters.
            verdict.expect(400, is_token(name) && !value.iter().any(is_control));
            headers.push((name, trim(value)));
        }
        verdict.expect(431, headers.len() <= 64);
        Self { first, headers, verdict }
    }

    /// Of the first line: method, target, HTTP version; or HTTP version, status, reason.
    pub fn part(&self, n: usize) -> &'a [u8] {
        self.first.get(n).copied().unwrap_or_default()
    }

    pub fn all(&self, name: &str) -> Vec<&'a [u8]> {
        let named = |line: &&(&[u8], &[u8])| line.0.eq_ignore_ascii_case(name.as_bytes());
        self.headers.iter().filter(named).map(|line| line.1).collect()
    }

    /// Of all lines with this name, which are one list. What is in quotes has no commas where it is right.
    pub fn elements(&self, name: &str) -> Vec<&'a [u8]> {
        let values = self.all(name).into_iter();
        let elements = values.flat_map(|value| value.split(|&b| b == b',').map(trim));
        elements.filter(|element| !element.is_empty()).collect()
    }

    pub fn has(&self, name: &str, token: &str) -> bool {
        self.elements(name).iter().any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Content follows, or might.
    pub fn has_content(&self) -> bool {
        let is_zero = |value: &&[u8]| !value.is_empty() && value.iter().all(|&b| b == b'0');
        let plainly_none = match &self.all("Content-Length")[..] {
            [] => true,
            [len] => is_zero(len),
            _ => false,
        };
        !plainly_none || !self.all("Transfer-Encoding").is_empty()
    }

    /// §4.2.1: what is wrong with it as the request of a client.
    pub fn request(&self) -> Verdict {
        let (mut verdict, target, version) = (self.verdict.clone(), self.part(1), self.part(2));
        verdict.expect(400, is_token(self.part(0)));
        verdict.expect(405, self.part(0) == b"GET");
        verdict.expect(501, METHODS.contains(&self.part(0)));
        verdict.expect(505, is_1_1_or_higher(version));
        // RFC 9112 §2.3: what is no version at all makes the line malformed.
        verdict.is_odd |= !matches!(version, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9']);
        verdict.expect(400, is_target(target));
        match absolute(target) {
            Some(authority) => check_host(authority, &mut verdict),
            None => verdict.expect(400, target.starts_with(b"/")),
        }
        verdict.expect(400, !self.has_content());
        // RFC 9112 §6.1 and §6.3: one length without a sign and leading zeros, or one coding, which is chunked.
        let (lengths, codings) = (self.all("Content-Length"), self.elements("Transfer-Encoding"));
        verdict.expect(400, lengths.iter().all(|length| *length == b"0" || !length.starts_with(b"0")));
        verdict.expect(501, codings.iter().all(|coding| coding.eq_ignore_ascii_case(b"chunked")));
        match self.all("Host")[..] {
            [host] => check_host(host, &mut verdict),
            _ => verdict.expect(400, false),
        }
        verdict.expect(426, self.has("Upgrade", "websocket"));
        verdict.expect(400, self.has("Connection", "upgrade"));
        verdict.expect(426, self.all("Sec-WebSocket-Version") == [b"13"]);
        verdict.expect(400, matches!(self.all("Sec-WebSocket-Key")[..], [key] if is_key(key)));
        let origins = self.all("Origin");
        verdict
            .expect(400, origins.len() <= 1 && origins.iter().all(|origin| str::from_utf8(origin).is_ok()));
        let names = self.elements("Sec-WebSocket-Protocol");
        let is_unique = |(i, name): (usize, &&[u8])| !names[..i].contains(name);
        // RFC 9110 §5.6.1.2: empty elements are ignored, also if there are no others.
        verdict.expect(400, names.len() <= 64);
        verdict.expect(400, names.iter().all(|name| is_token(name)));
        verdict.expect(400, names.iter().enumerate().all(is_unique));
        verdict.expect(400, self.are_extensions_right());
        verdict
    }

    /// §4.1: what is wrong with it as the response that establishes the connection.
    pub fn response(&self, accept: &[u8], subprotocols: &[&str], extensions: &[&str]) -> Verdict {
        let mut verdict = self.verdict.clone();
        let mut expect = |is_right| verdict.expect(502, is_right);
        expect(is_1_1_or_higher(self.part(0)) && self.part(1) == b"101");
        expect(!self.part(2).iter().any(is_control));
        expect(matches!(self.all("Upgrade")[..], [value] if value.eq_ignore_ascii_case(b"websocket")));
        expect(self.has("Connection", "upgrade"));
        expect(self.all("Sec-WebSocket-Accept") == [accept]);
        expect(match self.all("Sec-WebSocket-Protocol")[..] {
            // Without a value it indicates the use of none.
            [] | [b""] => true,
            [chosen] => subprotocols.iter().any(|offered| offered.as_bytes() == chosen),
            _ => false,
        });
        expect(self.all("Sec-WebSocket-Extensions").len() <= 1 && self.are_extensions_right());
        let is_offered = |chosen: &&[u8]| {
            let name = trim(chosen.split(|&b| b == b';').next().unwrap_or_default());
            extensions.iter().any(|offered| offered.as_bytes() == name)
        };
        expect(self.elements("Sec-WebSocket-Extensions").iter().all(is_offered));
        expect(self.is_deflate_right());
        verdict
    }

    /// RFC 7692 §7.1: permessage-deflate once, with parameters of its own, as a response has them; what was offered is not looked at.
    fn is_deflate_right(&self) -> bool {
        let elements = self.elements("Sec-WebSocket-Extensions");
        let words = |element: &&[u8]| element.split(|&b| b == b';').map(|word| trim(word).to_vec()).collect();
        let all: Vec<Vec<Vec<u8>>> = elements.iter().map(words).collect();
        let deflates: Vec<_> = all.iter().filter(|words| words[0] == b"permessage-deflate").collect();
        let is_right = |param: &Vec<u8>| match split_once(param, b'=') {
            None => matches!(&param[..], b"server_no_context_takeover" | b"client_no_context_takeover"),
            Some((name, value)) => {
                let bits =
                    str::from_utf8(&unquoted(trim(value))).ok().and_then(|bits| bits.parse::<u8>().ok());
                matches!(trim(name), b"server_max_window_bits" | b"client_max_window_bits")
                    && bits.is_some_and(|bits| (8..=15).contains(&bits))
                    && !unquoted(trim(value)).starts_with(b"0")
                    && !unquoted(trim(value)).starts_with(b"+")
            }
        };
        let name = |param: &Vec<u8>| trim(param.split(|&b| b == b'=').next().unwrap_or_default()).to_vec();
        deflates.len() <= 1
            && deflates.iter().all(|words| {
                let names: Vec<_> = words[1..].iter().map(name).collect();
                words[1..].iter().all(is_right) && (0..names.len()).all(|i| !names[..i].contains(&names[i]))
            })
    }

    /// §9.1: none, or one at least and each with its parameters.
    fn are_extensions_right(&self) -> bool {
        let elements = self.elements("Sec-WebSocket-Extensions");
        let is_right = |element: &&[u8]| {
            let mut parts = element.split(|&b| b == b';').map(trim);
            parts.next().is_some_and(is_token)
                && parts.all(|param| match split_once(param, b'=') {
                    Some((name, value)) => is_token(trim(name)) && is_token(&unquoted(trim(value))),
                    None => is_token(param),
                })
        };
        elements.iter().all(is_right)
            && (!elements.is_empty() || self.all("Sec-WebSocket-Extensions").is_empty())
    }
}

/// RFC 9110 §9.3, and RFC 5789.
const METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

fn is_1_1_or_higher(version: &[u8]) -> bool {
    matches!(version, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'])
}

/// RFC 3986: what a path and a query are made of, and what browsers leave alone in them.
fn is_target(target: &[u8]) -> bool {
    let (path, query) = split_once(target, b'?').unwrap_or((target, b""));
    let is_right = |text: &[u8], more: &[u8]| {
        let mut bytes = text.iter();
        while let Some(b) = bytes.next() {
            let is_plain =
                b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?[]|".contains(b) || more.contains(b);
            let is_coded = *b == b'%'
                && bytes.next().is_some_and(u8::is_ascii_hexdigit)
                && bytes.next().is_some_and(u8::is_ascii_hexdigit);
            if !is_plain && !is_coded {
                return false;
            }
        }
        true
    };
    is_right(path, b"") && is_right(query, b"\\^`{}")
}

/// The authority of a target that is an absolute URI.
fn absolute(target: &[u8]) -> Option<&[u8]> {
    let schemes = ["http://", "https://", "ws://", "wss://"];
    let known = |scheme: &&&str| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    let rest = &target[schemes.iter().find(known)?.len()..];
    rest.split(|b| b"/?".contains(b)).next()
}

/// A name or an IPv4 address, maybe with a port, is right; what no host can have is wrong; the rest is odd.
fn check_host(host: &[u8], verdict: &mut Verdict) {
    verdict
        .expect(400, !host.is_empty() && host.iter().all(|b| b.is_ascii_graphic() && !b"/?#@\\".contains(b)));
    let (name, port) = split_once(host, b':').unwrap_or((host, b""));
    let is_name = name.iter().all(|b| b.is_ascii_alphanumeric() || b".-".contains(b));
    verdict.is_odd |= name.is_empty() || !is_name || port.len() > 4 || !port.iter().all(u8::is_ascii_digit);
}

/// §4.1: base64 of 16 bytes, be it with bits to spare that are not zero, as in the example there.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || b"+/".contains(b);
    key.len() == 24 && key[..22].iter().all(is_digit) && key.ends_with(b"==")
}

/// RFC 7230 §3.2.6.
fn is_token(bytes: &[u8]) -> bool {
    let is_char = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !bytes.is_empty() && bytes.iter().all(is_char)
}

/// Without quotes and backslashes; unless it is wrong, then still with one of them.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(quoted) = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return value.to_vec();
    };
    let (mut plain, mut bytes) = (Vec::new(), quoted.iter());
    while let Some(&b) = bytes.next() {
        plain.push(if b == b'\\' { *bytes.next().unwrap_or(&b) } else { b });
    }
    plain
}

fn is_control(b: &u8) -> bool {
    b.is_ascii_control() && *b != b'\t'
}

fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let index = bytes.iter().position(|&b| b == at)?;
    Some((&bytes[..index], &bytes[index + 1..]))
}

fn trim(bytes: &[u8]) -> &[u8] {
    let is_blank = |b: &u8| b" \t".contains(b);
    let start = bytes.iter().take_while(|b| is_blank(b)).count();
    let end = bytes.len() - bytes[start..].iter().rev().take_while(|b| is_blank(b)).count();
    &bytes[start..end]
}
