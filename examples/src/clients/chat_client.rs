//! A client of the chat, over a connection that comes back by itself.
//!
//! ```no_run
//! use sansws_examples::clients::chat_client::{ChatClient, ChatEvent};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let chat = ChatClient::connect("ws://localhost:8080/chat", "ann")?;
//! chat.join_room("den")?;
//! chat.send_message_to(Some("den"), "hello")?;
//! while let Some(event) = chat.next_event(None) {
//!     if let ChatEvent::Message { username, text, .. } = event {
//!         println!("{username}: {text}");
//!         chat.disconnect();
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sansws_mio::{
    CloseEvent, Data, Heartbeat, ReliableBuilder, ReliableEvent, ReliableWebSocket, SyntaxError,
};
use serde_json::{Value, json};

use super::close_code::in_words;
use super::connecting::given_up;
use crate::chat::wire::MAX_TEXT;

/// Most messages that wait for a connection.
pub const MAX_WAITING: usize = 1000;
/// Most questions that wait for a connection.
pub const MAX_QUESTIONS: usize = 16;
/// How often the server is asked for a sign of life, with a Ping.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How often it is tried again to send what the connection had no room for.
const ROOM_CHECK: Duration = Duration::from_millis(20);

/// A member of the chat.
///
/// It is connected as long as nobody [disconnects](Self::disconnect) it and the server does not say goodbye with 1000: whenever the
/// connection is lost it is made again, and the rooms are entered again. Messages sent meanwhile wait, in order.
///
/// What happens is told by [`next_event`](Self::next_event), which has to be called for anything to go on; the other methods can be called from other
/// threads at the same time.
#[derive(Debug)]
pub struct ChatClient {
    socket: ReliableWebSocket,
    username: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The server has been told who this is, on this connection.
    is_joined: bool,
    rooms: BTreeSet<String>,
    /// Rooms to be entered and left on this connection, for which it had no room yet.
    commands: VecDeque<Value>,
    /// Messages that could not be sent yet.
    waiting: VecDeque<Outgoing>,
    /// Messages that were sent, of which the server has not told everyone yet, this client too.
    unconfirmed: VecDeque<Outgoing>,
    /// Questions that could not be asked yet.
    questions: VecDeque<Value>,
    /// How many were asked and are not answered.
    unanswered: usize,
    /// What the last connection ended with does not change by waiting.
    is_final: bool,
    is_over: bool,
}

/// A message of one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The room; none is the lobby.
    pub room: Option<String>,
    /// What is said.
    pub text: String,
}

/// Something that happened in the chat, or to the connection.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChatEvent {
    /// There is a connection, after so many attempts without success.
    Connected {
        /// 0 for the first one.
        attempt: u32,
    },
    /// Somebody entered a room, or the lobby.
    Joined {
        /// Who.
        username: String,
        /// Which room.
        room: Option<String>,
    },
    /// Somebody said something, perhaps this client.
    Message {
        /// Who.
        username: String,
        /// What.
        text: String,
        /// Where.
        room: Option<String>,
    },
    /// Somebody left a room, or the lobby.
    Left {
        /// Who.
        username: String,
        /// Which room.
        room: Option<String>,
    },
    /// The rooms, as asked for by [`ChatClient::list_rooms`].
    Rooms(Vec<String>),
    /// The members of a room, as asked for by [`ChatClient::list_members`].
    Members {
        /// Who.
        members: Vec<String>,
        /// Which room.
        room: Option<String>,
    },
    /// The server refused something.
    Refused(String),
    /// The server said something that this client does not know.
    Unknown(String),
    /// There is no connection, or none any more.
    Disconnected {
        /// The status code.
        code: u16,
        /// Why, for people: in words of ours.
        why: String,
        /// Why, for developers: what the server gave as its reason, which people must not be shown (RFC 6455 §5.5.1).
        reason: String,
        /// What was sent and perhaps not heard by anyone.
        unconfirmed: Vec<Outgoing>,
    },
    /// The next attempt is made after a while.
    Retrying {
        /// 1 for the first one.
        attempt: u32,
        /// After how long.
        delay: Duration,
    },
    /// It is over: nothing comes after this.
    Over {
        /// The status code; 1006 if the attempts were given up.
        code: u16,
        /// Whether it ended with a closing handshake.
        was_clean: bool,
        /// Why, for people: in words of ours.
        why: String,
        /// Why, for developers: what the server gave as its reason, which people must not be shown (RFC 6455 §5.5.1).
        reason: String,
        /// What was not sent.
        unsent: Vec<Outgoing>,
        /// What was sent and perhaps not heard by anyone.
        unconfirmed: Vec<Outgoing>,
    },
}

