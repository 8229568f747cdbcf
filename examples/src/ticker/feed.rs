//! Where quotes come from: a simulated market or a recorded day.

use std::time::Duration;

use super::market::Market;
use super::replay::Replay;

/// The state of one symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Its name.
    pub symbol: String,
    /// The price at which the day began, in cents.
    pub open_cents: i64,
    /// The price now, in cents.
    pub cents: i64,
    /// How many were traded since the day began.
    pub volume: u64,
}

impl Quote {
    /// The price, in whole cents.
    pub fn price(&self) -> f64 {
        self.cents as f64 / 100.0
    }

    /// The price less the day's open, in whole cents.
    pub fn change(&self) -> f64 {
        (self.cents - self.open_cents) as f64 / 100.0
    }
}

/// Something that happens in a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Another day begins, with the same [`open`](Feed::open) as the first.
    Opens,
    /// Something is sold.
    Trades {
        /// The place of the symbol in [`open`](Feed::open).
        place: usize,
        /// The price, in cents.
        cents: i64,
        /// How many.
        volume: u64,
    },
}

/// A source of quotes. Time is an argument: how long the feed has been running.
pub enum Feed {
    /// Random walks.
    Market(Box<Market>),
    /// A file.
    Replay(Replay),
}

impl Feed {
    /// The first quote of each symbol.
    pub fn open(&self) -> Vec<Quote> {
        match self {
            Self::Market(market) => market.open(),
            Self::Replay(replay) => replay.open(),
        }
    }

    /// Lets time pass until `now` and calls `happens` for all that happens meanwhile. Returns when to come back; `None` if nothing more
    /// will happen.
    pub fn advance(&mut self, now: Duration, happens: impl FnMut(Step)) -> Option<Duration> {
        match self {
            Self::Market(market) => Some(market.advance(now, happens)),
            Self::Replay(replay) => replay.advance(now, happens),
        }
    }
}
