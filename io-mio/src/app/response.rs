//! Plain HTTP responses: pages, health checks, refusals.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::SystemTime;

use bytes::Bytes;
use sansws::handshake::HandshakeError;
use sansws::handshake::server::reason_phrase;

/// An HTTP response, after which the connection is closed.
///
/// ```
/// use sansws_mio::Response;
///
/// let page = Response::html("<!doctype html><title>Hello</title>").header("Cache-Control", "no-store");
/// assert_eq!(page.status(), 200);
/// ```
#[derive(Clone)]
pub struct Response {
    status: u16,
    headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    body: Cow<'static, [u8]>,
    /// It stands for a decision that comes later.
    is_later: bool,
}

/// Behind the error, for developers.
const ORIGIN_HINT: &str = "The page's origin must match the request's Host header or be in the server's \
                           OriginPolicy::List. Behind a proxy, list the public origin there.\n";

impl Response {
    /// A response without a body. A status that no HTTP response can end with (below 200 or above
    /// 599) becomes 500.
    pub fn new(status: u16) -> Self {
        let status = if (200..=599).contains(&status) { status } else { 500 };
        Self { status, headers: Vec::new(), body: Cow::Borrowed(&[]), is_later: false }
    }

    /// The answer to a request that is decided later, if no decision comes in time.
    pub(crate) fn later() -> Self {
        Self { is_later: true, ..Self::text(503, "no decision in time\n") }
    }

    pub(crate) fn is_later(&self) -> bool {
        self.is_later
    }

    /// 200 with a page.
    pub fn html(page: impl Into<Cow<'static, str>>) -> Self {
        Self::new(200).body("text/html; charset=utf-8", into_bytes(page.into()))
    }

    /// A status with some plain text.
    pub fn text(status: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(status).body("text/plain; charset=utf-8", into_bytes(text.into()))
    }

    /// 200 with JSON.
    pub fn json(json: impl Into<Cow<'static, str>>) -> Self {
        Self::new(200).body("application/json", into_bytes(json.into()))
    }

    /// 404.
    pub fn not_found() -> Self {
        Self::text(404, "not found\n")
    }

    /// 403 with the reason.
    pub fn forbidden(why: impl Into<Cow<'static, str>>) -> Self {
        Self::text(403, why)
    }

    /// 302 to another place.
    pub fn redirect(location: impl Into<Cow<'static, str>>) -> Self {
        Self::new(302).header("Location", location)
    }

    /// The refusal of a connection, see `Settings::max_connections_per_address`.
    pub(crate) fn too_many_from_address() -> Self {
        Self::text(429, "too many connections from this address\n")
    }

    /// The refusal of a request because of this error.
    pub(crate) fn refusal(error: &HandshakeError) -> Self {
        let hint = match error {
            // For whoever puts a server behind a proxy. No page can read it, and it says nothing
            // about this server: neither what is allowed, nor where it listens, nor what it was
            // sent.
            HandshakeError::OriginNotAllowed => ORIGIN_HINT,
            _ => "",
        };
        let response = Self::text(error.status(), format!("{error}\n{hint}"));
        // The driver writes Connection.
        let headers = error.response_headers().iter().filter(|(name, _)| *name != "Connection");
        headers.fold(response, |response, (name, value)| response.header(*name, *value))
    }

