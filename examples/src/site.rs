//! Which path leads where.

use std::time::Instant;

use sansws_mio::{Accept, Closed, Context, Handler, Message, Peer, Request, Response, SlowConsumer};

use crate::chat::{self, Chat, Member};
use crate::pages;
use crate::ticker::Ticker;

/// One handler for all connections of a program. What a program does not serve is a 404.
pub struct Site {
    home: &'static str,
    chat: Option<Chat>,
    ticker: Option<Ticker>,
    has_endpoints: bool,
}

/// What a connection is connected to.
pub enum Session {
    /// `/chat`
    Chat(Member),
    /// `/stocks`: what it is subscribed to, the driver's topics know.
    Ticker,
    /// `/api`: text "ping" is answered with "pong", all else with itself.
    Api,
    /// `/echo`: everything is answered with itself.
    Echo,
}

impl Site {
    /// Chat, ticker, `/api` and `/echo`.
    pub fn demo(ticker: Ticker) -> Self {
        Self { home: pages::INDEX, chat: Some(Chat::default()), ticker: Some(ticker), has_endpoints: true }
    }

    /// The chat alone.
    pub fn chat() -> Self {
        Self { home: pages::CHAT, chat: Some(Chat::default()), ticker: None, has_endpoints: false }
    }

    /// The ticker alone.
    pub fn ticker(ticker: Ticker) -> Self {
        Self { home: pages::TICKER, chat: None, ticker: Some(ticker), has_endpoints: false }
    }
}

impl Handler for Site {
    type Session = Session;

    fn request(&mut self, request: &Request<'_>) -> Response {
        if !matches!(request.method(), "GET" | "HEAD") {
            return Response::text(405, "only GET and HEAD\n").header("Allow", "GET, HEAD");
        }
        match request.path() {
            "/" => pages::page(self.home),
            "/chat" if self.chat.is_some() => pages::page(pages::CHAT),
            "/stocks" if self.ticker.is_some() => pages::page(pages::TICKER),
            "/favicon.ico" => pages::asset("favicon.svg"),
            path @ ("/api" | "/echo") if self.has_endpoints => {
                Response::text(426, format!("{path} is a WebSocket; connect to it with ws://…{path}\n"))
                    .header("Upgrade", "websocket")
            }
            path => match path.strip_prefix("/assets/") {
                Some(name) => pages::asset(name),
                None => Response::not_found(),
            },
        }
    }

    fn upgrade(&mut self, request: &Request<'_>, accept: &mut Accept) -> Result<Session, Response> {
        match request.path() {
            "/chat" if self.chat.is_some() => {
                // Whoever cannot keep up is told to come back later: a chat with gaps would be worse.
                accept
                    .choose_subprotocol(request, &["chat.v1"])
                    .max_message_len(512 << 10)
                    .high_water(chat::HIGH_WATER)
                    .slow_consumer(SlowConsumer::Close(sansws_mio::CloseCode::TRY_AGAIN_LATER));
                Ok(Session::Chat(Member::default()))
            }
            "/stocks" if self.ticker.is_some() => {
                // Whoever cannot keep up misses quotes and gets the latest ones when there is room again.
                accept
                    .choose_subprotocol(request, &["stocks.v1"])
                    .max_message_len(128 << 10)
                    .slow_consumer(SlowConsumer::Drop);
                Ok(Session::Ticker)
            }
            "/api" if self.has_endpoints => Ok(Session::Api),
            "/echo" if self.has_endpoints => {
                accept.choose_subprotocol(request, &["echo.v1"]);
                Ok(Session::Echo)
            }
            _ => Err(Response::not_found()),
        }
    }

    fn message(&mut self, peer: &mut Peer<'_, Session>, message: Message<'_>) {
        match (peer.session(), &mut self.chat, &mut self.ticker) {
            (Session::Chat(_), Some(chat), _) => chat.message(peer, message),
            (Session::Ticker, _, Some(ticker)) => ticker.message(peer, message),
            (Session::Api, ..) if message == Message::Text("ping") => reply(peer, Message::Text("pong")),
            _ => reply(peer, message),
        }
    }

    fn drained(&mut self, peer: &mut Peer<'_, Session>) {
        if let (Session::Ticker, Some(ticker)) = (peer.session(), &self.ticker) {
            ticker.drained(peer);
        }
    }

    fn close(&mut self, peer: &mut Peer<'_, Session>, closed: Closed<'_>) {
        log::debug!("{} closed: {} {:?}", peer.remote_addr(), closed.code, closed.reason);
        if let (Session::Chat(_), Some(chat)) = (peer.session(), &mut self.chat) {
            chat.close(peer);
        }
    }

    fn wake(&mut self, cx: &mut Context<'_, Session>) {
        if let Some(ticker) = &mut self.ticker {
            ticker.tick(cx, Instant::now());
        }
    }
}

fn reply(peer: &mut Peer<'_, Session>, message: Message<'_>) {
    if let Err(error) = peer.send(message) {
        // Only a peer that reads nothing of what it asked for gets here: its output is at the limit.
        log::warn!("{}: no reply sent: {error}", peer.remote_addr());
    }
}
