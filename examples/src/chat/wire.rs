//! The JSON objects of the chat.

use serde_json::{Map, Value, json};

/// Longest user name and room name, in characters.
pub const MAX_NAME: usize = 64;
/// Longest text of a message, in bytes of UTF-8.
pub const MAX_TEXT: usize = 64 << 10;

/// Longest command, in bytes of JSON: a text of which every character is escaped, and the rest. Checked before it is parsed, because a
/// parsed value takes up to a hundred times as much memory as its text.
const MAX_COMMAND: usize = 6 * MAX_TEXT + 4096;
/// Most names in an answer; of more, the first.
const MAX_LISTED: usize = 1000;
/// Longest list of names in an answer, in bytes of JSON; of more, the first. A small question should not have a large answer.
const MAX_LIST: usize = 32 << 10;

/// What a client asks for. A room of `None` is the lobby.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Enter a room under a name.
    Join {
        /// The name.
        username: String,
        /// The room.
        room: Option<String>,
    },
    /// Say something to everyone in a room.
    Message {
        /// What is said.
        text: String,
        /// The room.
        room: Option<String>,
    },
    /// Leave a room.
    Leave {
        /// The room.
        room: Option<String>,
    },
    /// List the named rooms.
    Rooms,
    /// List the members of a room.
    Who {
        /// The room.
        room: Option<String>,
    },
}

/// Reads a command. The error is a sentence for the client's user.
pub fn parse(text: &str) -> Result<Command, String> {
    if text.len() > MAX_COMMAND {
        return Err(format!("the command is {} bytes long, at most {MAX_COMMAND} are allowed", text.len()));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let Value::Object(object) = value else { return Err("a JSON object is expected".into()) };
    let room = || match object.get("room") {
        None | Some(Value::Null) => Ok(None),
        Some(_) => name(&object, "room").map(Some),
    };
    match string(&object, "type")? {
        "join" => Ok(Command::Join { username: name(&object, "username")?, room: room()? }),
        "message" => {
            // The name is a part of the format; the one that counts is that of the join.
            string(&object, "username")?;
            let text = string(&object, "text")?;
            if text.len() > MAX_TEXT {
                return Err(format!("text is {} bytes long, at most {MAX_TEXT} are allowed", text.len()));
            }
            Ok(Command::Message { text: text.into(), room: room()? })
        }
        "leave" => Ok(Command::Leave { room: room()? }),
        "rooms" => Ok(Command::Rooms),
        "who" => Ok(Command::Who { room: room()? }),
        other => Err(format!("unknown type {}", shortened(other))),
    }
}

/// Someone entered a room.
pub fn join(username: &str, room: Option<&str>) -> String {
    in_room(json!({ "type": "join", "username": username }), room)
}

/// Someone said something.
pub fn message(username: &str, text: &str, room: Option<&str>) -> String {
    in_room(json!({ "type": "message", "username": username, "text": text }), room)
}

/// Someone left a room.
pub fn leave(username: &str, room: Option<&str>) -> String {
    in_room(json!({ "type": "leave", "username": username }), room)
}

/// The named rooms.
pub fn rooms<'a>(rooms: impl Iterator<Item = &'a str>) -> String {
    json!({ "type": "rooms", "rooms": listed(rooms) }).to_string()
}

/// The members of a room, each as often as connections carry the name.
pub fn who<'a>(members: impl Iterator<Item = &'a str>, room: Option<&str>) -> String {
    in_room(json!({ "type": "who", "members": listed(members) }), room)
}

/// What was wrong with the last command.
pub fn error(message: &str) -> String {
    json!({ "type": "error", "message": message }).to_string()
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Value> {
    let mut room = MAX_LIST;
    names
        .take(MAX_LISTED)
        .map(Value::from)
        .take_while(|name| {
            // And a comma.
            let len = name.to_string().len() + 1;
            let fits = len <= room;
            room = room.saturating_sub(len);
            fits
        })
        .collect()
}

fn in_room(mut event: Value, room: Option<&str>) -> String {
    if let Some(room) = room {
        event["room"] = room.into();
    }
    event.to_string()
}

fn string<'a>(object: &'a Map<String, Value>, field: &str) -> Result<&'a str, String> {
    match object.get(field) {
        Some(Value::String(value)) => Ok(value),
        Some(_) => Err(format!("{field} has to be a text")),
        None => Err(format!("{field} is missing")),
    }
}

fn name(object: &Map<String, Value>, field: &str) -> Result<String, String> {
    let name = string(object, field)?.trim();
    let len = name.chars().count();
    if len == 0 {
        return Err(format!("{field} is empty"));
    }
    if len > MAX_NAME {
        return Err(format!("{field} is {len} characters long, at most {MAX_NAME} are allowed"));
    }
    if name.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Err(format!("{field} has control characters in it"));
    }
    Ok(name.into())
}