    /// Adds a header.
    ///
    /// A header whose name is not a token, or whose value has control characters such as CR and LF,
    /// is left out and a warning is logged. The driver writes `Content-Length`, `Transfer-Encoding`
    /// and `Connection`, and `Date` if it is not given. With an `Upgrade` header, `Connection` has
    /// the option `Upgrade`; a 426 that has none gets `Upgrade: websocket`.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        let (name, value) = (name.into(), value.into());
        let reserved = ["content-length", "transfer-encoding", "connection"];
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let legal = !name.is_empty()
            && name.bytes().all(token)
            && value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
            && !reserved.iter().any(|reserved| name.eq_ignore_ascii_case(reserved));
        if legal {
            self.headers.push((name, value));
        } else {
            log::warn!("response header {name:?} left out");
        }
        self
    }

    /// Sets the body and its type.
    pub fn body(self, content_type: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Self {
        let mut response = self.header("Content-Type", content_type);
        response.body = body.into();
        response
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Status line and headers, and the body if the request was not `HEAD`.
    pub(crate) fn encode(self, is_head: bool) -> (String, Bytes) {
        self.encode_at(is_head, SystemTime::now())
    }

    fn encode_at(mut self, is_head: bool, now: SystemTime) -> (String, Bytes) {
        // RFC 9110 §15.5.22: "The server MUST send an Upgrade header field in a 426 response".
        if self.status == 426 && !self.has("Upgrade") {
            self.headers.push(("Upgrade".into(), "websocket".into()));
        }
        // RFC 9110 §6.6.1: "An origin server with a clock MUST generate a Date header field in all
        // 2xx (Successful), 3xx (Redirection), and 4xx (Client Error) responses".
        if self.status < 500 && !self.has("Date") {
            self.headers.push(("Date".into(), httpdate::fmt_http_date(now).into()));
        }
        let mut head = String::with_capacity(256);
        let _ = write!(head, "HTTP/1.1 {} {}\r\n", self.status, reason_phrase(self.status));
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        // RFC 9110 §8.6: no Content-Length "in any response with a status code of … 204".
        if self.status != 204 {
            let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        // RFC 9110 §7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option".
        let connection = if self.has("Upgrade") { "Upgrade, close" } else { "close" };
        let _ = write!(head, "Connection: {connection}\r\n\r\n");
        // RFC 9110 §9.3.2: the response to HEAD has no content, and neither have 204 and 304.
        let body = match self.body {
            _ if is_head || matches!(self.status, 204 | 304) => Bytes::new(),
            Cow::Borrowed(body) => Bytes::from_static(body),
            Cow::Owned(body) => Bytes::from(body),
        };
        (head, body)
    }

    fn has(&self, wanted: &str) -> bool {
        self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
    }
}

/// Names of headers only, as a value may be a cookie; and how long the content is.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &names)
            .field("content_len", &self.body.len())
            .finish()
    }
}

fn into_bytes(text: Cow<'static, str>) -> Cow<'static, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time of the examples in RFC 9110 §5.6.7.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777)
    }

    /// Rule R-9110-a.
    #[test]
    fn a_page() {
        let (head, body) = Response::html("hé").header("X-A", "b").encode_at(false, now());
        assert_eq!(
            head,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nX-A: b\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Length: 3\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(body, "hé");
    }

    #[test]
    fn head_and_empty_statuses_have_no_body() {
        let (head, body) = Response::text(404, "gone").encode(true);
        assert!(head.contains("Content-Length: 4\r\n") && body.is_empty());
        let (head, body) = Response::new(204).encode(false);
        assert!(!head.contains("Content-Length") && body.is_empty());
    }

    /// Attack A-05.
    #[test]
    fn headers_cannot_split_the_response() {
        let (head, _) = Response::new(200)
            .header("X\r\nEvil", "1")
            .header("X", "a\r\nEvil: 1")
            .header("", "x")
            .header("content-length", "9")
            .header("Fine", "caf\u{e9}")
            .encode_at(false, now());
        assert_eq!(
            head,
            "HTTP/1.1 200 OK\r\nFine: café\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }

    /// Rule R-9110-a.
    #[test]
    fn responses_but_those_of_5xx_have_one_date() {
        for (status, count) in [(200, 1), (204, 1), (302, 1), (404, 1), (500, 0), (503, 0)] {
            let (head, _) = Response::new(status).encode(false);
            assert_eq!(head.matches("\r\nDate: ").count(), count, "{head}");
        }
        let (head, _) = Response::new(200).header("date", "Sun, 06 Nov 1994 08:49:37 GMT").encode(false);
        assert_eq!(head.to_lowercase().matches("\r\ndate: ").count(), 1, "{head}");
    }

    /// Rule R-9110-b.
    #[test]
    fn upgrade_is_a_connection_option_too() {
        let (head, _) = Response::text(426, "WebSocket only\n").encode(false);
        assert!(head.contains("\r\nUpgrade: websocket\r\n"), "{head}");
        assert!(head.ends_with("\r\nConnection: Upgrade, close\r\n\r\n"), "{head}");
        let (head, _) = Response::new(200).header("upgrade", "h2c").encode(false);
        assert!(head.ends_with("\r\nConnection: Upgrade, close\r\n\r\n"), "{head}");
        assert!(!head.contains("websocket"), "{head}");
        let (head, _) = Response::new(426).header("Upgrade", "h2c").encode(false);
        assert!(!head.contains("websocket") && head.contains("Upgrade, close"), "{head}");
    }

    #[test]
    fn a_status_is_a_final_one() {
        for (asked, sent) in [(0, 500), (101, 500), (199, 500), (200, 200), (599, 599), (600, 500)] {
            assert_eq!(Response::new(asked).status(), sent);
        }
    }
}
