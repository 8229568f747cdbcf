//! What an application does about its connections.

use sansws::{BinaryChunk, Message, TextChunk};

use crate::app::accept::Accept;
use crate::app::context::Context;
use crate::app::peer::Peer;
use crate::app::request::Request;
use crate::app::response::Response;
use crate::conn::ending::{By, Closed};

/// The application: called by an [`EventLoop`](crate::EventLoop) about every connection, accepted
/// or dialled.
///
/// For one connection the calls come in this order: [`upgrade`](Self::upgrade) (accepted ones only)
/// or [`head`](Self::head) (dialled ones only), [`open`](Self::open), any number of
/// [`message`](Self::message), [`chunk`](Self::chunk), [`ping`](Self::ping), [`pong`](Self::pong)
/// and [`drained`](Self::drained), then [`close`](Self::close) exactly once. After [`Peer::close`]
/// only `drained` and `close` follow.
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

    /// A client asks for a WebSocket. Its handshake is correct and its origin is
    /// [allowed](crate::OriginPolicy).
    ///
    /// Return the session to accept, or the response to refuse with. The default refuses with 404,
    /// as fits a client.
    ///
    /// The decision can be [postponed](Accept::later); then this is called again with the same
    /// request.
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

    /// Dialling: a head of the opening handshake as it is on the wire, [`By::Local`] the request,
    /// [`By::Remote`] each response, accepted or not. For those who want to watch: it may carry
    /// credentials.
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

    /// A piece of a message arrived, on a connection that was accepted or dialled with `streaming`:
    /// instead of [`message`](Self::message).
    fn chunk(&mut self, peer: &mut Peer<'_, Self::Session>, chunk: Chunk<'_>) {
        let _ = (peer, chunk);
    }

    /// A Ping arrived. Its Pong is the driver's business; this is for those who want to watch.
    fn ping(&mut self, peer: &mut Peer<'_, Self::Session>, payload: &[u8]) {
        let _ = (peer, payload);
    }

    /// A Pong arrived: the answer to [`Peer::ping`] or to the driver's own Pings, which have an
    /// empty payload, or one that nobody asked for.
    fn pong(&mut self, peer: &mut Peer<'_, Self::Session>, payload: &[u8]) {
        let _ = (peer, payload);
    }

    /// The open connection was congested, and its queue has now fallen to
    /// [`low_water`](crate::Settings::low_water): go on sending.
    fn drained(&mut self, peer: &mut Peer<'_, Self::Session>) {
        let _ = peer;
    }

    /// Output may have been written: [`Peer::written`] and [`Peer::buffered_amount`] tell how much.
    /// Called after every turn of an open connection, and after each batch of publications that was
    /// written to it at once, so it should do little. What is sent here is written at the end of the
    /// turn, and this is called again then.
    #[inline]
    fn written(&mut self, peer: &mut Peer<'_, Self::Session>) {
        let _ = peer;
    }

    /// The connection is closed: the last call about it, for each one that was opened or dialled.
    /// Nothing can be sent any more.
    fn close(&mut self, peer: &mut Peer<'_, Self::Session>, closed: Closed<'_>) {
        let _ = (peer, closed);
    }

    /// A [`Handle::wake`](crate::Handle::wake) or a `wake_after` came due. Called once, too, when
    /// the loop starts.
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
