//! tokio-websockets 0.13, whose vector instructions are always on. Messages are fed into its queue, which it flushes from 8 KiB up, and
//! flushed once more a batch. Masking-keys come from `fastrand`.

use std::hint::black_box;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio_websockets::{ClientBuilder, Limits, Message, ServerBuilder, WebSocketStream};

use super::now;
use crate::Payload;
use crate::codec::wire::Wire;
use crate::codec::{Contender, Receive, Send, Tally, Work};

pub(super) struct TokioWebsockets;

impl Contender for TokioWebsockets {
    fn name(&self) -> &'static str {
        "tokio-websockets 0.13"
    }

    fn receives(&self, job: &Receive) -> Option<Box<dyn Work>> {
        let server = ServerBuilder::new().limits(Limits::default());
        Some(Box::new(Receiver { socket: server.serve(Wire::of(job)), count: job.count }))
    }

    fn server_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        let wire = Wire::to(job, false);
        Some(Sender::boxed(job, ServerBuilder::new().serve(wire)))
    }

    fn client_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        let wire = Wire::to(job, true);
        Some(Sender::boxed(job, ClientBuilder::new().take_over(wire)))
    }
}

struct Receiver {
    socket: WebSocketStream<Wire>,
    count: usize,
}

impl Work for Receiver {
    fn run(&mut self) -> Tally {
        now(async {
            let mut tally = Tally::default();
            while tally.messages < self.count {
                let message = self.socket.next().await.expect("no end").expect("well-formed");
                tally.message(black_box(message).as_payload().len());
            }
            tally
        })
    }
}

struct Sender {
    socket: WebSocketStream<Wire>,
    message: Message,
    count: usize,
}

impl Sender {
    fn boxed(job: &Send, socket: WebSocketStream<Wire>) -> Box<dyn Work> {
        let message = match job.payload.clone() {
            Payload::Text(text) => Message::text(text),
            Payload::Binary(payload) => Message::binary(Bytes::from(payload)),
        };
        Box::new(Self { socket, message, count: job.count })
    }
}

impl Work for Sender {
    fn run(&mut self) -> Tally {
        now(async {
            let mut tally = Tally::default();
            for _ in 0..self.count {
                self.socket.feed(black_box(&self.message).clone()).await.expect("an open connection");
                tally.message(self.message.as_payload().len());
            }
            self.socket.flush().await.expect("memory");
            tally
        })
    }
}
