//! The JSON objects of the ticker.

use serde_json::{Value, json};

use super::feed::Quote;

/// Most symbols in one command.
pub const MAX_SYMBOLS: usize = 256;

/// Longest command, in bytes of JSON. Checked before it is parsed, because a parsed value takes up to a hundred times as much memory as
/// its text.
const MAX_COMMAND: usize = 64 << 10;

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Quotes of these symbols, the last one of each at once.
    Subscribe(Vec<String>),
    /// No more quotes of these symbols.
    Unsubscribe(Vec<String>),
    /// Which symbols there are. Whoever is subscribed to nothing has something to ask for a sign of life.
    Symbols,
}

/// Reads a command. The error is a sentence for the client's user.
pub fn parse(text: &str) -> Result<Command, String> {
    if text.len() > MAX_COMMAND {
        return Err(format!("the command is {} bytes long, at most {MAX_COMMAND} are allowed", text.len()));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let Value::Object(object) = value else { return Err("a JSON object is expected".into()) };
    let action = match object.get("action") {
        Some(Value::String(action)) => action,
        Some(_) => return Err("action has to be a text".into()),
        None => return Err("action is missing".into()),
    };
    let command = match action.as_str() {
        "subscribe" => Command::Subscribe,
        "unsubscribe" => Command::Unsubscribe,
        "symbols" => return Ok(Command::Symbols),
        other => return Err(format!("unknown action {:?}", other.chars().take(32).collect::<String>())),
    };
    let symbols = match object.get("symbols") {
        Some(Value::Array(symbols)) => symbols,
        Some(_) => return Err("symbols has to be a list".into()),
        None => return Err("symbols is missing".into()),
    };
    if symbols.len() > MAX_SYMBOLS {
        return Err(format!("{} symbols, at most {MAX_SYMBOLS} are allowed at once", symbols.len()));
    }
    symbols
        .iter()
        .map(|symbol| symbol.as_str().map(String::from).ok_or_else(|| "each symbol has to be a text".into()))
        .collect::<Result<Vec<_>, String>>()
        .map(command)
}

/// The state of a symbol.
pub fn quote(quote: &Quote) -> String {
    json!({
        "type": "quote",
        "symbol": quote.symbol,
        "price": quote.price(),
        "change": quote.change(),
        "volume": quote.volume,
    })
    .to_string()
}

/// Which symbols there are; of many, the first.
pub fn symbols<'a>(symbols: impl Iterator<Item = &'a str>) -> String {
    json!({ "type": "symbols", "symbols": symbols.take(MAX_SYMBOLS).collect::<Vec<_>>() }).to_string()
}

/// What was wrong with the last command.
pub fn error(message: &str) -> String {
    json!({ "type": "error", "message": message }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let symbols = || vec!["AAPL".to_owned(), "TSLA".to_owned()];
        for (text, command) in [
            (r#"{"action":"subscribe","symbols":["AAPL","TSLA"]}"#, Command::Subscribe(symbols())),
            (r#"{"action":"unsubscribe","symbols":["AAPL","TSLA"],"x":1}"#, Command::Unsubscribe(symbols())),
            (r#"{"action":"subscribe","symbols":[]}"#, Command::Subscribe(Vec::new())),
            (r#"{"action":"symbols"}"#, Command::Symbols),
        ] {
            assert_eq!(parse(text), Ok(command), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let bomb = format!("[{}0]", r#"{"":0},"#.repeat(10_000));
        let many = format!(r#"{{"action":"subscribe","symbols":[{}"A"]}}"#, r#""A","#.repeat(256));
        for (text, expected) in [
            ("hello", "not JSON"),
            ("7", "a JSON object is expected"),
            ("{}", "action is missing"),
            (r#"{"action":null}"#, "action has to be a text"),
            (r#"{"action":"buy"}"#, "unknown action \"buy\""),
            (r#"{"action":"subscribe"}"#, "symbols is missing"),
            (r#"{"action":"subscribe","symbols":"AAPL"}"#, "symbols has to be a list"),
            (r#"{"action":"subscribe","symbols":[1]}"#, "each symbol has to be a text"),
            (&bomb, "the command is 70003 bytes long"),
            (&many, "257 symbols, at most 256"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn numbers_are_json_numbers() {
        let state = Quote { symbol: "AAPL".into(), open_cents: 18_792, cents: 18_750, volume: 1_024_000 };
        let expected = r#"{"change":-0.42,"price":187.5,"symbol":"AAPL","type":"quote","volume":1024000}"#;
        let value: Value = serde_json::from_str(&quote(&state)).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(expected).unwrap());
    }
}
