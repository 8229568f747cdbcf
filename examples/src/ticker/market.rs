//! A simulated market: each price is a geometric random walk.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::feed::{Quote, Step};

/// Symbol and price in cents at which the day begins.
const LISTED: [(&str, i64); 8] = [
    ("AAPL", 18_750),
    ("AMZN", 17_825),
    ("GOOGL", 14_160),
    ("META", 48_510),
    ("MSFT", 41_530),
    ("NFLX", 60_240),
    ("NVDA", 11_875),
    ("TSLA", 24_810),
];

/// Mean time between two trades of one symbol.
const MEAN_GAP: Duration = Duration::from_millis(400);
/// Standard deviation of the logarithm of the price from one trade to the next.
const STEP: f64 = 0.0008;
/// The price never falls below this.
const MIN_CENTS: i64 = 1;

/// The walks of all symbols.
pub struct Market {
    rng: ChaCha8Rng,
    walks: Vec<Walk>,
}

struct Walk {
    price: f64,
    next_trade: Duration,
}

impl Market {
    /// A market that does the same for the same seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let walks = LISTED
            .iter()
            .map(|&(_, cents)| Walk { price: cents as f64, next_trade: exponential(&mut rng) })
            .collect();
        Self { rng, walks }
    }

    pub(super) fn open(&self) -> Vec<Quote> {
        LISTED
            .iter()
            .map(|&(symbol, cents)| Quote { symbol: symbol.into(), open_cents: cents, cents, volume: 0 })
            .collect()
    }

    pub(super) fn advance(&mut self, now: Duration, mut happens: impl FnMut(Step)) -> Duration {
        for (place, walk) in self.walks.iter_mut().enumerate() {
            while walk.next_trade <= now {
                walk.price = (walk.price * (STEP * normal(&mut self.rng)).exp()).max(MIN_CENTS as f64);
                let volume = 100 * (1 + self.rng.next_u64() % 50);
                happens(Step::Trades { place, cents: walk.price.round() as i64, volume });
                walk.next_trade += exponential(&mut self.rng);
            }
        }
        self.walks.iter().map(|walk| walk.next_trade).min().unwrap_or(now + MEAN_GAP)
    }
}

/// A waiting time of a Poisson process, at least a millisecond.
fn exponential(rng: &mut impl Rng) -> Duration {
    MEAN_GAP.mul_f64(-uniform(rng).ln()).clamp(Duration::from_millis(1), MEAN_GAP * 10)
}

/// Standard normal, by Box and Muller.
fn normal(rng: &mut impl Rng) -> f64 {
    (-2.0 * uniform(rng).ln()).sqrt() * (core::f64::consts::TAU * uniform(rng)).cos()
}

/// Uniform in (0, 1].
fn uniform(rng: &mut impl Rng) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trades(seed: u64, steps: &[u64]) -> Vec<(usize, i64, u64)> {
        let mut market = Market::new(seed);
        let mut trades = Vec::new();
        for &millis in steps {
            market.advance(Duration::from_millis(millis), |step| {
                let Step::Trades { place, cents, volume } = step else { panic!("one day is enough") };
                trades.push((place, cents, volume));
            });
        }
        trades.sort_unstable();
        trades
    }

    #[test]
    fn a_seed_repeats_the_day() {
        assert_eq!(trades(7, &[60_000]), trades(7, &[60_000]));
        assert_ne!(trades(7, &[60_000]), trades(8, &[60_000]));
    }

    #[test]
    fn prices_move_both_ways_and_stay_positive() {
        let mut market = Market::new(1);
        let mut last: Vec<i64> = market.open().iter().map(|quote| quote.cents).collect();
        let (mut up, mut down) = (0, 0);
        market.advance(Duration::from_secs(3600), |step| {
            let Step::Trades { place, cents, volume } = step else { panic!("one day is enough") };
            assert!(cents >= MIN_CENTS && (100..=5000).contains(&volume));
            up += usize::from(cents > last[place]);
            down += usize::from(cents < last[place]);
            last[place] = cents;
        });
        assert!(up > 1000 && down > 1000, "{up} up, {down} down");
    }

    #[test]
    fn it_says_when_to_come_back() {
        let mut market = Market::new(3);
        let mut now = Duration::ZERO;
        for _ in 0..100 {
            let mut trades = 0;
            let next = market.advance(now, |_| trades += 1);
            assert!(next > now);
            now = next;
            market.advance(now, |_| trades += 1);
            assert!(trades > 0);
        }
    }
}
