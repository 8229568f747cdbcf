//! yawc 0.5 with its feature `simd`. Text is validated because it is asked to, and its read buffer is as long as a read, as its docs
//! suggest for bursts. Messages are fed and flushed once a batch.

use std::hint::black_box;

use bytes::Bytes;
use futures_util::SinkExt;
use yawc::{Frame, Options, Role, WebSocket};

use super::now;
use crate::codec::wire::Wire;
use crate::codec::{Contender, Receive, Send, Tally, Work};

pub(super) struct Yawc;

impl Contender for Yawc {
    fn name(&self) -> &'static str {
        "yawc 0.5"
    }

    fn receives(&self, job: &Receive) -> Option<Box<dyn Work>> {
        let options =
            Options::default().with_utf8().with_limits(2 << 20, 4 << 20).with_read_buffer_capacity(job.read);
        let wire = Wire::of(job);
        let socket = WebSocket::from_stream(wire, Role::Server, options).expect("legal options");
        Some(Box::new(Receiver { socket, count: job.count }))
    }

    fn server_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::boxed(job, Role::Server))
    }

    fn client_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::boxed(job, Role::Client))
    }
}

struct Receiver {
    socket: WebSocket<Wire>,
    count: usize,
}

impl Work for Receiver {
    fn run(&mut self) -> Tally {
        now(async {
            let mut tally = Tally::default();
            while tally.messages < self.count {
                let frame = self.socket.next_frame().await.expect("well-formed");
                tally.message(black_box(frame).payload().len());
            }
            tally
        })
    }
}

struct Sender {
    socket: WebSocket<Wire>,
    is_text: bool,
    payload: Bytes,
    count: usize,
}

impl Sender {
    fn boxed(job: &Send, role: Role) -> Box<dyn Work> {
        let options = Options::default().with_write_buffer_capacity(64 << 10);
        let wire = Wire::to(job, role == Role::Client);
        let socket = WebSocket::from_stream(wire, role, options).expect("legal options");
        let payload = job.payload.as_bytes().to_vec().into();
        Box::new(Self { socket, is_text: job.payload.is_text(), payload, count: job.count })
    }
}

impl Work for Sender {
    fn run(&mut self) -> Tally {
        now(async {
            let mut tally = Tally::default();
            for _ in 0..self.count {
                let payload = black_box(&self.payload).clone();
                let frame = if self.is_text { Frame::text(payload) } else { Frame::binary(payload) };
                self.socket.feed(frame).await.expect("an open connection");
                tally.message(self.payload.len());
            }
            SinkExt::<Frame>::flush(&mut self.socket).await.expect("memory");
            tally
        })
    }
}
