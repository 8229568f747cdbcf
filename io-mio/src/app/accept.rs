//! How an upgrade is accepted.

use std::any::Any;
use std::fmt;
use std::num::NonZeroU32;

use crate::app::request::Request;
use crate::app::response::Response;
use crate::conn::peer_id::PeerId;
use crate::hub::command::Decision;
use crate::settings::slow_consumer::SlowConsumer;

/// What [`Handler::upgrade`](crate::Handler::upgrade) may choose about the connection it accepts.
pub struct Accept {
    peer: PeerId,
    decision: Option<Decision>,

    pub(crate) subprotocol: Option<Box<str>>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) streaming: bool,
    pub(crate) slow_consumer: SlowConsumer,
    pub(crate) max_message_len: Option<u64>,
    pub(crate) high_water: Option<NonZeroU32>,
}

impl Accept {
    pub(crate) fn new(peer: PeerId, decision: Option<Decision>) -> Self {
        Self {
            peer,
            decision,
            subprotocol: None,
            headers: Vec::new(),
            streaming: false,
            slow_consumer: SlowConsumer::default(),
            max_message_len: None,
            high_water: None,
        }
    }

    /// Returns the name that the connection has, and will have once it is open.
    pub fn peer_id(&self) -> PeerId {
        self.peer
    }

    /// Postpones the decision, for example while a token is looked up: return the result as `Err`
    /// from [`Handler::upgrade`](crate::Handler::upgrade).
    ///
    /// The request is kept, and `upgrade` is called with it again after
    /// [`Handle::decide`](crate::Handle::decide); then [`decision`](Self::decision) returns what
    /// was decided. Nothing is read from the client meanwhile. A decision that does not come within
    /// the time for the opening handshake ([`Settings::timeouts`](crate::Settings::timeouts)) is
    /// answered with
    /// 503. If that time is not limited, the client waits for ever.
    ///
    /// [`Handler::close`](crate::Handler::close) is not called for a client that leaves before the
    /// decision: it was never opened.
    ///
    /// ```
    /// use sansws_mio::{Accept, Handle, Handler, Request, Response};
    ///
    /// struct App {
    ///     handle: Handle,
    /// }
    ///
    /// impl Handler for App {
    ///     type Session = String;
    ///
    ///     fn upgrade(&mut self, request: &Request<'_>, accept: &mut Accept) -> Result<String, Response> {
    ///         if let Some(user) = accept.decision::<Option<String>>() {
    ///             return user.ok_or_else(|| Response::forbidden("unknown token\n"));
    ///         }
    ///         let (handle, peer) = (self.handle.clone(), accept.peer_id());
    ///         let token = request.query().unwrap_or_default().to_owned();
    ///         std::thread::spawn(move || {
    ///             // A slow look-up.
    ///             let user = (token == "secret").then(|| String::from("alice"));
    ///             let _ = handle.decide(peer, user);
    ///         });
    ///         Err(accept.later())
    ///     }
    /// }
    /// ```
    pub fn later(&mut self) -> Response {
        if self.decision.is_some() {
            log::warn!("{}: an upgrade is put off again, and its decision was not taken", self.peer);
        }
        Response::later()
    }

    /// Returns the value that was given to [`Handle::decide`](crate::Handle::decide), if it is a
    /// `T`.
    pub fn decision<T: Any + Send>(&mut self) -> Option<T> {
        match self.decision.take()?.downcast() {
            Ok(decision) => Some(*decision),
            Err(other) => {
                self.decision = Some(other);
                None
            }
        }
    }

    /// Selects the first of our subprotocols that the client offers, or none (RFC 6455 §4.2.2).
    pub fn choose_subprotocol(&mut self, request: &Request<'_>, ours: &[&str]) -> &mut Self {
        let offered = |name: &&&str| request.subprotocols().any(|offer| offer == **name);
        self.subprotocol = ours.iter().find(offered).map(|&name| name.into());
        self
    }

    /// Selects a subprotocol. If the client did not offer it, the handshake is refused with 500.
    pub fn subprotocol(&mut self, name: &str) -> &mut Self {
        self.subprotocol = Some(name.into());
        self
    }

    /// Adds a header to the response. If it is not a legal one, the handshake is refused with 500.
    pub fn header(&mut self, name: &str, value: &str) -> &mut Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Whether messages are handed out in pieces as they arrive, to
    /// [`Handler::chunk`](crate::Handler::chunk), without being collected. Default `false`.
    pub fn streaming(&mut self, on: bool) -> &mut Self {
        self.streaming = on;
        self
    }

    /// Longest message of this client, in bytes, if it is to be shorter than
    /// [`Settings::message`](crate::Settings::message) says: a longer one fails the connection with
    /// 1009, by its header. What a client can make the server collect is this much.
    pub fn max_message_len(&mut self, len: u64) -> &mut Self {
        self.max_message_len = Some(len);
        self
    }

    /// What to do when the client reads more slowly than it is sent to.
    pub fn slow_consumer(&mut self, policy: SlowConsumer) -> &mut Self {
        self.slow_consumer = policy;
        self
    }

    /// With more bytes queued than this the connection is congested, instead of with
    /// [`Settings::high_water`](crate::Settings::high_water); at least
    /// [`low_water`](crate::Settings::low_water), at most half of
    /// [`max_buffered`](crate::Settings::max_buffered). With [`SlowConsumer::Close`] it has to have
    /// room for what others may say at a time: one message longer than that would close those who
    /// read as fast as their network takes it.
    pub fn high_water(&mut self, bytes: usize) -> &mut Self {
        self.high_water = NonZeroU32::new(u32::try_from(bytes).unwrap_or(u32::MAX)).or(Some(NonZeroU32::MIN));
        self
    }
}

/// Names of headers only, as a value may be a cookie.
impl fmt::Debug for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Accept")
            .field("subprotocol", &self.subprotocol)
            .field("headers", &names)
            .field("streaming", &self.streaming)
            .field("slow_consumer", &self.slow_consumer)
            .field("max_message_len", &self.max_message_len)
            .field("high_water", &self.high_water)
            .finish()
    }
}
