//! A recorded day: lines of `seconds,symbol,price,volume`.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::feed::{Quote, Step};

/// Longest file, in bytes.
const MAX_FILE: u64 = 64 << 20;
/// What programs of some systems put before a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A file that is played at the speed at which it was recorded, and begins anew when it has ended.
#[derive(Debug)]
pub struct Replay {
    symbols: Vec<Quote>,
    places: HashMap<String, usize>,
    /// In the order of time.
    trades: Vec<Trade>,
    next: usize,
    /// When the present round began.
    started: Duration,
}

#[derive(Debug)]
struct Trade {
    at: Duration,
    place: usize,
    cents: i64,
    volume: u64,
}

impl Replay {
    /// Reads a file of lines `seconds,symbol,price,volume`; the first line may be a heading, empty lines are passed over. `seconds` counts
    /// from the beginning and does not fall; `symbol` becomes upper case; `volume` is that of the trade.
    ///
    /// # Errors
    ///
    /// A sentence that names the file and the line.
    pub fn open_file(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let mut bytes = Vec::new();
        // What is no regular file does not tell its length, and may have no end.
        File::open(path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
            .map_err(|error| format!("{name}: {error}"))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(format!("{name}: more than {MAX_FILE} bytes"));
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| format!("{name}: not UTF-8: {error}"))?;
        Self::parse(text).map_err(|error| format!("{name}: {error}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut replay = Self {
            symbols: Vec::new(),
            places: HashMap::new(),
            trades: Vec::new(),
            next: 0,
            started: Duration::ZERO,
        };
        for (i, line) in text.trim_start_matches(BYTE_ORDER_MARK).lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || (i == 0 && is_heading(line)) {
                continue;
            }
            replay.add(line).map_err(|error| format!("line {}: {error}", i + 1))?;
        }
        if replay.trades.is_empty() {
            return Err("no quotes in it".into());
        }
        Ok(replay)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let mut fields = line.split(',').map(str::trim);
        let (Some(seconds), Some(symbol), Some(price), Some(volume), None) =
            (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err("seconds,symbol,price,volume is expected".into());
        };
        let at = seconds
            .parse()
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .ok_or_else(|| format!("{seconds:?} is no time in seconds"))?;
        if self.trades.last().is_some_and(|last| last.at > at) {
            return Err("earlier than the line before".into());
        }
        let symbol = symbol.to_uppercase();
        if symbol.is_empty() || symbol.len() > 16 {
            return Err(format!("{symbol:?} is no symbol of 1 to 16 bytes"));
        }
        let price: f64 = price
            .parse()
            .ok()
            .filter(|price| (0.01..1e9).contains(price))
            .ok_or_else(|| format!("{price:?} is no price"))?;
        let cents = (price * 100.0).round() as i64;
        let volume = volume.parse().map_err(|_| format!("{volume:?} is no volume"))?;
        let place = *self.places.entry(symbol).or_insert_with_key(|symbol| {
            self.symbols.push(Quote { symbol: symbol.clone(), open_cents: cents, cents, volume: 0 });
            self.symbols.len() - 1
        });
        self.trades.push(Trade { at, place, cents, volume });
        Ok(())
    }

    pub(super) fn open(&self) -> Vec<Quote> {
        self.symbols.clone()
    }

    pub(super) fn advance(&mut self, now: Duration, mut happens: impl FnMut(Step)) -> Option<Duration> {
        while let Some(trade) = self.trades.get(self.next) {
            let due = self.started.saturating_add(trade.at);
            if due > now {
                return Some(due);
            }
            if self.next == 0 && !self.started.is_zero() {
                happens(Step::Opens);
            }
            let &Trade { place, cents, volume, .. } = trade;
            happens(Step::Trades { place, cents, volume });
            self.next += 1;
        }
        // Round again, a second after the end.
        self.next = 0;
        self.started = now + Duration::from_secs(1);
        Some(self.started)
    }
}

fn is_heading(line: &str) -> bool {
    line.split(',').next().is_some_and(|field| field.trim().eq_ignore_ascii_case("seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn trades(place: usize, cents: i64, volume: u64) -> Step {
        Step::Trades { place, cents, volume }
    }

    #[test]
    fn a_file_is_played_in_its_own_time_and_begins_anew() {
        let mut replay =
            Replay::parse("seconds,symbol,price,volume\n0,A,10.5,100\n\n0.5,B,20,1\n0.5,A,9.99,50\n")
                .unwrap();
        assert_eq!(replay.open().len(), 2);
        assert_eq!(replay.open()[0].price(), 10.5);
        let mut played = |millis| {
            let mut steps = Vec::new();
            let next = replay.advance(Duration::from_millis(millis), |step| steps.push(step));
            (steps, next.unwrap().as_millis())
        };
        assert_eq!(played(0), (vec![trades(0, 1050, 100)], 500));
        assert_eq!(played(499), (vec![], 500));
        assert_eq!(played(600), (vec![trades(1, 2000, 1), trades(0, 999, 50)], 1600));
        assert_eq!(played(1600), (vec![Step::Opens, trades(0, 1050, 100)], 2100));
    }

    #[test]
    fn a_file_may_come_from_a_spreadsheet() {
        let replay =
            Replay::parse("\u{feff}Seconds,Symbol,Price,Volume\r\n0,aapl,1,1\r\n1,AAPL,2,1\r\n").unwrap();
        let symbols: Vec<String> = replay.open().into_iter().map(|quote| quote.symbol).collect();
        assert_eq!(symbols, ["AAPL"], "as clients ask for them");
    }

    #[test]
    #[cfg(unix)]
    fn a_file_without_end_is_not_read_to_its_end() {
        let error = Replay::open_file(Path::new("/dev/zero")).unwrap_err();
        assert!(error.contains("/dev/zero: more than 67108864 bytes"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, expected) in [
            ("", "no quotes in it"),
            ("seconds,symbol,price,volume\n", "no quotes in it"),
            ("0,A,1", "line 1: seconds,symbol,price,volume is expected"),
            ("0,A,1,1,1", "line 1: seconds,symbol,price,volume is expected"),
            ("-1,A,1,1", "line 1: \"-1\" is no time in seconds"),
            ("nan,A,1,1", "line 1: \"nan\" is no time in seconds"),
            ("1,A,1,1\n0,A,1,1", "line 2: earlier than the line before"),
            ("0,,1,1", "line 1: \"\" is no symbol"),
            ("0,A,0,1", "line 1: \"0\" is no price"),
            ("0,A,inf,1", "line 1: \"inf\" is no price"),
            ("0,A,1,1.5", "line 1: \"1.5\" is no volume"),
        ] {
            let error = Replay::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
