//! A client of live quotes, over a connection that comes back by itself.
//!
//! ```no_run
//! use sansws_examples::clients::live_data_client::LiveDataClient;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = LiveDataClient::connect("ws://localhost:8080/stocks", |state| println!("{state:?}"))?;
//! client.subscribe("AAPL", |quote| println!("{} {}", quote.symbol, quote.price));
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sansws_mio::{
    CloseEvent, Data, Heartbeat, ReliableBuilder, ReliableEvent, ReliableWebSocket, SyntaxError,
};
use serde_json::{Value, json};

use super::close_code::in_words;
use super::connecting::given_up;

/// How often the server is asked for a sign of life, with a Ping.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Most symbols that the server takes in one message.
const MAX_AT_ONCE: usize = 256;

/// The quotes of some symbols, each with a callback.
///
/// All callbacks run on the thread of the connection, one at a time: they should return soon. They may subscribe and unsubscribe.
/// After a lost connection, everything is subscribed to again. Dropping the client ends it.
#[derive(Debug)]
pub struct LiveDataClient {
    socket: ReliableWebSocket,
    channels: Arc<Channels>,
}

/// The state of a symbol.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// Which one.
    pub symbol: String,
    /// What one share costs.
    pub price: f64,
    /// Since the day's open.
    pub change: f64,
    /// Shares traded today.
    pub volume: u64,
}

/// Something that happened to the connection.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum LiveState {
    /// There is a connection, after so many attempts without success.
    Connected {
        /// 0 for the first one.
        attempt: u32,
    },
    /// There is no connection, or none any more.
    Disconnected {
        /// The status code.
        code: u16,
        /// Why, for people: in words of ours.
        why: String,
        /// Why, for developers: what the server gave as its reason, which people must not be shown (RFC 6455 §5.5.1).
        reason: String,
    },
    /// The next attempt is made after a while.
    Retrying {
        /// 1 for the first one.
        attempt: u32,
        /// After how long.
        delay: Duration,
    },
    /// The server refused something, such as a symbol that it does not know.
    Refused(String),
    /// The server said something that this client does not know.
    Unknown(String),
    /// It is over: nothing comes after this.
    Over {
        /// The status code; 1006 if the attempts were given up.
        code: u16,
        /// Whether it ended with a closing handshake.
        was_clean: bool,
        /// Why, for people: in words of ours.
        why: String,
        /// Why, for developers: what the server gave as its reason, which people must not be shown (RFC 6455 §5.5.1).
        reason: String,
    },
}

type Callback = Arc<Mutex<dyn FnMut(&Quote) + Send>>;

#[derive(Default)]
struct Channels {
    callbacks: Mutex<BTreeMap<String, Callback>>,
    /// What the last connection ended with does not change by waiting.
    is_final: AtomicBool,
}

impl LiveDataClient {
    /// Connects, and reconnects until the server refuses in a way that is
    /// [final](sansws_mio::Backoff). `on_state` is called with each change of the connection.
    ///
    /// # Errors
    ///
    /// The URL is not one of a WebSocket.
    pub fn connect(url: &str, on_state: impl FnMut(LiveState) + Send + 'static) -> Result<Self, SyntaxError> {
        Self::connect_with(ReliableWebSocket::builder(url).max_retries(None), on_state)
    }

    /// The same with options of one's own for the connection.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_with(
        builder: ReliableBuilder,
        mut on_state: impl FnMut(LiveState) + Send + 'static,
    ) -> Result<Self, SyntaxError> {
        let socket = builder.heartbeat(Some(Heartbeat::ping(HEARTBEAT))).open()?;
        let channels = Arc::new(Channels::default());
        let of_callback = Arc::clone(&channels);
        socket.bind(move |socket, event| {
            if let Some(state) = of_callback.take(socket, event) {
                on_state(state);
            }
        });
        Ok(Self { socket, channels })
    }

    /// Has `callback` called with the last quote of a symbol, and with each one to come. An earlier callback for it is forgotten.
    pub fn subscribe(&self, symbol: &str, callback: impl FnMut(&Quote) + Send + 'static) {
        let callback: Callback = Arc::new(Mutex::new(callback));
        self.channels.lock().insert(symbol.into(), callback);
        // Refused without a connection; the next one begins with all subscriptions.
        let _ = self.socket.send(command("subscribe", &[symbol]).as_str());
    }

    /// No more quotes of a symbol. Returns whether there was a subscription.
    pub fn unsubscribe(&self, symbol: &str) -> bool {
        let was_subscribed = self.channels.lock().remove(symbol).is_some();
        if was_subscribed {
            let _ = self.socket.send(command("unsubscribe", &[symbol]).as_str());
        }
        was_subscribed
    }

    /// What is subscribed to.
    pub fn symbols(&self) -> Vec<String> {
        self.channels.lock().keys().cloned().collect()
    }

    /// Ends the connection with 1000. [`LiveState::Over`] follows.
    pub fn disconnect(&self) {
        self.socket.close();
    }
}

