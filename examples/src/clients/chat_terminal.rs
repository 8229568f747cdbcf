//! `chat-client`: the chat in a terminal, or in a pipe.

mod options;
mod view;

use std::io::{self, BufReader, IsTerminal, Read};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::chat_client::{ChatClient, ChatEvent};
use super::command_line::{EXIT_ABNORMAL, EXIT_FAILURE, EXIT_UNSENT};
use super::connecting::without_password;
use super::line_editor::{KeyMode, LineEditor, Typed};
use super::lines::{Line, next_line};
use super::signals::on_interrupt;
pub use options::Options;
use view::View;

/// Things that happen and are not dealt with yet; beyond that, whoever makes them waits.
const MAX_PENDING: usize = 256;
/// After the end of stdin: how long to wait for the next of one's own messages to be confirmed, or for the first connection.
const PATIENCE: Duration = Duration::from_secs(5);

const COMMANDS: &str = "/join ROOM, /leave [ROOM], /room [ROOM] to speak elsewhere, /who [ROOM], /rooms, /quit; // for a message that begins with /";

/// Chats until it is over.
///
/// # Errors
///
/// What kept it from beginning.
pub fn run(options: Options) -> Result<ExitCode, String> {
    let builder = options.connecting.builder(&options.url)?;
    let chat = ChatClient::connect_with(builder, &options.name)
        .map_err(|error| format!("{}: {error}", without_password(&options.url)))?;
    let chat = Arc::new(chat);
    let (sender, happenings) = sync_channel(MAX_PENDING);
    let uses_keys = !options.json && io::stdin().is_terminal() && io::stdout().is_terminal();
    let keys = if uses_keys { KeyMode::enter().ok() } else { None };
    let (from_signal, original) = (sender.clone(), keys.as_ref().map(KeyMode::original));
    on_interrupt(move || {
        // A second signal ends the program at once.
        if let Some(original) = original {
            original.restore();
        }
        let _ = from_signal.send(Happening::Interrupted);
    })
    .map_err(|error| format!("cannot handle signals: {error}"))?;
    let fail = |error: io::Error| format!("cannot start a thread: {error}");
    let (of_thread, from_chat) = (Arc::clone(&chat), sender.clone());
    let events = move || {
        while let Some(event) = of_thread.next_event(None) {
            if from_chat.send(Happening::Chat(event)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("chat".into()).spawn(events).map_err(fail)?;
    let reads_keys = keys.is_some();
    let input = move || if reads_keys { read_keys(&sender) } else { read_lines(&sender) };
    thread::Builder::new().name("input".into()).spawn(input).map_err(fail)?;
    let view = View::new(options.json, reads_keys.then(LineEditor::default));
    Terminal { chat, view, room: None, ending: None, pending: 0, was_connected: false, unsent: 0 }
        .run(&options, &happenings)
}

enum Happening {
    Keys(Vec<u8>),
    Line(Line),
    InputFailed(String),
    InputEnded,
    Interrupted,
    Chat(ChatEvent),
}

fn read_keys(sender: &SyncSender<Happening>) {
    let mut buffer = [0; 1024];
    loop {
        let happening = match io::stdin().read(&mut buffer) {
            Ok(0) => Happening::InputEnded,
            Ok(len) => Happening::Keys(buffer[..len].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Happening::InputFailed(error.to_string()),
        };
        let is_last = !matches!(happening, Happening::Keys(_));
        if sender.send(happening).is_err() || is_last {
            return;
        }
    }
}

fn read_lines(sender: &SyncSender<Happening>) {
    let mut input = BufReader::new(io::stdin());
    loop {
        let happening = match next_line(&mut input) {
            Ok(Some(line)) => Happening::Line(line),
            Ok(None) => Happening::InputEnded,
            Err(error) => Happening::InputFailed(error.to_string()),
        };
        let is_last = !matches!(happening, Happening::Line(_));
        if sender.send(happening).is_err() || is_last {
            return;
        }
    }
}

struct Terminal {
    chat: Arc<ChatClient>,
    view: View,
    /// Where the next line is said.
    room: Option<String>,
    /// The input has ended; since then, or since something happened after it that is waited for.
    ending: Option<Instant>,
    /// What was not confirmed when something last happened.
    pending: usize,
    was_connected: bool,
    /// What was not sent, or perhaps not heard by anyone.
    unsent: usize,
}

impl Terminal {
    fn run(mut self, options: &Options, happenings: &Receiver<Happening>) -> Result<ExitCode, String> {
        let url = without_password(&options.url);
        self.view.note(&format!("connecting to {url} as {}", self.chat.username()));
        if let Some(room) = &options.room {
            self.join(room);
        }
        loop {
            self.view.draw(self.room.as_deref());
            let happening = match self.ending {
                None => happenings.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(since) => happenings.recv_timeout(PATIENCE.saturating_sub(since.elapsed())),
            };
            match happening {
                Ok(happening) => {
                    if let Some(code) = self.take(happening) {
                        return Ok(ExitCode::from(self.finish(code)));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.ending = None;
                    self.chat.disconnect();
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(ExitCode::from(self.finish(EXIT_ABNORMAL))),
            }
            if let Some(why) = self.view.failure() {
                self.chat.disconnect();
                return Err(why);
            }
            self.check_end();
        }
    }

    /// After the end of stdin. What others say does not count.
    fn check_end(&mut self) {
        let pending = self.chat.pending();
        let has_fewer = pending < std::mem::replace(&mut self.pending, pending);
        if self.ending.is_none() {
            return;
        }
        if self.was_connected && pending == 0 {
            self.ending = None;
            self.chat.disconnect();
        } else if has_fewer {
            self.ending = Some(Instant::now());
        }
    }

    /// Returns the exit code once it is over.
    fn take(&mut self, happening: Happening) -> Option<u8> {
        match happening {
            Happening::Keys(bytes) => {
                for typed in self.view.keys(&bytes) {
                    match typed {
                        Typed::Line(line) => self.line(&line),
                        Typed::End => self.chat.disconnect(),
                    }
                }
            }
            Happening::Line(Line::Text(line)) => self.line(&line),
            Happening::Line(Line::NotUtf8 { len }) => {
                self.not_sent(&format!("a line of {len} bytes is not UTF-8"));
            }
            Happening::Line(Line::TooLong) => self.not_sent("a line is too long"),
            Happening::InputFailed(error) => {
                self.view.error(&format!("stdin: {error}"));
                self.ending = Some(Instant::now());
            }
            Happening::InputEnded => self.ending = Some(Instant::now()),
            Happening::Interrupted => self.chat.disconnect(),
            Happening::Chat(event) => return self.event(event),
        }
        None
    }

    fn event(&mut self, event: ChatEvent) -> Option<u8> {
        self.view.event(&event);
        match event {
            ChatEvent::Connected { .. } => {
                let was_connected = std::mem::replace(&mut self.was_connected, true);
                self.ending = self.ending.map(|since| if was_connected { since } else { Instant::now() });
            }
            ChatEvent::Disconnected { unconfirmed, .. } => self.unsent += unconfirmed.len(),
            ChatEvent::Over { code, was_clean, unsent, unconfirmed, .. } => {
                self.unsent += unsent.len() + unconfirmed.len();
                let is_normal = was_clean && matches!(code, 1000 | 1001 | 1005);
                return Some(match (self.was_connected, is_normal) {
                    (false, _) => EXIT_FAILURE,
                    (true, false) => EXIT_ABNORMAL,
                    (true, true) => 0,
                });
            }
            _ => {}
        }
        None
    }

    fn finish(&mut self, code: u8) -> u8 {
        self.view.finish();
        if code == 0 && self.unsent > 0 { EXIT_UNSENT } else { code }
    }

    fn line(&mut self, line: &str) {
        let message = match line.strip_prefix('/') {
            Some(rest) if !rest.starts_with('/') => return self.command(rest),
            Some(rest) => rest,
            None => line,
        };
        if message.trim().is_empty() {
            return;
        }
        if let Err(error) = self.chat.send_message_to(self.room.as_deref(), message) {
            self.not_sent(&error.to_string());
        }
    }

    fn command(&mut self, command: &str) {
        let (name, argument) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let argument = Some(argument.trim()).filter(|argument| !argument.is_empty());
        let room = argument.map(String::from).or_else(|| self.room.clone());
        match (name, argument) {
            ("join", Some(room)) => self.join(room),
            ("leave", _) => self.leave(room),
            ("room", room) => self.room = room.map(Into::into),
            ("who", _) => {
                let result = self.chat.list_members(room.as_deref());
                self.report(result);
            }
            ("rooms", None) => {
                let result = self.chat.list_rooms();
                self.report(result);
            }
            ("quit", None) => self.chat.disconnect(),
            ("help", None) => self.view.note(COMMANDS),
            _ => self.view.error(&format!("unknown command /{command}: {COMMANDS}")),
        }
    }

    fn join(&mut self, room: &str) {
        let result = self.chat.join_room(room);
        if result.is_ok() {
            self.room = Some(room.trim().into());
        }
        self.report(result);
    }

    fn leave(&mut self, room: Option<String>) {
        let Some(room) = room else { return self.view.error("/leave ROOM: this is the lobby") };
        let result = self.chat.leave_room(&room);
        if self.room.as_ref() == Some(&room) {
            self.room = None;
        }
        self.report(result);
    }

    fn report(&mut self, result: Result<(), super::chat_client::ChatError>) {
        if let Err(error) = result {
            self.view.error(&error.to_string());
        }
    }

    fn not_sent(&mut self, why: &str) {
        self.unsent += 1;
        self.view.error(&format!("not sent: {why}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::chat_client::Outgoing;

    fn exit_code(lost: usize, lost_at_last: usize) -> u8 {
        let chat = Arc::new(ChatClient::connect("ws://127.0.0.1:1/", "ann").unwrap());
        let view = View::new(true, None);
        let mut terminal =
            Terminal { chat, view, room: None, ending: None, pending: 0, was_connected: true, unsent: 0 };
        let messages = |count| vec![Outgoing { room: None, text: "hello".into() }; count];
        let lost = ChatEvent::Disconnected {
            code: 1006,
            why: String::new(),
            reason: String::new(),
            unconfirmed: messages(lost),
        };
        assert_eq!(terminal.event(lost), None);
        let over = ChatEvent::Over {
            code: 1000,
            was_clean: true,
            why: String::new(),
            reason: String::new(),
            unsent: Vec::new(),
            unconfirmed: messages(lost_at_last),
        };
        let code = terminal.event(over).unwrap();
        terminal.finish(code)
    }

    #[test]
    fn what_was_perhaps_not_heard_counts() {
        assert_eq!(exit_code(0, 0), 0);
        assert_eq!(exit_code(1, 0), EXIT_UNSENT);
        assert_eq!(exit_code(0, 1), EXIT_UNSENT);
    }
}
