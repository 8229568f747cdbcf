//! fastwebsockets 0.10 with its feature `simd`. It has no buffer for what is sent: each message is a write, from 1 KiB up a vectored one. A
//! client masks the payload where it is, so it is handed over as `BorrowedMut`, without a copy.

use std::hint::black_box;

use fastwebsockets::{FragmentCollector, Frame, OpCode, Role, WebSocket};

use super::now;
use crate::codec::wire::Wire;
use crate::codec::{Contender, Receive, Send, Tally, Work};

pub(super) struct Fastwebsockets;

impl Contender for Fastwebsockets {
    fn name(&self) -> &'static str {
        "fastwebsockets 0.10"
    }

    fn receives(&self, job: &Receive) -> Option<Box<dyn Work>> {
        let socket = WebSocket::after_handshake(Wire::of(job), Role::Server);
        Some(Box::new(Receiver { socket: FragmentCollector::new(socket), count: job.count }))
    }

    fn server_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::boxed(job, Role::Server))
    }

    fn client_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::boxed(job, Role::Client))
    }
}

struct Receiver {
    socket: FragmentCollector<Wire>,
    count: usize,
}

impl Work for Receiver {
    fn run(&mut self) -> Tally {
        now(async {
            let mut tally = Tally::default();
            while tally.messages < self.count {
                let frame = black_box(self.socket.read_frame().await.expect("well-formed"));
                tally.message(frame.payload.len());
            }
            tally
        })
    }
}

struct Sender {
    socket: WebSocket<Wire>,
    opcode: OpCode,
    payload: Vec<u8>,
    count: usize,
}

impl Sender {
    fn boxed(job: &Send, role: Role) -> Box<dyn Work> {
        let wire = Wire::to(job, role == Role::Client);
        Box::new(Self {
            socket: WebSocket::after_handshake(wire, role),
            opcode: if job.payload.is_text() { OpCode::Text } else { OpCode::Binary },
            payload: job.payload.as_bytes().to_vec(),
            count: job.count,
        })
    }
}

impl Work for Sender {
    fn run(&mut self) -> Tally {
        now(async {
            let mut tally = Tally::default();
            for _ in 0..self.count {
                let payload = black_box(&mut self.payload[..]);
                tally.message(payload.len());
                let frame = Frame::new(true, self.opcode, None, payload.into());
                self.socket.write_frame(frame).await.expect("an open connection");
            }
            self.socket.flush().await.expect("memory");
            tally
        })
    }
}