/// What makes a name look like another: marks of direction, spaces without width. (The joiner U+200D is a part of many emoji.)
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= MAX_NAME {
        return format!("{text:?}");
    }
    format!("{:?}…", text.chars().take(MAX_NAME).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::HIGH_WATER;

    #[test]
    fn whoever_reads_at_all_is_not_told_to_go_for_one_event() {
        let (name, room) = ("🦀".repeat(MAX_NAME), "🦀".repeat(MAX_NAME));
        let message = message(&name, &"\u{1}".repeat(MAX_TEXT), Some(&room));
        let names = || std::iter::repeat_n(&*name, 10_000);
        let largest = [message, rooms(names()), who(names(), Some(&room))].map(|event| event.len());
        let largest = largest.into_iter().max().unwrap();
        assert!(largest > 6 * MAX_TEXT, "{largest}");
        assert!(HIGH_WATER >= 2 * largest, "{largest}");
    }

    #[test]
    fn commands_are_read() {
        let join = |username: &str, room: Option<&str>| Command::Join {
            username: username.into(),
            room: room.map(String::from),
        };
        for (text, command) in [
            (r#"{"type":"join","username":"ann"}"#, join("ann", None)),
            (r#"{"type":"join","username":" Zoë 🦀 ","room":"den"}"#, join("Zoë 🦀", Some("den"))),
            (r#"{"type":"join","username":"\ud83e\udd80","room":null}"#, join("🦀", None)),
            (
                r#"{"type":"message","username":"x","text":"hi","more":1}"#,
                Command::Message { text: "hi".into(), room: None },
            ),
            (r#"{"type":"leave","room":"den"}"#, Command::Leave { room: Some("den".into()) }),
            (r#"{"type":"rooms"}"#, Command::Rooms),
            (r#"{"type":"who"}"#, Command::Who { room: None }),
        ] {
            assert_eq!(parse(text), Ok(command), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let long_name = format!(r#"{{"type":"join","username":"{}"}}"#, "é".repeat(65));
        let bomb = format!("[{}0]", r#"{"":0},"#.repeat(100_000));
        let long_text = format!(r#"{{"type":"message","username":"a","text":"{}"}}"#, "x".repeat(65_537));
        for (text, expected) in [
            ("hello", "not JSON"),
            ("", "not JSON"),
            ("[]", "a JSON object is expected"),
            ("{}", "type is missing"),
            (r#"{"type":1}"#, "type has to be a text"),
            (r#"{"type":"fly"}"#, "unknown type \"fly\""),
            (r#"{"type":"join"}"#, "username is missing"),
            (r#"{"type":"join","username":7}"#, "username has to be a text"),
            (r#"{"type":"join","username":"  "}"#, "username is empty"),
            (r#"{"type":"join","username":"a\nb"}"#, "control characters"),
            (r#"{"type":"join","username":"a","room":3}"#, "room has to be a text"),
            (r#"{"type":"message","username":"a"}"#, "text is missing"),
            (r#"{"type":"message","text":"a"}"#, "username is missing"),
            (r#"{"type":"message","username":"a","text":"\ud83e"}"#, "not JSON"),
            (&bomb, "the command is 700003 bytes long"),
            (r#"{"type":"join","username":"a\u202eb"}"#, "control characters"),
            (&long_name, "username is 65 characters long, at most 64"),
            (&long_text, "text is 65537 bytes long, at most 65536"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_list_is_cut_by_its_names_and_by_its_bytes() {
        let len = |answer: &str, list: &str| {
            let value: Value = serde_json::from_str(answer).unwrap();
            value[list].as_array().unwrap().len()
        };
        assert_eq!(len(&rooms(["a", "b"].into_iter()), "rooms"), 2);
        assert_eq!(len(&rooms(std::iter::repeat_n("a", 2000)), "rooms"), MAX_LISTED);
        for name in ["🦀".repeat(MAX_NAME), "\"".repeat(MAX_NAME)] {
            let room = "r".repeat(MAX_NAME);
            let each = serde_json::to_string(&name).unwrap().len() + 1;
            for (answer, list) in [
                (rooms(std::iter::repeat_n(&*name, 2000)), "rooms"),
                (who(std::iter::repeat_n(&*name, 2000), Some(&room)), "members"),
            ] {
                assert_eq!(len(&answer, list), MAX_LIST / each);
                assert!(answer.len() <= MAX_LIST + 200, "{}", answer.len());
            }
        }
    }
}
