//! What an application does about its connections.

use std::fmt;
use std::io;

use sansws::handshake::HandshakeError;
use sansws::{BinaryChunk, CloseCode, Expired, Message, ProtocolError, TextChunk};

use crate::accept::Accept;
use crate::context::Context;
use crate::peer::Peer;
use crate::proxy::ProxyError;
use crate::redirect::RedirectError;
use crate::request::Request;
use crate::response::Response;

/// The application: called by an [`EventLoop`](crate::EventLoop) about every connection, accepted or dialled.
///
/// For one connection the calls come in this order: [`upgrade`](Self::upgrade) (accepted ones only) or [`head`](Self::head)
/// (dialled ones only), [`open`](Self::open), any number of [`message`](Self::message), [`chunk`](Self::chunk), [`ping`](Self::ping),
/// [`pong`](Self::pong) and [`drained`](Self::drained), then [`close`](Self::close) exactly once. After [`Peer::close`] only `drained` and `close` follow.
///
/// Everything runs on the loop's thread: a call that blocks stops all connections of the loop.
///
/// ```
/// use sansws_mio::{Accept, Handler, Message, Peer, Request, Response};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     type Session = ();
///
///     fn upgrade(&mut self, request: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
///         if request.path() == "/echo" { Ok(()) } else { Err(Response::not_found()) }
///     }
///
///     fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
///         let _ = peer.send(message);
///     }
/// }
/// ```
pub trait Handler: Sized {
    /// The application's own state of one connection.
    type Session;

    /// A client asks for a WebSocket. Its handshake is correct and its origin is [allowed](crate::OriginPolicy).
    ///
    /// Return the session to accept, or the response to refuse with. The default refuses with 404, as fits a client.
    fn upgrade(&mut self, request: &Request<'_>, accept: &mut Accept) -> Result<Self::Session, Response> {
        let _ = (request, accept);
        Err(Response::not_found())
    }

    /// A plain HTTP request, such as for a page. The default answers 404.
    ///
    /// Only the head is read: content is discarded. The connection is closed after the response.
    fn request(&mut self, request: &Request<'_>) -> Response {
        let _ = request;
        Response::not_found()
    }

    /// Dialling: a head of the opening handshake as it is on the wire, [`By::Local`] the request, [`By::Remote`] each response, accepted or
    /// not. For those who want to watch: it may carry credentials.
    fn head(&mut self, session: &mut Self::Session, by: By, head: &[u8]) {
        let _ = (session, by, head);
    }

    /// The opening handshake is done: messages can be sent.
    fn open(&mut self, peer: &mut Peer<'_, Self::Session>) {
        let _ = peer;
    }

    /// A whole message arrived.
    fn message(&mut self, peer: &mut Peer<'_, Self::Session>, message: Message<'_>) {
        let _ = (peer, message);
    }

    /// A piece of a message arrived, on a connection that was accepted or dialled with `streaming`: instead of [`message`](Self::message).
    fn chunk(&mut self, peer: &mut Peer<'_, Self::Session>, chunk: Chunk<'_>) {
        let _ = (peer, chunk);
    }

    /// A Ping arrived. Its Pong is the driver's business; this is for those who want to watch.
    fn ping(&mut self, peer: &mut Peer<'_, Self::Session>, payload: &[u8]) {
        let _ = (peer, payload);
    }

    /// A Pong arrived: the answer to [`Peer::ping`] or to the driver's own Pings, which have an empty payload, or one that nobody asked for.
    fn pong(&mut self, peer: &mut Peer<'_, Self::Session>, payload: &[u8]) {
        let _ = (peer, payload);
    }

    /// The open connection was congested, and its queue has now fallen to [`low_water`](crate::Settings::low_water): go on sending.
    fn drained(&mut self, peer: &mut Peer<'_, Self::Session>) {
        let _ = peer;
    }

    /// Output may have been written: [`Peer::written`] and [`Peer::buffered_amount`] tell how much. Called after every turn of an open
    /// connection, so it should do little.
    #[inline]
    fn written(&mut self, peer: &mut Peer<'_, Self::Session>) {
        let _ = peer;
    }

    /// The connection is closed: the last call about it, for each one that was opened or dialled. Nothing can be sent any more.
    fn close(&mut self, peer: &mut Peer<'_, Self::Session>, closed: Closed<'_>) {
        let _ = (peer, closed);
    }

    /// A [`Handle::wake`](crate::Handle::wake) or a `wake_after` came due. Called once, too, when the loop starts.
    ///
    /// Several that came together are one call.
    fn wake(&mut self, cx: &mut Context<'_, Self::Session>) {
        let _ = cx;
    }
}

/// A piece of a message, as much of it as one read brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Of a text message; code points are whole.
    Text(TextChunk<'a>),
    /// Of a binary message.
    Binary(BinaryChunk<'a>),
}

/// How a connection ended.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Closed<'a> {
    /// The status code that the peer sent; 1005 if its Close frame had none, 1006 if there was no Close frame (RFC 6455 §7.1.5).
    pub code: CloseCode,
    /// The reason that the peer sent. For a log: it must not be shown to end users (§5.5.1).
    pub reason: &'a str,
    /// Whether both Close frames were exchanged (§7.1.4).
    pub was_clean: bool,
    /// Who began.
    pub by: By,
    /// What went wrong, if something did.
    pub cause: Option<&'a Cause>,
}

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// This one: the application closed, a limit or a time-out was exceeded, the peer's bytes were wrong.
    Local,
    /// The other: a Close frame, a refusal, or the end of its stream came unasked.
    Remote,
}

