//! The chat: rooms, their members, and who hears what. The wire format is in [`wire`].

pub mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sansws_mio::{Message, Peer, PeerId};

use crate::site::Session;
use wire::Command;

/// Most rooms that one connection can be in, the lobby counted.
pub const MAX_ROOMS_PER_MEMBER: usize = 16;
/// Most named rooms at a time.
pub const MAX_ROOMS: usize = 1024;
/// With more bytes queued than this a member is told to go. It has to leave room for what one talker may say in one turn of the loop, however
/// fast everyone reads: the kernel takes some 64 KiB at once where the network is slower than loopback, one event may have 385 KiB (a text of
/// which each byte is an escaped control character), and a turn reads 512 KiB.
pub const HIGH_WATER: usize = 1 << 20;

/// Who is where. A room exists as long as somebody is in it.
#[derive(Default)]
pub struct Chat {
    rooms: BTreeMap<Room, BTreeMap<PeerId, Arc<str>>>,
}

/// One connection's part in the chat.
#[derive(Default)]
pub struct Member {
    /// The name of the first join. It can change only while the member is in no room.
    username: Option<Arc<str>>,
    rooms: BTreeSet<Room>,
}

/// The name of a room; the lobby has none.
type Room = Option<Arc<str>>;

impl Chat {
    /// Obeys a command, or answers with an error that says why not.
    pub fn message(&mut self, peer: &mut Peer<'_, Session>, message: Message<'_>) {
        let result = match message {
            // Whoever does not read its answers gets no more of them.
            Message::Text(_) if peer.is_congested() => return,
            Message::Text(text) => wire::parse(text).and_then(|command| self.obey(peer, command)),
            Message::Binary(_) => Err("a text message is expected, not a binary one".into()),
        };
        if let Err(error) = result {
            reply(peer, &wire::error(&error));
        }
    }

    /// Everyone who shared a room with this connection hears that it left.
    pub fn close(&mut self, peer: &mut Peer<'_, Session>) {
        for room in member(peer).map(|member| member.rooms.clone()).unwrap_or_default() {
            self.leave(peer, &room);
        }
    }

    fn obey(&mut self, peer: &mut Peer<'_, Session>, command: Command) -> Result<(), String> {
        match command {
            Command::Join { username, room } => self.join(peer, &username, room.map(Arc::from)),
            Command::Message { text, room } => {
                let room = room.map(Arc::from);
                let username = entered(peer, &room)?;
                publish(peer, &room, &wire::message(&username, &text, room.as_deref()))
            }
            Command::Leave { room } => {
                let room = room.map(Arc::from);
                let username = entered(peer, &room)?;
                peer.unsubscribe(&topic(&room));
                self.leave(peer, &room);
                reply(peer, &wire::leave(&username, room.as_deref()));
                Ok(())
            }
            Command::Rooms => {
                reply(peer, &wire::rooms(self.rooms.keys().filter_map(Option::as_deref)));
                Ok(())
            }
            Command::Who { room } => {
                let room: Room = room.map(Arc::from);
                let members = self.rooms.get(&room).into_iter().flat_map(BTreeMap::values);
                let mut names: Vec<&str> = members.map(|name| &**name).collect();
                names.sort_unstable();
                reply(peer, &wire::who(names.into_iter(), room.as_deref()));
                Ok(())
            }
        }
    }

    fn join(&mut self, peer: &mut Peer<'_, Session>, username: &str, room: Room) -> Result<(), String> {
        let Some(member) = member(peer) else { return Ok(()) };
        if member.rooms.contains(&room) {
            return Err(format!("you are in {} already", described(&room)));
        }
        if let (Some(name), false) = (&member.username, member.rooms.is_empty()) {
            if **name != *username {
                return Err(format!("you are here as {name}; leave all rooms to take another name"));
            }
        }
        if member.rooms.len() >= MAX_ROOMS_PER_MEMBER {
            return Err(format!("you are in {MAX_ROOMS_PER_MEMBER} rooms, more are not allowed"));
        }
        // The lobby is not counted, and never closed.
        let named = self.rooms.len() - usize::from(self.rooms.contains_key(&None));
        if room.is_some() && !self.rooms.contains_key(&room) && named >= MAX_ROOMS {
            return Err(format!("there are {MAX_ROOMS} rooms, more are not allowed"));
        }
        // Whoever is nowhere yet enters the lobby, and the room as well.
        if room.is_some() && member.rooms.is_empty() {
            self.enter(peer, username, None)?;
        }
        self.enter(peer, username, room)
    }

    fn enter(&mut self, peer: &mut Peer<'_, Session>, username: &str, room: Room) -> Result<(), String> {
        peer.subscribe(&topic(&room)).map_err(|error| error.to_string())?;
        let id = peer.id();
        let username: Arc<str> = username.into();
        if let Session::Chat(member) = peer.session_mut() {
            member.username = Some(username.clone());
            member.rooms.insert(room.clone());
        }
        let event = wire::join(&username, room.as_deref());
        self.rooms.entry(room.clone()).or_default().insert(id, username);
        publish(peer, &room, &event)
    }

    /// Takes a member out of a room and tells everyone who stays.
    fn leave(&mut self, peer: &mut Peer<'_, Session>, room: &Room) {
        if let Session::Chat(member) = peer.session_mut() {
            member.rooms.remove(room);
        }
        let Some(members) = self.rooms.get_mut(room) else { return };
        let username = members.remove(&peer.id());
        if members.is_empty() {
            self.rooms.remove(room);
        }
        if let Some(username) = username {
            let _ = publish(peer, room, &wire::leave(&username, room.as_deref()));
        }
    }
}

/// The name under which this connection is in the room.
fn entered(peer: &Peer<'_, Session>, room: &Room) -> Result<Arc<str>, String> {
    member(peer)
        .filter(|member| member.rooms.contains(room))
        .and_then(|member| member.username.clone())
        .ok_or_else(|| format!("you are not in {}: join it first", described(room)))
}

fn member<'a>(peer: &'a Peer<'_, Session>) -> Option<&'a Member> {
    match peer.session() {
        Session::Chat(member) => Some(member),
        _ => None,
    }
}

fn publish(peer: &mut Peer<'_, Session>, room: &Room, event: &str) -> Result<(), String> {
    peer.publish(&topic(room), event).map_err(|error| format!("not delivered: {error}"))
}

fn reply(peer: &mut Peer<'_, Session>, event: &str) {
    if let Err(error) = peer.send(event) {
        log::warn!("{}: no reply sent: {error}", peer.remote_addr());
    }
}

fn topic(room: &Room) -> String {
    match room {
        None => "chat".into(),
        Some(room) => format!("chat/{room}"),
    }
}

fn described(room: &Room) -> String {
    match room {
        None => "the lobby".into(),
        Some(room) => format!("the room {room:?}"),
    }
}
