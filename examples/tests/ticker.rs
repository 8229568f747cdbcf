//! The wire format of `/stocks`, as its clients see it.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Value, json};
use support::{Client, Server};

fn ticker(args: &[&str]) -> Server {
    Server::start(env!("CARGO_BIN_EXE_ticker"), args)
}

fn subscribe(client: &mut Client, symbols: &[&str]) {
    client.send_json(json!({"action": "subscribe", "symbols": symbols}));
}

fn assert_quote(quote: &Value) {
    assert_eq!(quote["type"], "quote", "{quote}");
    assert!(quote["price"].as_f64().unwrap() > 0.0 && quote["change"].is_number());
    assert!(quote["volume"].is_u64(), "volume is an integer: {quote}");
}

#[test]
fn a_subscription_begins_with_the_last_quote_of_each_symbol_and_brings_no_other() {
    let server = ticker(&[]);
    let mut client = server.client("/stocks");
    let all = ["AAPL", "GOOGL", "MSFT", "TSLA", "AMZN"];
    subscribe(&mut client, &all);
    for symbol in all {
        let quote = client.hear_json();
        assert_quote(&quote);
        assert_eq!(quote["symbol"], symbol);
    }
    // The market goes on and on.
    for _ in 0..60 {
        assert_quote(&client.hear_json());
    }
    // Each of them changes some time.
    let mut waited_for: BTreeSet<&str> = all.into();
    while !waited_for.is_empty() {
        let quote = client.hear_json();
        assert_quote(&quote);
        assert!(all.contains(&quote["symbol"].as_str().unwrap()), "not asked for: {quote}");
        waited_for.remove(quote["symbol"].as_str().unwrap());
    }
}

#[test]
fn after_unsubscribe_and_a_reply_no_quote_comes() {
    let server = ticker(&[]);
    let mut client = server.client("/stocks");
    subscribe(&mut client, &["AAPL", "TSLA"]);
    client.send_json(json!({"action": "unsubscribe", "symbols": ["AAPL"]}));
    subscribe(&mut client, &["NOSUCH"]);
    while client.hear_json()["type"] != "error" {}
    for _ in 0..5 {
        assert_eq!(client.hear_json()["symbol"], "TSLA");
    }
}

#[test]
fn bad_input_is_answered_with_an_error_and_the_connection_lives_on() {
    let server = ticker(&[]);
    let mut client = server.client("/stocks");
    for (text, error) in [
        ("hello", "not JSON"),
        (r#"{"action":"buy","symbols":[]}"#, "unknown action"),
        (r#"{"action":"subscribe"}"#, "symbols is missing"),
        (r#"{"action":"subscribe","symbols":["NOSUCH","OTHER"]}"#, "unknown symbol NOSUCH, OTHER"),
    ] {
        client.send(text);
        client.expect_error(error);
    }
    client.write(|ws, out| ws.send_binary(b"x", out).unwrap());
    client.expect_error("binary");
    // What is known of a list is subscribed to, what is not is named.
    subscribe(&mut client, &["NOSUCH", "AAPL"]);
    assert_eq!(client.hear_json()["symbol"], "AAPL");
    while client.hear_json()["type"] != "error" {}
}

#[test]
fn symbols_are_told_to_whoever_asks() {
    let file = recorded("symbols", "0,XYZ,1,1\n0,abc,2,1\n");
    let server = ticker(&["--replay", file.to_str().unwrap()]);
    let mut client = server.client("/stocks");
    client.send_json(json!({"action": "symbols"}));
    client.expect(json!({"type": "symbols", "symbols": ["XYZ", "ABC"]}));
    subscribe(&mut client, &["ABC"]);
    assert_eq!(client.hear_json()["symbol"], "ABC");
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_file_is_replayed_again_and_again() {
    let file = recorded("again", "seconds,symbol,price,volume\n0,XYZ,10.5,100\n2,XYZ,11,5\n");
    let server = ticker(&["--replay", file.to_str().unwrap()]);
    let mut client = server.client("/stocks");
    subscribe(&mut client, &["XYZ"]);
    let quote = |price: f64, change: f64, volume: u64| json!({"type": "quote", "symbol": "XYZ", "price": price, "change": change, "volume": volume});
    let mut quotes = vec![client.hear_json()];
    while quotes.last().unwrap()["price"] != 11.0 {
        quotes.push(client.hear_json());
    }
    assert_eq!(quotes[0], quote(10.5, 0.0, 100));
    assert_eq!(quotes.last(), Some(&quote(11.0, 0.5, 105)));
    // Another day.
    client.expect(quote(10.5, 0.0, 100));
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn who_cannot_keep_up_gets_the_latest_quote_of_each_symbol_and_not_all() {
    const SYMBOLS: usize = 250;
    /// Far more than the sockets and `high_water` take: they take some 4 MiB, or 40 000 quotes.
    const ASKED: usize = 400;
    let symbols: Vec<String> = (0..SYMBOLS).map(|i| format!("SYMBOL{i:010}")).collect();
    let mut lines = String::new();
    // The day's last price comes when the slow one has long been left behind, and then nothing comes that could make up for it.
    for (seconds, price) in [("0", "1000000.01"), ("3", "2000000.02")] {
        for symbol in &symbols {
            lines += &format!("{seconds},{symbol},{price},1000000000000000\n");
        }
    }
    let file = recorded("latest", &(lines + "3600,END,1,1\n"));
    let server = ticker(&["--replay", file.to_str().unwrap()]);
    let (mut slow, mut fast) = (server.client("/stocks"), server.client("/stocks"));
    let all: Vec<&str> = symbols.iter().map(String::as_str).collect();
    for _ in 0..ASKED {
        subscribe(&mut slow, &all);
    }
    subscribe(&mut fast, &all);

    let mut heard = 0;
    let mut last_quotes = |client: &mut Client| {
        let mut last = BTreeMap::new();
        while last.len() < SYMBOLS || last.values().any(|quote: &Value| quote["price"] != 2_000_000.02) {
            let quote = client.hear_json();
            last.insert(quote["symbol"].as_str().unwrap().to_owned(), quote);
            heard += 1;
        }
        last
    };
    let latest = last_quotes(&mut fast);
    assert_eq!(last_quotes(&mut slow), latest);
    assert!(heard < ASKED * SYMBOLS, "{heard}: the slow one was never left behind");
    std::fs::remove_file(&file).unwrap();
}

fn recorded(name: &str, lines: &str) -> PathBuf {
    let file = std::env::temp_dir().join(format!("sansws-{name}-{}.csv", std::process::id()));
    std::fs::write(&file, lines).unwrap();
    file
}