/// Why something was not sent, and will not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatError {
    /// The chat is over.
    Over,
    /// [`MAX_WAITING`] messages or commands, or [`MAX_QUESTIONS`] questions, wait for a connection already.
    TooManyWaiting,
    /// Longer than [`MAX_TEXT`] bytes.
    TooLong,
}

impl fmt::Display for ChatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Over => f.write_str("the chat is over"),
            Self::TooManyWaiting => f.write_str("too many messages wait for a connection already"),
            Self::TooLong => write!(f, "a message has at most {MAX_TEXT} bytes"),
        }
    }
}

impl std::error::Error for ChatError {}

impl ChatClient {
    /// Enters the lobby of a chat. The server is tried for ever, unless what it says is
    /// [final](sansws_mio::Backoff).
    ///
    /// # Errors
    ///
    /// The URL is not one of a WebSocket.
    pub fn connect(url: &str, username: &str) -> Result<Self, SyntaxError> {
        Self::connect_with(ReliableWebSocket::builder(url).max_retries(None), username)
    }

    /// The same with options of one's own for the connection.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_with(builder: ReliableBuilder, username: &str) -> Result<Self, SyntaxError> {
        let socket = builder.heartbeat(Some(Heartbeat::ping(HEARTBEAT))).open()?;
        Ok(Self { socket, username: username.trim().into(), state: Mutex::default() })
    }

    /// The name under which this client is there.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Leaves, with 1000. [`ChatEvent::Over`] follows.
    pub fn disconnect(&self) {
        self.socket.close();
    }

    /// Says something in the lobby. Without a connection it waits for one.
    ///
    /// # Errors
    ///
    /// [`ChatError`]; it is not sent then.
    pub fn send_message(&self, text: &str) -> Result<(), ChatError> {
        self.send_message_to(None, text)
    }

    /// Says something in a room that was joined. Without a connection it waits for one.
    ///
    /// # Errors
    ///
    /// [`ChatError`]; it is not sent then.
    pub fn send_message_to(&self, room: Option<&str>, text: &str) -> Result<(), ChatError> {
        let mut state = self.lock();
        if state.is_over {
            return Err(ChatError::Over);
        }
        if text.len() > MAX_TEXT {
            return Err(ChatError::TooLong);
        }
        if state.waiting.len() >= MAX_WAITING {
            return Err(ChatError::TooManyWaiting);
        }
        state.waiting.push_back(Outgoing { room: room.map(Into::into), text: text.into() });
        self.send_waiting(&mut state);
        Ok(())
    }

    /// Enters a room, on this connection and on those to come.
    ///
    /// # Errors
    ///
    /// [`ChatError`]; nothing changes then.
    pub fn join_room(&self, room: &str) -> Result<(), ChatError> {
        let mut state = self.lock_for_commands()?;
        let room = room.trim();
        if state.rooms.insert(room.into()) && state.is_joined {
            state.commands.push_back(self.join(Some(room)));
            self.send_waiting(&mut state);
        }
        Ok(())
    }

    /// Leaves a room.
    ///
    /// # Errors
    ///
    /// [`ChatError`]; nothing changes then.
    pub fn leave_room(&self, room: &str) -> Result<(), ChatError> {
        let mut state = self.lock_for_commands()?;
        let room = room.trim();
        if state.rooms.remove(room) && state.is_joined {
            state.commands.push_back(json!({ "type": "leave", "room": room }));
            self.send_waiting(&mut state);
        }
        Ok(())
    }

    /// Asks for the named rooms: [`ChatEvent::Rooms`].
    ///
    /// # Errors
    ///
    /// [`ChatError`]; it is not asked then.
    pub fn list_rooms(&self) -> Result<(), ChatError> {
        self.ask(json!({ "type": "rooms" }))
    }

    /// Asks for the members of a room or of the lobby: [`ChatEvent::Members`].
    ///
    /// # Errors
    ///
    /// [`ChatError`]; it is not asked then.
    pub fn list_members(&self, room: Option<&str>) -> Result<(), ChatError> {
        self.ask(in_room(json!({ "type": "who" }), room))
    }

    /// Messages that are not confirmed: those that wait, and those that were sent and have not come back yet; and questions without answer.
    pub fn pending(&self) -> usize {
        let state = self.lock();
        state.waiting.len() + state.unconfirmed.len() + state.questions.len() + state.unanswered
    }

    /// What happens next. `None` if nothing does in time, and after [`ChatEvent::Over`].
    pub fn next_event(&self, timeout: Option<Duration>) -> Option<ChatEvent> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // What has happened counts before anything is sent: perhaps this is another connection, on which nobody has joined.
            let event = self.socket.try_next_event().or_else(|| self.socket.next_event(self.send_rest(left)));
            match event {
                Some(event) => {
                    if let Some(event) = self.take(event) {
                        return Some(event);
                    }
                }
                None if self.lock().is_over || left.is_some_and(|left| left.is_zero()) => return None,
                None => {}
            }
        }
    }

    /// Sends what waits, if there is room. Returns how long nothing else is to be done, `left` at most.
    fn send_rest(&self, left: Option<Duration>) -> Option<Duration> {
        let mut state = self.lock();
        self.send_waiting(&mut state);
        // Nothing tells when there is room again.
        let room_check = (state.is_joined && state.waits()).then_some(ROOM_CHECK);
        [left, room_check].into_iter().flatten().min()
    }

    fn take(&self, event: ReliableEvent) -> Option<ChatEvent> {
        match event {
            ReliableEvent::Opened { attempt } => {
                self.enter();
                Some(ChatEvent::Connected { attempt })
            }
            ReliableEvent::Message(Data::Text(text)) => {
                let event = parse(&text);
                self.confirm(&event);
                Some(event)
            }
            ReliableEvent::Message(data) => {
                Some(ChatEvent::Unknown(format!("a binary message of {} bytes", data.as_bytes().len())))
            }
            ReliableEvent::Disconnected(broken) => {
                let CloseEvent { code, reason, .. } = broken.close;
                self.lock().is_final = broken.is_final;
                let why = broken.cause.map_or_else(|| in_words(code).into(), |cause| cause.to_string());
                let unsent = broken.unsent.iter().filter_map(|unsent| outgoing(&unsent.data)).collect();
                let unconfirmed = self.lost(unsent);
                // By close(), or by a final code: `Closed` follows and has it all.
                Some(ChatEvent::Disconnected { code, why, reason, unconfirmed })
            }
            ReliableEvent::Retrying { attempt, delay } => Some(ChatEvent::Retrying { attempt, delay }),
            ReliableEvent::GaveUp { attempts, unsent } => {
                let unsent = unsent.iter().filter_map(|unsent| outgoing(&unsent.data)).collect();
                let why = given_up(attempts, self.lock().is_final);
                Some(self.over(1006, false, why, String::new(), unsent))
            }
            ReliableEvent::Closed { close, unsent } => {
                let unsent = unsent.iter().filter_map(|unsent| outgoing(&unsent.data)).collect();
                Some(self.over(
                    close.code,
                    close.was_clean,
                    in_words(close.code).into(),
                    close.reason,
                    unsent,
                ))
            }
            // What a later version of the library tells.
            _ => None,
        }
    }

    /// A new connection: the server has to be told who this is, before anything else.
    fn enter(&self) {
        let mut state = self.lock();
        let rooms = state.rooms.iter().map(|room| self.join(Some(room)));
        state.commands = std::iter::once(self.join(None)).chain(rooms).collect();
        state.is_joined = true;
        self.send_waiting(&mut state);
    }

    /// Everyone in a room gets what is said there in the order in which it was said, its author too: what was said before and did not come
    /// back was refused.
    fn confirm(&self, event: &ChatEvent) {
        let mut state = self.lock();
        if matches!(event, ChatEvent::Rooms(_) | ChatEvent::Members { .. } | ChatEvent::Refused(_)) {
            state.unanswered = state.unanswered.saturating_sub(1);
        }
        let ChatEvent::Message { username, text, room } = event else { return };
        if *username != self.username {
            return;
        }
        let is_it = |sent: &Outgoing| sent.text == *text && sent.room == *room;
        if let Some(at) = state.unconfirmed.iter().position(is_it) {
            state.unconfirmed.drain(..=at);
        }
    }

    /// The connection is gone. What the kernel never had waits again; the rest is in doubt.
    fn lost(&self, unsent: Vec<Outgoing>) -> Vec<Outgoing> {
        let mut state = self.lock();
        state.is_joined = false;
        state.commands.clear();
        state.unanswered = 0;
        let sent = state.unconfirmed.len().saturating_sub(unsent.len());
        let unconfirmed = state.unconfirmed.drain(..sent).collect();
        state.unconfirmed.clear();
        for message in unsent.into_iter().rev() {
            state.waiting.push_front(message);
        }
        unconfirmed
    }

    fn over(
        &self,
        code: u16,
        was_clean: bool,
        why: String,
        reason: String,
        unsent: Vec<Outgoing>,
    ) -> ChatEvent {
        let unconfirmed = self.lost(unsent);
        let mut state = self.lock();
        state.is_over = true;
        let unsent = state.waiting.drain(..).collect();
        ChatEvent::Over { code, was_clean, why, reason, unsent, unconfirmed }
    }

    fn send_waiting(&self, state: &mut State) {
        while state.is_joined {
            let Some(command) = state.commands.front() else { break };
            if !self.send_json(command) {
                return;
            }
            state.commands.pop_front();
        }
        while state.is_joined {
            let Some(Outgoing { room, text }) = state.waiting.front() else { break };
            let message = json!({ "type": "message", "username": self.username, "text": text });
            if !self.send_json(&in_room(message, room.as_deref())) {
                return;
            }
            state.unconfirmed.extend(state.waiting.pop_front());
        }
        while state.is_joined {
            let Some(question) = state.questions.front() else { return };
            if !self.send_json(question) {
                return;
            }
            state.questions.pop_front();
            state.unanswered += 1;
        }
    }

    fn join(&self, room: Option<&str>) -> Value {
        in_room(json!({ "type": "join", "username": self.username }), room)
    }

    fn ask(&self, question: Value) -> Result<(), ChatError> {
        let mut state = self.lock();
        if state.is_over {
            return Err(ChatError::Over);
        }
        if state.questions.len() >= MAX_QUESTIONS {
            return Err(ChatError::TooManyWaiting);
        }
        state.questions.push_back(question);
        self.send_waiting(&mut state);
        Ok(())
    }

    /// Whether it was sent. It is not if there is no connection any more, which the next event tells, or while there is no room.
    fn send_json(&self, value: &Value) -> bool {
        self.socket.send(value.to_string().as_str()).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_for_commands(&self) -> Result<MutexGuard<'_, State>, ChatError> {
        let state = self.lock();
        match state.commands.len() {
            _ if state.is_over => Err(ChatError::Over),
            MAX_WAITING.. => Err(ChatError::TooManyWaiting),
            _ => Ok(state),
        }
    }
}

