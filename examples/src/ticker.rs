//! The ticker: symbols, their quotes, and who is subscribed to which. The wire format is in [`wire`].

pub mod feed;
pub mod market;
pub mod replay;
pub mod wire;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use sansws_mio::{Context, Message, Peer};

use crate::site::Session;
use feed::{Feed, Quote, Step};
use wire::Command;

/// Quotes are sent at most this often; in between only the last of each symbol counts.
const MIN_INTERVAL: Duration = Duration::from_millis(50);

/// All symbols, and where their quotes come from.
pub struct Ticker {
    feed: Feed,
    quotes: Vec<Quote>,
    places: HashMap<String, usize>,
    started: Option<Instant>,
    /// The symbols whose quote changed since it was sent last.
    changed: Vec<bool>,
}

impl Ticker {
    /// A ticker that shows `feed` from its beginning, which is the first [`tick`](Self::tick).
    pub fn new(feed: Feed) -> Self {
        let quotes = feed.open();
        let places = quotes.iter().enumerate().map(|(place, quote)| (quote.symbol.clone(), place)).collect();
        let changed = vec![false; quotes.len()];
        Self { feed, quotes, places, started: None, changed }
    }

    /// Obeys a command, or answers with an error that says why not.
    pub fn message(&self, peer: &mut Peer<'_, Session>, message: Message<'_>) {
        let result = match message {
            Message::Text(text) => wire::parse(text).and_then(|command| self.obey(peer, command)),
            Message::Binary(_) => Err("a text message is expected, not a binary one".into()),
        };
        if let Err(error) = result {
            // Whoever does not read its answers gets no more of them.
            if !peer.is_congested() {
                send(peer, &wire::error(&error));
            }
        }
    }

    /// Lets the feed run up to `now` and publishes what has changed.
    pub fn tick(&mut self, cx: &mut Context<'_, Session>, now: Instant) {
        let elapsed = now.saturating_duration_since(*self.started.get_or_insert(now));
        let (quotes, changed) = (&mut self.quotes, &mut self.changed);
        let next = self.feed.advance(elapsed, |step| match step {
            Step::Opens => {
                for quote in &mut *quotes {
                    quote.cents = quote.open_cents;
                    quote.volume = 0;
                }
                changed.fill(true);
            }
            Step::Trades { place, cents, volume } => {
                if let (Some(quote), Some(changed)) = (quotes.get_mut(place), changed.get_mut(place)) {
                    quote.cents = cents;
                    quote.volume = quote.volume.saturating_add(volume);
                    *changed = true;
                }
            }
        });
        for (quote, changed) in quotes.iter().zip(changed) {
            if std::mem::take(changed) {
                // Whoever is congested is skipped here and served by `drained`.
                let _ = cx.publish(&topic(&quote.symbol), wire::quote(quote).as_str());
            }
        }
        if let Some(next) = next {
            cx.wake_after(next.saturating_sub(elapsed).max(MIN_INTERVAL));
        }
    }

    /// A subscriber that could not keep up has room again: it gets the latest quote of each of its symbols, not those it missed.
    pub fn drained(&self, peer: &mut Peer<'_, Session>) {
        peer.take_dropped();
        for quote in &self.quotes {
            if peer.is_subscribed(&topic(&quote.symbol)) {
                send(peer, &wire::quote(quote));
            }
        }
    }

    fn obey(&self, peer: &mut Peer<'_, Session>, command: Command) -> Result<(), String> {
        let (symbols, subscribes) = match &command {
            Command::Subscribe(symbols) => (symbols, true),
            Command::Unsubscribe(symbols) => (symbols, false),
            Command::Symbols => {
                // Whoever does not read its answers gets no more of them.
                if !peer.is_congested() {
                    send(peer, &wire::symbols(self.quotes.iter().map(|quote| &*quote.symbol)));
                }
                return Ok(());
            }
        };
        let mut unknown = Vec::new();
        let mut seen = HashSet::new();
        for symbol in symbols {
            if !seen.insert(symbol) {
                continue;
            }
            let Some(quote) = self.places.get(symbol).and_then(|&place| self.quotes.get(place)) else {
                unknown.push(symbol.chars().take(16).collect::<String>());
                continue;
            };
            let topic = topic(symbol);
            if subscribes {
                peer.subscribe(&topic).map_err(|error| error.to_string())?;
                // One that cannot keep up gets the quote when there is room again, from `drained`.
                if !peer.is_congested() {
                    send(peer, &wire::quote(quote));
                }
            } else {
                peer.unsubscribe(&topic);
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        unknown.truncate(8);
        Err(format!("unknown symbol {}", unknown.join(", ")))
    }
}

fn topic(symbol: &str) -> String {
    format!("stocks/{symbol}")
}

fn send(peer: &mut Peer<'_, Session>, event: &str) {
    if let Err(error) = peer.send(event) {
        log::warn!("{}: no reply sent: {error}", peer.remote_addr());
    }
}
