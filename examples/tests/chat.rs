//! The wire format of `/chat`, as its clients see it.

mod support;

use serde_json::json;
use support::{Client, Heard, Server};

fn chat() -> Server {
    Server::start(env!("CARGO_BIN_EXE_chat"), &[])
}

fn join(server: &Server, name: &str) -> Client {
    let mut client = server.client("/chat");
    client.send_json(json!({"type": "join", "username": name}));
    client.expect(json!({"type": "join", "username": name}));
    client
}

#[test]
fn everyone_in_the_lobby_hears_joins_messages_and_leaves_once_and_in_order() {
    let server = chat();
    let mut ann = join(&server, "ann");
    let mut bob = join(&server, "bob");
    ann.expect(json!({"type": "join", "username": "bob"}));
    for i in 0..100 {
        ann.send_json(json!({"type": "message", "username": "not ann", "text": format!("{i} Grüße 🦀")}));
    }
    for i in 0..100 {
        let expected = json!({"type": "message", "username": "ann", "text": format!("{i} Grüße 🦀")});
        ann.expect(expected.clone());
        bob.expect(expected);
    }
    bob.send_json(json!({"type": "leave"}));
    ann.expect(json!({"type": "leave", "username": "bob"}));
    bob.expect(json!({"type": "leave", "username": "bob"}));
    bob.send_json(json!({"type": "message", "username": "bob", "text": "still here?"}));
    bob.expect_error("join it first");
}

#[test]
fn a_connection_that_ends_leaves_however_it_ends() {
    let server = chat();
    let mut ann = join(&server, "ann");
    let ends: [fn(Client); 3] = [|mut bob| bob.close(1000), drop, Client::reset];
    for end in ends {
        let bob = join(&server, "bob");
        ann.expect(json!({"type": "join", "username": "bob"}));
        end(bob);
        ann.expect(json!({"type": "leave", "username": "bob"}));
    }
}

#[test]
fn rooms_are_apart() {
    let server = chat();
    let (mut ann, mut bob) = (join(&server, "ann"), join(&server, "bob"));
    ann.expect(json!({"type": "join", "username": "bob"}));
    ann.send_json(json!({"type": "join", "username": "ann", "room": "den"}));
    ann.expect(json!({"type": "join", "username": "ann", "room": "den"}));
    ann.send_json(json!({"type": "message", "username": "ann", "text": "psst", "room": "den"}));
    ann.expect(json!({"type": "message", "username": "ann", "text": "psst", "room": "den"}));
    bob.send_json(json!({"type": "message", "username": "bob", "text": "hm", "room": "den"}));
    bob.expect_error("not in the room \"den\"");

    bob.send_json(json!({"type": "rooms"}));
    bob.expect(json!({"type": "rooms", "rooms": ["den"]}));
    bob.send_json(json!({"type": "who"}));
    bob.expect(json!({"type": "who", "members": ["ann", "bob"]}));
    bob.send_json(json!({"type": "who", "room": "den"}));
    bob.expect(json!({"type": "who", "members": ["ann"], "room": "den"}));

    ann.send_json(json!({"type": "leave", "room": "den"}));
    ann.expect(json!({"type": "leave", "username": "ann", "room": "den"}));
    ann.send_json(json!({"type": "rooms"}));
    ann.expect(json!({"type": "rooms", "rooms": []}));
}

#[test]
fn the_longest_room_name_is_a_room() {
    let server = chat();
    let mut ann = server.client("/chat");
    let room = "🦀".repeat(64);
    ann.send_json(json!({"type": "join", "username": "ann", "room": &room}));
    ann.expect(json!({"type": "join", "username": "ann"}));
    ann.expect(json!({"type": "join", "username": "ann", "room": &room}));
}

#[test]
fn whoever_joins_a_room_from_nowhere_enters_the_lobby_as_well() {
    let server = chat();
    let mut ann = join(&server, "ann");
    let mut bob = server.client("/chat");
    let den = json!({"type": "join", "username": "bob", "room": "den"});
    let lobby = json!({"type": "join", "username": "bob"});
    bob.send_json(den.clone());
    bob.expect(lobby.clone());
    bob.expect(den.clone());
    ann.expect(lobby.clone());
    bob.send_json(json!({"type": "message", "username": "bob", "text": "hello, lobby"}));
    ann.expect(json!({"type": "message", "username": "bob", "text": "hello, lobby"}));
    bob.expect(json!({"type": "message", "username": "bob", "text": "hello, lobby"}));

    // Whoever has left the lobby and is still somewhere stays out of it.
    bob.send_json(json!({"type": "leave"}));
    bob.expect(json!({"type": "leave", "username": "bob"}));
    let attic = json!({"type": "join", "username": "bob", "room": "attic"});
    bob.send_json(attic.clone());
    bob.expect(attic);
    ann.expect(json!({"type": "leave", "username": "bob"}));
    ann.send_json(json!({"type": "who"}));
    ann.expect(json!({"type": "who", "members": ["ann"]}));
}