impl Channels {
    fn take(&self, socket: &ReliableWebSocket, event: ReliableEvent) -> Option<LiveState> {
        Some(match event {
            ReliableEvent::Opened { attempt } => {
                self.subscribe_all(socket);
                LiveState::Connected { attempt }
            }
            ReliableEvent::Message(Data::Text(text)) => return self.message(&text),
            ReliableEvent::Message(data) => {
                LiveState::Unknown(format!("a binary message of {} bytes", data.as_bytes().len()))
            }
            ReliableEvent::Disconnected(broken) => {
                let CloseEvent { code, reason, .. } = broken.close;
                self.is_final.store(broken.is_final, Ordering::Relaxed);
                let why = broken.cause.map_or_else(|| in_words(code).into(), |cause| cause.to_string());
                LiveState::Disconnected { code, why, reason }
            }
            ReliableEvent::Retrying { attempt, delay } => LiveState::Retrying { attempt, delay },
            ReliableEvent::GaveUp { attempts, .. } => LiveState::Over {
                code: 1006,
                was_clean: false,
                why: given_up(attempts, self.is_final.load(Ordering::Relaxed)),
                reason: String::new(),
            },
            ReliableEvent::Closed { close, .. } => {
                let CloseEvent { code, was_clean, reason, .. } = close;
                LiveState::Over { code, was_clean, why: in_words(code).into(), reason }
            }
            // What a later version of the library tells.
            _ => return None,
        })
    }

    fn subscribe_all(&self, socket: &ReliableWebSocket) {
        let symbols: Vec<String> = self.lock().keys().cloned().collect();
        for symbols in symbols.chunks(MAX_AT_ONCE) {
            let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
            // Refused only if the connection has gone again.
            let _ = socket.send(command("subscribe", &symbols).as_str());
        }
    }

    fn message(&self, text: &str) -> Option<LiveState> {
        match parse(text) {
            Ok(quote) => {
                // Unlocked before the call, so that the callback can subscribe and unsubscribe.
                let callback = self.lock().get(&quote.symbol).map(Arc::clone)?;
                callback.lock().unwrap_or_else(PoisonError::into_inner)(&quote);
                None
            }
            Err(state) => Some(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Callback>> {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Channels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}

fn command(action: &str, symbols: &[&str]) -> String {
    json!({ "action": action, "symbols": symbols }).to_string()
}

fn parse(text: &str) -> Result<Quote, LiveState> {
    let unknown = || LiveState::Unknown(text.into());
    let value: Value = serde_json::from_str(text).map_err(|_| unknown())?;
    match value["type"].as_str() {
        Some("quote") => quote(&value).ok_or_else(unknown),
        Some("error") => {
            Err(value["message"].as_str().map_or_else(unknown, |m| LiveState::Refused(m.into())))
        }
        _ => Err(unknown()),
    }
}

fn quote(value: &Value) -> Option<Quote> {
    Some(Quote {
        symbol: value["symbol"].as_str()?.into(),
        price: value["price"].as_f64()?,
        change: value["change"].as_f64()?,
        volume: value["volume"].as_u64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_read_as_they_are_documented() {
        let text = r#"{"type":"quote","symbol":"AAPL","price":187.5,"change":-0.42,"volume":1024000}"#;
        let expected = Quote { symbol: "AAPL".into(), price: 187.5, change: -0.42, volume: 1_024_000 };
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn anything_else_is_told() {
        assert_eq!(parse(r#"{"type":"error","message":"no"}"#), Err(LiveState::Refused("no".into())));
        for text in ["", "[]", r#"{"type":"quote"}"#, r#"{"type":"quote","symbol":"A","price":"1"}"#, "{}"] {
            assert_eq!(parse(text), Err(LiveState::Unknown(text.into())), "{text}");
        }
    }
}
