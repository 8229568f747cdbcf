//! What `chat-client` prints.

use std::io::{self, IsTerminal, Write};

use serde_json::{Value, json};

use crate::clients::chat_client::{ChatEvent, Outgoing};
use crate::clients::line_editor::{CLEAR, LineEditor, Typed, width};
use crate::clients::terminal::printable;

/// Lines of chat on stdout, and what concerns the connection on stderr; in a terminal, all above the line that is being typed.
pub(super) struct View {
    json: bool,
    editor: Option<LineEditor>,
    is_terminal: bool,
    failure: Option<String>,
}

impl View {
    pub(super) fn new(json: bool, editor: Option<LineEditor>) -> Self {
        Self { json, editor, is_terminal: io::stdout().is_terminal(), failure: None }
    }

    /// What came of these keys.
    pub(super) fn keys(&mut self, bytes: &[u8]) -> Vec<Typed> {
        self.editor.as_mut().map(|editor| editor.keys(bytes)).unwrap_or_default()
    }

    /// Draws the line that is being typed.
    pub(super) fn draw(&mut self, room: Option<&str>) {
        if let Some(editor) = &self.editor {
            let prompt = room.map_or_else(|| "> ".into(), |room| format!("[{}] > ", printable(room)));
            let line = editor.draw(&prompt, width());
            self.write(&line);
        }
    }

    /// Leaves the terminal with an empty line.
    pub(super) fn finish(&mut self) {
        if self.editor.take().is_some() {
            self.write(CLEAR);
        }
    }

    pub(super) fn event(&mut self, event: &ChatEvent) {
        if self.json {
            return self.out(&as_json(event).to_string());
        }
        let place =
            |room: &Option<String>| room.as_ref().map_or("the lobby".into(), |room| format!("[{room}]"));
        match event {
            ChatEvent::Message { username, text, room } => {
                let room = room.as_ref().map(|room| format!("[{room}] ")).unwrap_or_default();
                // A line end in a message must not look like another message.
                let text = text.replace('\n', "\n    ");
                self.out(&format!("{room}{username}: {text}"));
            }
            ChatEvent::Joined { username, room } => {
                self.out(&format!("* {username} joined {}", place(room)));
            }
            ChatEvent::Left { username, room } => self.out(&format!("* {username} left {}", place(room))),
            ChatEvent::Rooms(rooms) if rooms.is_empty() => self.out("* there are no rooms but the lobby"),
            ChatEvent::Rooms(rooms) => self.out(&format!("* rooms: {}", rooms.join(", "))),
            ChatEvent::Members { members, room } => {
                self.out(&format!("* in {}: {}", place(room), members.join(", ")));
            }
            ChatEvent::Refused(why) => self.error(&format!("refused: {why}")),
            ChatEvent::Unknown(text) => self.error(&format!("not understood: {text}")),
            ChatEvent::Connected { attempt: 0 } => self.note("connected"),
            ChatEvent::Connected { attempt } => {
                self.note(&format!("connected again, at attempt {attempt}"));
            }
            // `Over` follows.
            ChatEvent::Disconnected { code: 1000, unconfirmed, .. } if unconfirmed.is_empty() => {}
            ChatEvent::Disconnected { code, why, unconfirmed, .. } => {
                self.note(&format!("not connected ({code}{})", after(why)));
                self.list("perhaps not heard by anyone", unconfirmed);
            }
            ChatEvent::Retrying { attempt, delay } => {
                self.note(&format!("attempt {attempt} in {:.1} s", delay.as_secs_f64()));
            }
            ChatEvent::Over { code, why, unsent, unconfirmed, .. } => {
                self.list("perhaps not heard by anyone", unconfirmed);
                self.list("not sent", unsent);
                self.note(&format!("closed ({code}{})", after(why)));
            }
        }
    }

    fn list(&mut self, what: &str, messages: &[Outgoing]) {
        for message in messages {
            self.error(&format!("{what}: {}", message.text));
        }
    }

    /// About the connection.
    pub(super) fn note(&self, text: &str) {
        if !self.json {
            self.err(&format!("* {text}"));
        }
    }

    pub(super) fn error(&mut self, text: &str) {
        if self.json {
            return self.out(&json!({ "type": "error", "message": text }).to_string());
        }
        self.err(&format!("! {text}"));
    }

    fn out(&mut self, line: &str) {
        if self.editor.is_some() {
            self.write(&format!("{CLEAR}{}\n", printable(line)));
        } else if self.is_terminal {
            self.write(&format!("{}\n", printable(line)));
        } else {
            self.write(&format!("{line}\n"));
        }
    }

    fn err(&self, line: &str) {
        let clear = if self.editor.is_some() { CLEAR } else { "" };
        // There is nowhere to say that stderr is gone.
        let _ = writeln!(io::stderr(), "{clear}{}", printable(line));
    }

    fn write(&mut self, text: &str) {
        let mut out = io::stdout();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            self.failure.get_or_insert_with(|| format!("cannot print: {error}"));
        }
    }

    /// Why nothing can be printed any more.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.clone()
    }
}

fn after(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

fn as_json(event: &ChatEvent) -> Value {
    let mut value = match event {
        ChatEvent::Connected { attempt } => json!({ "type": "connected", "attempt": attempt }),
        ChatEvent::Joined { username, .. } => json!({ "type": "join", "username": username }),
        ChatEvent::Message { username, text, .. } => {
            json!({ "type": "message", "username": username, "text": text })
        }
        ChatEvent::Left { username, .. } => json!({ "type": "leave", "username": username }),
        ChatEvent::Rooms(rooms) => json!({ "type": "rooms", "rooms": rooms }),
        ChatEvent::Members { members, .. } => json!({ "type": "who", "members": members }),
        ChatEvent::Refused(message) => json!({ "type": "error", "message": message }),
        ChatEvent::Unknown(text) => json!({ "type": "unknown", "text": text }),
        ChatEvent::Disconnected { code, why, reason, unconfirmed } => json!({
            "type": "disconnected", "code": code, "why": why, "reason": reason, "unconfirmed": texts(unconfirmed),
        }),
        ChatEvent::Retrying { attempt, delay } => {
            json!({ "type": "retrying", "attempt": attempt, "delay_ms": delay.as_millis() as u64 })
        }
        ChatEvent::Over { code, was_clean, why, reason, unsent, unconfirmed } => json!({
            "type": "closed", "code": code, "was_clean": was_clean, "why": why, "reason": reason,
            "unsent": texts(unsent), "unconfirmed": texts(unconfirmed),
        }),
    };
    let (ChatEvent::Joined { room, .. }
    | ChatEvent::Message { room, .. }
    | ChatEvent::Left { room, .. }
    | ChatEvent::Members { room, .. }) = event
    else {
        return value;
    };
    if let Some(room) = room {
        value["room"] = room.as_str().into();
    }
    value
}

fn texts(messages: &[Outgoing]) -> Vec<&str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}
