//! The wire format of `/stocks`, as its clients see it.

mod support;

use std::collections::BTreeSet;

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
fn a_file_is_replayed() {
    let file = std::env::temp_dir().join(format!("sansws-replay-{}.csv", std::process::id()));
    std::fs::write(&file, "seconds,symbol,price,volume\n0,XYZ,10.5,100\n3,XYZ,11,5\n").unwrap();
    let server = ticker(&["--replay", file.to_str().unwrap()]);
    let mut client = server.client("/stocks");
    subscribe(&mut client, &["XYZ"]);
    let mut quotes = vec![client.hear_json()];
    while quotes.last().unwrap()["price"] != 11.0 {
        quotes.push(client.hear_json());
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(
        quotes[0],
        json!({"type": "quote", "symbol": "XYZ", "price": 10.5, "change": 0.0, "volume": 100})
    );
    assert_eq!(quotes.last().unwrap()["change"], 0.5);
    assert_eq!(quotes.last().unwrap()["volume"], 105);
}
