//! Compressed messages, RFC 7692 §7.2: in the RFC's words, and between two ends of any kind.

mod distances;
mod ends;
mod errors;
mod properties;
mod sending;
mod vectors;

use sansws::deflate::{Compression, DeflatePool};
use sansws::handshake::DeflateParams;
use sansws::{Assembler, Config, Connection, Event, Message, OwnedMessage, ProtocolError, Role, apply_mask};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn config() -> Config {
    Config::new().compression(true)
}

/// One end of a connection, with its compression.
struct End {
    connection: Connection,
    compression: Compression,
    messages: Assembler,
    pool: DeflatePool,
}

impl End {
    fn new(role: Role, agreed: &DeflateParams, config: &Config) -> Self {
        let connection = match role {
            Role::Server => Connection::server(config),
            Role::Client => Connection::client(config, || KEY),
        };
        let compression = Compression::new(role, agreed, config).threshold(0);
        Self { connection, compression, messages: Assembler::new(), pool: DeflatePool::new() }
    }

    fn server(agreed: &DeflateParams) -> Self {
        Self::new(Role::Server, agreed, &config())
    }

    fn client(agreed: &DeflateParams) -> Self {
        Self::new(Role::Client, agreed, &config())
    }

    /// The messages in these bytes. An error fails the connection, and nothing comes after it.
    fn receive(&mut self, bytes: &[u8]) -> Vec<OwnedMessage> {
        let (mut bytes, mut all) = (bytes.to_vec(), Vec::new());
        let mut input = &mut bytes[..];
        while let Some(event) = self.connection.receive(&mut input) {
            let message = match event {
                Event::Compressed(chunk) => {
                    self.messages.compressed(chunk, &mut self.compression, &mut self.pool)
                }
                event => self.messages.push(event),
            };
            match message {
                Ok(message) => all.extend(message.map(Message::into_owned)),
                Err(error) => {
                    assert_eq!(self.connection.fail(error), Some(Event::Failed(error)), "the first one");
                }
            }
        }
        all
    }

    fn send(&mut self, message: Message<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        self.compression.send(&mut self.connection, message, &mut self.pool, &mut out).unwrap();
        out
    }
}

/// A frame to a server whose payload is given as it is on the wire before it is masked.
fn frame(b0: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![b0];
    match payload.len() {
        len @ 0..126 => bytes.push(0x80 | len as u8),
        len @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(KEY);
    let start = bytes.len();
    bytes.extend(payload);
    apply_mask(KEY, &mut bytes[start..]);
    bytes
}

/// A whole compressed text message.
fn text_frame(payload: &[u8]) -> Vec<u8> {
    frame(0xc1, payload)
}

/// What a server that has just been opened makes of a compressed text message.
fn received(payload: &[u8]) -> Result<Vec<OwnedMessage>, ProtocolError> {
    let mut server = End::server(&DeflateParams::new());
    let messages = server.receive(&text_frame(payload));
    server.connection.failure().map_or(Ok(messages), Err)
}

fn text(text: &str) -> OwnedMessage {
    OwnedMessage::Text(text.into())
}