/// Why a connection ended otherwise than by a closing handshake.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The peer's stream ended without a Close frame.
    Eof,
    /// The transport broke, or (dialling) could not be set up.
    Io(io::Error),
    /// TLS failed: the server's certificate was not accepted, the handshake went wrong, or a record was forged.
    #[cfg(feature = "__tls")]
    Tls(rustls::Error),
    /// The stream ended without TLS's close_notify and without a Close frame: somebody on the way may have cut it off.
    #[cfg(feature = "__tls")]
    TlsTruncated,
    /// The peer broke the protocol or exceeded the limits of [`Settings::message`](crate::Settings::message).
    Protocol(ProtocolError),
    /// A time-out.
    TimedOut(Expired),
    /// More was queued than [`SlowConsumer`](crate::SlowConsumer) allows.
    SlowConsumer,
    /// More control frames than [`Settings::max_control_frames`](crate::Settings::max_control_frames) came at once.
    TooManyControlFrames,
    /// The messages in progress of all connections took more than
    /// [`Settings::max_incomplete_bytes`](crate::Settings::max_incomplete_bytes), and this one's was the largest.
    TooManyIncompleteBytes,
    /// The loop shut down.
    Shutdown,
    /// The application gave the connection up: [`Peer::fail`], [`EventLoop::abort`](crate::EventLoop::abort).
    Aborted,
    /// Dialling: the server's name was not resolved.
    Resolve(io::Error),
    /// Dialling: the server was not reached in time; see [`Connect::connect_timeout`](crate::Connect::connect_timeout).
    ConnectTimedOut,
    /// Dialling: there is no way through the proxy.
    Proxy(ProxyError),
    /// Dialling: the server redirected to where the client does not go.
    Redirect(RedirectError),
    /// Dialling: the server's response is not a correct handshake.
    Handshake(HandshakeError),
    /// Dialling: the server answered with this status instead of 101.
    ///
    /// A response whose content did not arrive whole, because the stream ended or broke, or the [deadline](crate::Connect::handshake_timeout)
    /// passed, or the application gave up, is this cause too.
    Refused {
        /// The HTTP status code.
        status: u16,
        /// What the server said about it, often text or HTML: as much of the response's content as came in time, at most
        /// [`Settings::max_refusal_content`](crate::Settings::max_refusal_content) bytes. The chunked coding is undone, any other is not.
        ///
        /// These are the server's bytes, whatever they are: not to be written to a terminal, a log or a page as they are.
        content: Box<[u8]>,
    },
}

impl Cause {
    /// What an error of reading or writing means.
    pub(crate) fn of_transport(error: io::Error) -> Self {
        #[cfg(feature = "__tls")]
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::Tls(tls.clone());
        }
        #[cfg(feature = "__tls")]
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::TlsTruncated;
        }
        Self::Io(error)
    }

    /// Whether it tells how the transport ended.
    pub(crate) fn is_of_transport(&self) -> bool {
        #[cfg(feature = "__tls")]
        if matches!(self, Self::Tls(_) | Self::TlsTruncated) {
            return true;
        }
        matches!(self, Self::Io(_) | Self::Eof)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eof => f.write_str("the peer ended the stream without a Close frame"),
            Self::Io(error) => error.fmt(f),
            #[cfg(feature = "__tls")]
            Self::Tls(error) => write!(f, "TLS: {}", on_one_line(&error.to_string())),
            #[cfg(feature = "__tls")]
            Self::TlsTruncated => f.write_str("the peer ended the stream without TLS close_notify"),
            Self::Protocol(error) => error.fmt(f),
            Self::TimedOut(Expired::Handshake) => f.write_str("no opening handshake in time"),
            Self::TimedOut(Expired::Pong) => f.write_str("no sign of life in time"),
            Self::TimedOut(Expired::Idle) => f.write_str("silent for too long"),
            Self::TimedOut(_) => f.write_str("the connection did not close in time"),
            Self::SlowConsumer => f.write_str("the peer reads too slowly"),
            Self::TooManyControlFrames => f.write_str("too many control frames"),
            Self::TooManyIncompleteBytes => f.write_str("too many bytes of messages in progress"),
            Self::Shutdown => f.write_str("shutting down"),
            Self::Aborted => f.write_str("given up"),
            Self::Resolve(error) => write!(f, "the server's name was not resolved: {error}"),
            Self::ConnectTimedOut => f.write_str("the server was not reached in time"),
            Self::Proxy(error) => error.fmt(f),
            Self::Redirect(error) => error.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::Refused { status, .. } => write!(f, "the server refused with HTTP status {status}"),
        }
    }
}

/// An error of TLS may quote names from a certificate, which the peer chose: no line of a log ends in them, and no terminal obeys them.
#[cfg(feature = "__tls")]
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(all(test, feature = "__tls"))]
mod tests {
    use super::*;

    #[test]
    fn names_in_certificates_write_no_lines_of_logs() {
        let quoted = "not valid for \"é\r\n[ERROR] forged\u{1b}[31m\u{85}\"";
        assert_eq!(on_one_line(quoted), "not valid for \"é\\r\\n[ERROR] forged\\u{1b}[31m\\u{85}\"");
    }
}
