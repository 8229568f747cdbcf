//! tungstenite 0.30 over `Read` and `Write`. Messages are written into its buffer (128 KiB) and flushed once a batch; a message to be sent
//! is a handle on shared memory.

use std::hint::black_box;

use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

use crate::Payload;
use crate::codec::wire::Wire;
use crate::codec::{Contender, Receive, Send, Tally, Work};

pub(super) struct Tungstenite;

impl Contender for Tungstenite {
    fn name(&self) -> &'static str {
        "tungstenite 0.30"
    }

    fn receives(&self, job: &Receive) -> Option<Box<dyn Work>> {
        let socket = socket(Wire::of(job), Role::Server);
        Some(Box::new(Receiver { socket, count: job.count }))
    }

    fn server_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::boxed(job, Role::Server))
    }

    fn client_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::boxed(job, Role::Client))
    }
}

fn socket(wire: Wire, role: Role) -> WebSocket<Wire> {
    WebSocket::from_raw_socket(wire, role, Some(WebSocketConfig::default()))
}

struct Receiver {
    socket: WebSocket<Wire>,
    count: usize,
}

impl Work for Receiver {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        while tally.messages < self.count {
            match black_box(self.socket.read().expect("well-formed")) {
                Message::Text(text) => tally.message(text.len()),
                Message::Binary(payload) => tally.message(payload.len()),
                other => panic!("unexpected {other:?}"),
            }
        }
        tally
    }
}

struct Sender {
    socket: WebSocket<Wire>,
    message: Message,
    count: usize,
}

impl Sender {
    fn boxed(job: &Send, role: Role) -> Box<dyn Work> {
        let wire = Wire::to(job, matches!(role, Role::Client));
        let message = match job.payload.clone() {
            Payload::Text(text) => Message::Text(text.into()),
            Payload::Binary(payload) => Message::Binary(payload.into()),
        };
        Box::new(Self { socket: socket(wire, role), message, count: job.count })
    }
}

impl Work for Sender {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..self.count {
            self.socket.write(black_box(&self.message).clone()).expect("an open connection");
            tally.message(self.message.len());
        }
        self.socket.flush().expect("memory");
        tally
    }
}