#[test]
fn namesakes_are_as_many_as_they_are() {
    let server = chat();
    let (mut cat, _ann) = (join(&server, "cat"), join(&server, "ann"));
    let mut other = join(&server, "ann");
    for _ in 0..2 {
        cat.expect(json!({"type": "join", "username": "ann"}));
    }
    cat.send_json(json!({"type": "who"}));
    cat.expect(json!({"type": "who", "members": ["ann", "ann", "cat"]}));
    other.close(1000);
    cat.expect(json!({"type": "leave", "username": "ann"}));
    cat.send_json(json!({"type": "who"}));
    cat.expect(json!({"type": "who", "members": ["ann", "cat"]}));
}

#[test]
fn a_message_that_no_command_can_be_is_refused_by_its_header() {
    let server = chat();
    let mut ann = server.client("/chat");
    ann.write(|ws, out| {
        let header = ws.frame_header(sansws::MessageKind::Text, 1 << 20).unwrap();
        out.extend_from_slice(header.as_bytes());
    });
    assert_eq!(ann.hear(), Heard::Close(1009));
}

#[test]
fn bad_input_is_answered_with_an_error_and_the_connection_lives_on() {
    let server = chat();
    let mut ann = server.client("/chat");
    ann.send_json(json!({"type": "message", "username": "ann", "text": "early"}));
    ann.expect_error("join it first");
    for (text, error) in [
        ("hello", "not JSON"),
        ("[1]", "object"),
        (r#"{"type":"fly"}"#, "unknown type"),
        (r#"{"type":"join"}"#, "username is missing"),
        (r#"{"type":"join","username":"\ud800"}"#, "not JSON"),
    ] {
        ann.send(text);
        ann.expect_error(error);
    }
    ann.write(|ws, out| ws.send_binary(b"\xff", out).unwrap());
    ann.expect_error("binary");
    ann.send_json(json!({"type": "join", "username": "x".repeat(200)}));
    ann.expect_error("at most 64");
    ann.send_json(json!({"type": "join", "username": "ann"}));
    ann.expect(json!({"type": "join", "username": "ann"}));
    ann.send_json(json!({"type": "join", "username": "ann"}));
    ann.expect_error("already");
    ann.send_json(json!({"type": "join", "username": "eve", "room": "den"}));
    ann.expect_error("here as ann");
    ann.send_json(json!({"type": "message", "username": "ann", "text": "é".repeat(90_000)}));
    ann.expect_error("at most 65536");
}

#[test]
fn a_long_text_and_escaped_characters_arrive_intact() {
    let server = chat();
    let mut ann = join(&server, "ann");
    let text = "a longer text, 🦀 included. ".repeat(2_100);
    assert!(text.len() > 60_000);
    ann.send_json(json!({"type": "message", "username": "ann", "text": &text}));
    ann.expect(json!({"type": "message", "username": "ann", "text": &text}));
    ann.send(r#"{"type":"message","username":"ann","text":"\ud83e\udd80"}"#);
    ann.expect(json!({"type": "message", "username": "ann", "text": "🦀"}));
}

#[test]
fn a_reader_that_does_not_read_does_not_slow_the_others() {
    let server = chat();
    let (mut ann, mut sleeper) = (join(&server, "ann"), join(&server, "sleeper"));
    ann.expect(json!({"type": "join", "username": "sleeper"}));
    let text = "z".repeat(60_000);
    let sleeper_left = json!({"type": "leave", "username": "sleeper"});
    let mut has_left = false;
    // More than the sleeper's socket and `high_water` take, and less than `max_buffered`, with which it would have to go in any case.
    for i in 0..300 {
        ann.send_json(json!({"type": "message", "username": "ann", "text": format!("{i}{text}")}));
        loop {
            let heard = ann.hear_json();
            if heard["type"] == "message" {
                assert!(heard["text"].as_str().unwrap().starts_with(&i.to_string()));
                break;
            }
            assert_eq!(heard, sleeper_left);
            has_left = true;
        }
    }
    let mut messages = 0;
    let end = loop {
        match sleeper.hear() {
            Heard::Text(_) => messages += 1,
            end => break end,
        }
    };
    assert!(messages < 300, "it may stay");
    // If this took so long that it is gone already, it could not be told.
    assert!(
        end == Heard::Close(1013) || has_left && end == Heard::Eof,
        "it was told to come back later, not {end:?}"
    );
    if !has_left {
        ann.expect(sleeper_left);
    }
}

#[test]
fn the_subprotocol_is_selected_if_it_is_offered() {
    let server = chat();
    let offer = |names: &[&str]| Client::connect(server.addr, "/chat", names).subprotocol;
    assert_eq!(offer(&["chat.v1"]).as_deref(), Some("chat.v1"));
    assert_eq!(offer(&["chat.v9", "chat.v1"]).as_deref(), Some("chat.v1"));
    assert_eq!(offer(&["chat.v9"]), None);
    assert_eq!(offer(&[]), None);
}

#[test]
fn on_sigterm_everyone_gets_1001_and_the_exit_code_is_0() {
    let mut server = chat();
    let mut ann = join(&server, "ann");
    server.terminate();
    assert_eq!(ann.hear(), Heard::Close(1001));
    assert!(server.wait().success());
}
