//! sockudo-ws 3.1 with its feature `simd`: its `Protocol`, the layer without a transport. It is fed what each read returns and hands out
//! all messages of it in a `Vec` that is reused ("zero-allocation hot path"); messages are encoded into a `BytesMut`, as ours are into a
//! `Vec`. Masking-keys come from `fastrand`.

use std::hint::black_box;

use bytes::BytesMut;
use sockudo_ws::{Message, Role, protocol::Protocol};

use crate::Payload;
use crate::codec::wire::{WORTH_A_WRITE, Wire};
use crate::codec::{Contender, Receive, Send, Tally, Work};

pub(super) struct SockudoWs;

impl Contender for SockudoWs {
    fn name(&self) -> &'static str {
        "sockudo-ws 3.1"
    }

    fn receives(&self, job: &Receive) -> Option<Box<dyn Work>> {
        Some(Box::new(Receiver {
            wire: Wire::of(job),
            protocol: Protocol::new(Role::Server, 16 << 20, 64 << 20),
            buffer: BytesMut::with_capacity(job.read),
            messages: Vec::new(),
            count: job.count,
            read: job.read,
        }))
    }

    fn server_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::boxed(job, Role::Server))
    }

    fn client_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::boxed(job, Role::Client))
    }
}

struct Receiver {
    wire: Wire,
    protocol: Protocol,
    buffer: BytesMut,
    messages: Vec<Message>,
    count: usize,
    read: usize,
}

impl Work for Receiver {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        while tally.messages < self.count {
            self.buffer.reserve(self.read);
            self.buffer.extend_from_slice(self.wire.next(self.read));
            self.protocol.process_into(&mut self.buffer, &mut self.messages).expect("well-formed");
            for message in self.messages.drain(..) {
                tally.message(black_box(message).as_bytes().len());
            }
        }
        tally
    }
}

struct Sender {
    protocol: Protocol,
    message: Message,
    out: BytesMut,
    wire: Wire,
    count: usize,
}

impl Sender {
    fn boxed(job: &Send, role: Role) -> Box<dyn Work> {
        let message = match job.payload.clone() {
            Payload::Text(text) => Message::text(text),
            Payload::Binary(payload) => Message::binary(payload),
        };
        let wire = Wire::to(job, role == Role::Client);
        let protocol = Protocol::new(role, 16 << 20, 64 << 20);
        Box::new(Self { protocol, message, out: BytesMut::new(), wire, count: job.count })
    }
}

impl Work for Sender {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..self.count {
            let message = black_box(&self.message);
            self.protocol.encode_message(message, &mut self.out).expect("an open connection");
            tally.message(message.as_bytes().len());
            if self.out.len() >= WORTH_A_WRITE {
                self.wire.put(&self.out);
                self.out.clear();
            }
        }
        self.wire.put(&self.out);
        self.out.clear();
        tally
    }
}