impl State {
    /// Whether there is something to be sent.
    fn waits(&self) -> bool {
        !(self.commands.is_empty() && self.waiting.is_empty() && self.questions.is_empty())
    }
}

fn in_room(mut value: Value, room: Option<&str>) -> Value {
    if let Some(room) = room {
        value["room"] = room.into();
    }
    value
}

/// A message of ours, as it was sent; nothing if it was a join or the like.
fn outgoing(data: &Data) -> Option<Outgoing> {
    let value: Value = serde_json::from_slice(data.as_bytes()).ok()?;
    if value["type"] != "message" {
        return None;
    }
    Some(Outgoing { room: text_of(&value, "room"), text: text_of(&value, "text")? })
}

fn text_of(value: &Value, field: &str) -> Option<String> {
    value.get(field)?.as_str().map(Into::into)
}

fn texts_of(value: &Value, field: &str) -> Option<Vec<String>> {
    value.get(field)?.as_array()?.iter().map(|text| text.as_str().map(String::from)).collect()
}

/// What the server says.
fn parse(text: &str) -> ChatEvent {
    serde_json::from_str(text)
        .ok()
        .and_then(|value| known(&value))
        .unwrap_or_else(|| ChatEvent::Unknown(text.into()))
}

fn known(value: &Value) -> Option<ChatEvent> {
    let room = text_of(value, "room");
    Some(match value.get("type")?.as_str()? {
        "join" => ChatEvent::Joined { username: text_of(value, "username")?, room },
        "message" => {
            ChatEvent::Message { username: text_of(value, "username")?, text: text_of(value, "text")?, room }
        }
        "leave" => ChatEvent::Left { username: text_of(value, "username")?, room },
        "rooms" => ChatEvent::Rooms(texts_of(value, "rooms")?),
        "who" => ChatEvent::Members { members: texts_of(value, "members")?, room },
        "error" => ChatEvent::Refused(text_of(value, "message")?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::wire;

    #[test]
    fn what_the_server_says_is_understood() {
        let (ann, den) = (|| "ann".to_owned(), || Some("den".to_owned()));
        for (text, event) in [
            (wire::join("ann", None), ChatEvent::Joined { username: ann(), room: None }),
            (
                wire::message("ann", "🦀", Some("den")),
                ChatEvent::Message { username: ann(), text: "🦀".into(), room: den() },
            ),
            (wire::leave("ann", Some("den")), ChatEvent::Left { username: ann(), room: den() }),
            (wire::rooms(["den"].into_iter()), ChatEvent::Rooms(vec!["den".into()])),
            (wire::who(["ann"].into_iter(), None), ChatEvent::Members { members: vec![ann()], room: None }),
            (wire::error("no"), ChatEvent::Refused("no".into())),
        ] {
            assert_eq!(parse(&text), event);
        }
    }

    #[test]
    fn what_is_not_understood_is_passed_on() {
        for text in [
            "hello",
            "[]",
            "{}",
            r#"{"type":"fly"}"#,
            r#"{"type":"join"}"#,
            r#"{"type":"who","members":[1]}"#,
        ] {
            assert_eq!(parse(text), ChatEvent::Unknown(text.into()));
        }
    }
}
